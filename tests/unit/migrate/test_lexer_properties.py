"""Whatever the text: cutting it ends, loses nothing that matters, and finds each statement where it says."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from controller.errors import MigrationFileError
from controller.migrate.lexer import Statement, split

PIECES = [
    ";", "'", '"', "E'", "e'\\'", "\\'", "''", "$$", "$a$", "$1", "--", "\n", "/*", "*/", "(", ")", " ", "\r\n", "x",
    "CREATE FUNCTION f() ", "BEGIN ATOMIC ", "CASE ", "END", "SELECT 1", "COPY t FROM STDIN", "é", "\u2028", "\t",
]  # fmt: skip
SQL = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
STRING = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
STATEMENTS = st.lists(
    st.one_of(
        STRING.map(lambda text: "SELECT '" + text.replace("'", "''") + "'"),
        STRING.map(lambda text: 'SELECT "' + text.replace('"', '""') + '"'),
        STRING.map(lambda text: f"DO $do_it${text.replace('$', '')}$do_it$"),
        STRING.map(lambda text: f"SELECT (1 /* {text.replace('*', '').replace('/', '')} */ + 1)"),
        st.just("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END"),
    ),
    max_size=6,
)


def cut(sql: str) -> tuple[Statement, ...]:
    try:
        return split(sql, file="f.sql")
    except MigrationFileError as refused:
        where, _, _ = refused.message.partition(": ")
        return () if where.startswith("f.sql:") and where[6:].isdecimal() else pytest.fail(refused.message)


@given(st.one_of(SQL, st.text()))
@example("E'\\")
@example("$$$")
@example("/*/")
def test_any_text_is_cut_or_refused_with_a_line(sql: str) -> None:
    position = 0
    for statement in cut(sql):
        assert statement.text.strip() == statement.text != ""
        assert statement.offset >= position
        assert sql.startswith(statement.text, statement.offset)
        assert statement.line == sql.count("\n", 0, statement.offset) + 1
        position = statement.offset + len(statement.text)


@given(STATEMENTS, st.sampled_from([";", " ;\n", ";-- x\n", ";/* ; */"]))
def test_statements_that_were_joined_come_apart_again(statements: list[str], joint: str) -> None:
    assert [s.text for s in cut(joint.join([*statements, ""]))] == statements


def test_a_hundred_thousand_statements_are_cut() -> None:
    """A cutter that starts over for each statement would run into the time limit of the test."""
    sql = "INSERT INTO t VALUES ('a;b', $$c;d$$); -- e\n" * 100_000
    statements = cut(sql)
    assert (len(statements), statements[-1].line) == (100_000, 100_000)


def test_one_very_long_statement_is_cut() -> None:
    sql = "SELECT '" + "''" * 500_000 + "', " + "(" * 100_000 + "1" + ")" * 100_000 + " " + "E'\\'' " * 100_000
    assert len(cut(sql)) == 1
