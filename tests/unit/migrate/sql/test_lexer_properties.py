"""Whatever the text: cutting it ends, loses nothing that matters, and finds each statement where it says."""

import re
import sys
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from controller.errors import MigrationFileError
from controller.migrate.sql.lexer import Statement, split

PIECES = [
    ";", "'", '"', "E'", "e'\\'", "\\'", "''", "$$", "$a$", "$1", "--", "\n", "/*", "*/", "(", ")", " ", "\r\n", "x",
    "CREATE FUNCTION f() ", "BEGIN ATOMIC ", "CASE ", "END", "SELECT 1", "COPY t FROM STDIN", "copy t to ",
    "é", "\u00a0", "\r", "\\", "AS ", ".", "$", "\u2028",
    "\t",
]  # fmt: skip
SQL = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
STRING = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
STATEMENTS = st.lists(
    st.one_of(
        STRING.map(lambda text: "SELECT '" + text.replace("'", "''") + "'"),
        STRING.map(lambda text: 'SELECT "' + text.replace('"', '""') + '"'),
        STRING.map(lambda text: f"DO $do_it${text.replace('$', '')}$do_it$"),
        STRING.map(lambda text: f"SELECT (1 /* {text.replace('*', '').replace('/', '')} */ + 1)"),
        STRING.map(lambda text: "SELECT E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"),
        STRING.map(
            lambda text: "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT '" + text.replace("'", "''") + "'; b)"
        ),
        st.just("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END"),
    ),
    max_size=6,
)


def cut(sql: str) -> tuple[Statement, ...]:
    try:
        return tuple(split(sql, file="f.sql"))
    except MigrationFileError as refused:
        where, _, _ = refused.message.partition(": ")
        return () if re.fullmatch(r"f\.sql:[0-9]+:[0-9]+", where) else pytest.fail(refused.message)


@given(st.one_of(SQL, st.text()))
@example("E'\\")
@example("$$$")
@example("/*/")
def test_any_text_is_cut_or_refused_with_its_place(sql: str) -> None:
    position = 0
    for statement in cut(sql):
        assert statement.text.strip(" \t\n\r\f\v") == statement.text != ""
        assert statement.offset >= position
        assert sql.startswith(statement.text, statement.offset)
        assert statement.line == sql.count("\n", 0, statement.offset) + 1
        position = statement.offset + len(statement.text)


BETWEEN = re.compile(r"(?:[ \t\n\r\f\v;]|--[^\n\r]*)*")
"""Separators, blanks and comments in one line; the others are looked at by counting."""


@given(st.one_of(SQL, st.text()))
def test_every_character_is_in_one_statement_or_between_two(sql: str) -> None:
    position = 0
    for statement in cut(sql):
        assert is_between(sql[position : statement.offset])
        position = statement.end
    if cut(sql):
        assert is_between(sql[position:])


def is_between(text: str) -> bool:
    """Return True if TEXT holds nothing but separators, blanks and whole comments."""
    position, depth = 0, 0
    while position < len(text):
        if text.startswith("/*", position):
            depth, position = depth + 1, position + 2
        elif depth and text.startswith("*/", position):
            depth, position = depth - 1, position + 2
        elif depth:
            position += 1
        elif (match := BETWEEN.match(text, position)) and match.end() > position:
            position = match.end()
        else:
            return False
    return depth == 0


@given(STATEMENTS, st.sampled_from([";", " ;\n", ";-- x\n", ";/* ; */"]))
def test_statements_that_were_joined_come_apart_again(statements: list[str], joint: str) -> None:
    assert [s.text for s in cut(joint.join([*statements, ""]))] == statements


SHAPES = {
    "one string": ("SELECT '", "x", "'"),
    "doubled quotes": ("SELECT '", "''", "'"),
    "tiny statements": ("", "SELECT 1;", ""),
    "empty statements": ("", ";", "SELECT 1"),
    "statements with strings": ("", "INSERT INTO t VALUES ('a;b', $$c;d$$); -- e\n", ""),
    "rows": ("INSERT INTO t VALUES ", "(1, 'abc', E'\\''),", "(2)"),
    "one dollar quote": ("DO $a$", "; ' $b$ ", "$a$"),
    "nested comments": ("", "/*", ""),
    "comments": ("", "-- a; ' comment\n", "SELECT 1"),
    "comments inside": ("SELECT ", "/* a /* b */ */ -- c\n", "1"),
    "open parentheses": ("SELECT ", "(", ""),
    "parentheses one by one": ("SELECT ", "((( a", ""),
    "bodies": ("", "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; END;\n", ""),
    "open cases": ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC ", "CASE ", ""),
    "continued strings": ("SELECT E'a'", "\n'b'", ""),
    "an open string": ("SELECT '", "it''s ", ""),
    "an open identifier": ('SELECT "', "a''", ""),
    "an open dollar quote": ("SELECT $a$", "$b$", ""),
    "blanks": ("SELECT 1", " ", ";"),
}


def work(shape: str, repeated: int) -> int:
    """Calls, of Python and of C, that cutting a text of that shape takes."""
    before, inside, after = SHAPES[shape]
    sql = before + inside * repeated + after
    cut(before + inside + after)  # compiles the patterns, which counts once for a process
    calls = Counter[str]()
    sys.setprofile(lambda _, event, __: calls.update([event]))
    try:
        cut(sql)
    finally:
        sys.setprofile(None)
    return calls["call"] + calls["c_call"]


@pytest.mark.parametrize("shape", SHAPES)
def test_four_times_the_text_is_at_most_four_times_the_work(shape: str) -> None:
    assert work(shape, 4000) <= 4 * work(shape, 1000) + 1000  # the collector of garbage may call something, too


@pytest.mark.parametrize("shape", SHAPES)
def test_a_megabyte_of_any_shape_is_cut_or_refused(shape: str) -> None:
    """A cutter that starts over somewhere would run into the time limit of the test."""
    before, inside, after = SHAPES[shape]
    cut(before + inside * (1_000_000 // len(inside)) + after)
