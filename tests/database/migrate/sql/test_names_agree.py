"""PostgreSQL's own parser has the last word on what a name is."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.database.connection import Connection
from controller.database.quoting import identifier
from controller.migrate.sql.token_reader import TokenReader

WRITTEN = [
    "a", "ABC", "straße", "ÄPFEL", "a$1", "_x", '"A b"', '"a""b"', 'U&"d\\0061t"', "u&\"d!0061t!!\" UESCAPE '!'",
    'U&"\\+01F600"', 'U&"\\D83D\\DE00"', 'U&"a""\\0062"', 'U&"x" /* a /* b */ */ UESCAPE -- c\r \'?\'', "values", "if",
    '"select"', "e1", "U", "b",
]  # fmt: skip


def read(text: str) -> TokenReader:
    return TokenReader(text, 0, len(text))


@pytest.mark.parametrize("written", WRITTEN)
async def test_a_name_is_what_postgresql_takes_it_for(connection: Connection, written: str) -> None:
    """Both as compared and as used in SQL."""
    reader = read(written)
    name = reader.take_name()
    assert name is not None
    assert reader.at_end
    (column,) = (await connection.prepare(f"SELECT 1 AS {written}")).get_attributes()
    assert name.parts == (column.name,)
    (column,) = (await connection.prepare(f"SELECT 1 AS {name.sql}")).get_attributes()
    assert name.parts == (column.name,)
    parts = await connection.fetchval("SELECT array_to_json(parse_ident($1))", name.sql)
    assert json.loads(parts) == list(name.parts)


NAME = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=15)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(NAME, min_size=1, max_size=3))
def test_a_quoted_name_comes_back_as_it_was(parts: list[str]) -> None:
    written = " . ".join(map(identifier, parts))
    name = read(written).take_qualified_name()
    assert name is not None
    assert name.parts == tuple(parts)
    assert name.sql == written.replace(" . ", ".") or " . " in "".join(parts)


async def test_many_names_are_what_postgresql_takes_them_for(connection: Connection) -> None:
    """Every ASCII sign, and letters that Unicode folds, in names with quotes and without."""
    for text in (*map(chr, range(1, 128)), "İ", "ǅ", "ß", "K", "Σς", "ﬁ"):
        quoted, escaped = identifier(f"A{text}b"), f'U&"A\\{ord(text[0]):04x}b"'
        for written in (quoted, escaped) if len(text) == 1 else (quoted,):
            name = read(written).take_name()
            assert name is not None
            (column,) = (await connection.prepare(f"SELECT 1 AS {written}")).get_attributes()
            assert name.parts == (column.name,)
    for word in ("İX", "ǅX", "KX", "ΣΣ", "ﬁX", "A\u00a0B"):
        name = read(word).take_name()
        assert name is not None
        (column,) = (await connection.prepare(f"SELECT 1 AS {word}")).get_attributes()
        assert name.parts == (column.name,)


STATEMENTS = [
    "TRUNCATE ONLY a, ONLY (b), c *",
    "DROP TABLE a, b CASCADE",
    "DELETE FROM a * AS x WHERE n = 1",
    "ALTER TABLE IF EXISTS a * DROP n",
    "ALTER TABLE a DROP if, DROP expression, ADD x int[] DEFAULT ARRAY[1, 2]",
    "ALTER TABLE ONLY (a) DROP n",
    "DROP TABLE if, cascade CASCADE",
    "CREATE INDEX CONCURRENTLY if ON a (n)",
    "REINDEX (CONCURRENTLY on, VERBOSE off) TABLE a",
    "REINDEX (VERBOSE, TABLESPACE x) TABLE CONCURRENTLY a",
    "ALTER TABLE a DETACH PARTITION b CONCURRENTLY",
    "INSERT INTO a WITH d AS (DELETE FROM b RETURNING *) SELECT * FROM d",
]


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_the_grammar_that_is_read_is_postgresqls(connection: Connection, statement: str) -> None:
    """Let PostgreSQL parse each statement of the tests; missing tables would be found only after parsing."""
    await connection.execute("CREATE FUNCTION parses(text) RETURNS bool LANGUAGE plpgsql AS $f$ BEGIN "
                             "EXECUTE format('CREATE FUNCTION pg_temp.f() RETURNS void LANGUAGE plpgsql AS %L', "
                             "'BEGIN ' || $1 || '; END'); RETURN true; END $f$")  # fmt: skip
    assert await connection.fetchval("SELECT parses($1)", statement)
