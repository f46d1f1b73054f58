"""PostgreSQL has the last word on what turns standard_conforming_strings off."""

import asyncpg
import pytest

from controller.database.connection import Connection
from controller.errors import MigrationFileError
from controller.migrate.files.migration import Script
from controller.migrate.sql.string_setting import changes_strings
from tests.unit.migrate.sql.one_statement import statement

VALUES = [
    "off", "OFF", "of", "f", "fa", "fals", "false", "n", "no", "0", "00", "-0", "o", "'off'", "'F'", "'o'", "''",
    "'0'", '"off"', '"OFF"', "E'off'", "E'o\\x66f'", "U&'o\\0066f'", "$$off$$", "$a$no$a$", "on", "ON", "t", "tru",
    "true", "y", "yes", "1", "'on'", "$$y$$", "DEFAULT", "nonsense", "' off'", "0.0",
]  # fmt: skip
NAMES = [
    "standard_conforming_strings", "STANDARD_conforming_strings", '"standard_conforming_strings"',
    '"Standard_Conforming_Strings"', 'U&"standard\\005fconforming_strings"', "SESSION standard_conforming_strings",
    "/* a */ session standard_conforming_strings", "escape_string_warning",
]  # fmt: skip
CALLS = [
    "SELECT set_config('standard_conforming_strings', 'off', false)",
    "SELECT pg_catalog.set_config('Standard_Conforming_Strings', 'f', false), 1",
    "SELECT 1, \"set_config\"('standard_conforming_strings'::text, 'no', false)",
    "SELECT SET_CONFIG ($$standard_conforming_strings$$, $a$of$a$, false)",
    "WITH a AS (SELECT 'n' AS v) SELECT set_config('standard_conforming_strings', v, false) FROM a",
    "VALUES (set_config('standard_conforming_strings', lower('OFF'), false))",
    "(SELECT set_config('standard_conforming_strings', 'off', false))",
    "SELECT set_config('standard_conforming_strings', 'on', false)",
    "SELECT set_config('search_path', 'off', false)",
    "SELECT 'set_config(''standard_conforming_strings'', ''off'', false)'",
]


async def turned_off(connection: Connection, text: str) -> bool:
    """Ask PostgreSQL how it reads strings after TEXT, which it may refuse."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(text)
        return str(await connection.fetchval("SHOW standard_conforming_strings")) == "off"
    except asyncpg.PostgresError:
        return False
    finally:
        await transaction.rollback()


@pytest.mark.parametrize("text", [
    *(f"SET standard_conforming_strings = {value}" for value in VALUES),
    *(f"SET {name} TO off" for name in NAMES),
    *CALLS,
    "RESET standard_conforming_strings",
    "SET standard_conforming_strings FROM CURRENT",
])  # fmt: skip
async def test_what_turns_them_off_is_what_postgresql_takes_for_it(connection: Connection, text: str) -> None:
    assert changes_strings(statement(text)) is await turned_off(connection, text)


@pytest.mark.parametrize("text", CALLS[:7])
def test_a_file_with_such_a_call_is_refused(text: str) -> None:
    with pytest.raises(MigrationFileError, match=r"^a:1:1: strings are read with standard_conforming_strings on"):
        _ = Script("a", text).statements


@pytest.mark.parametrize("value", ["v", "NULL", "lower('on')", "'o' || 'n'"])
def test_a_value_that_is_not_known_before_it_runs_counts_as_off(value: str) -> None:
    assert changes_strings(statement(f"SELECT set_config('standard_conforming_strings', {value}, false)"))
