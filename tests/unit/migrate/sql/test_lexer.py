"""Borders between statements."""

import pytest

from controller.errors import MigrationFileError
from controller.migrate.sql.lexer import split
from tests.unit.migrate.sql.whole_statements import WHOLE


def texts(sql: str) -> list[str]:
    return [statement.text for statement in split(sql, file="f.sql")]


def refusal(sql: str) -> str:
    with pytest.raises(MigrationFileError) as caught:
        split(sql, file="f.sql")
    return caught.value.message


@pytest.mark.parametrize("statement", [*WHOLE, "SELECT 1$1"])
def test_a_statement_is_not_cut_in_its_middle(statement: str) -> None:
    assert texts(f"{statement}\n;SELECT 'next'") == [statement, "SELECT 'next'"]


def test_comments_before_a_statement_and_empty_statements_are_left_out() -> None:
    sql = "-- one\n\n;; /* two\n /* deep */ */ SELECT 1;\n-- three\n;\nSELECT 2\n-- four"
    statements = split(sql, file="f.sql")
    assert [(s.text, s.line) for s in statements] == [("SELECT 1", 4), ("SELECT 2\n-- four", 7)]
    assert all(sql[s.offset :].startswith(s.text) for s in statements)


@pytest.mark.parametrize("sql", ["", " \n\t", "-- nothing", "/* nothing */", ";;;", "\ufeff".strip("\ufeff")])
def test_nothing_is_no_statement(sql: str) -> None:
    assert texts(sql) == []


def test_the_first_words_tell_the_kind_whatever_comments_stand_between() -> None:
    (statement,) = split("create /* a /* b */ */ -- c\n unique INDEX concurrently i ON t (a)", file="f.sql")
    assert statement.words[:1] == ("CREATE",)
    (statement,) = split(f"create /*{'x' * 500}*/ index concurrently i ON t (a)", file="f.sql")
    assert statement.words == ("CREATE", "INDEX", "CONCURRENTLY", "I")


@pytest.mark.parametrize(
    ("sql", "place", "told"),
    [
        ("SELECT 1;\nSELECT 'open;\n", "2:8", "quote is never closed; end it with '"),
        ("SELECT 'it''s open;\n", "1:8", "quote is never closed; end it with '"),
        ('SELECT 1;\nSELECT "open;\n', "2:8", 'quote is never closed; end it with "'),
        ("SELECT E'a\\';\n\n", "1:8", "quote is never closed; end it with '"),
        ("SELECT (1, e'a\\');", "1:12", "quote is never closed; end it with '"),
        ("\n\nDO $body$ BEGIN\nEND $$;", "3:4", "dollar quote is never closed; end it with $body$"),
        ("SELECT 1;\n/* open /* x */\n", "2:1", "comment is never closed; end it with */"),
        ("SELECT 1 + /* open\n", "1:12", "comment is never closed; end it with */"),
        ("CREATE TABLE a (\n  b int;\nCOMMIT;\n", "1:16", "parenthesis is never closed; end it with )"),
        ("SELECT é, (1));\nSELECT ((1);", "2:8", "parenthesis is never closed; end it with )"),
        ("\nCREATE FUNCTION f() RETURNS int\nBEGIN ATOMIC SELECT 1;\nCOMMIT;", "3:1", "body is never closed"),
        ("CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN 1; END;", "1:21", "body is never closed"),
        ("SELECT 1;\n\\i other.sql\n", "2:1", "psql meta-commands are not SQL"),
        ("SELECT 1 \\gset\n", "1:10", "psql meta-commands are not SQL"),
        ("SELECT 1;\n \\restrict x", "2:2", "psql meta-commands are not SQL"),
        (
            "SELECT 1;\nCOPY t (a, b) FROM stdin;\n1\tO'B\n\\.\n",
            "2:1",
            "COPY FROM STDIN needs data that only psql can send",
        ),
        ("copy t from /* a /* b */ */ -- c\n STDIN with csv", "1:1", "COPY FROM STDIN needs"),
        ("COPY t FROM STDOUT", "1:1", "COPY FROM STDIN needs"),
    ],
)
def test_what_cannot_be_cut_is_told_with_its_line_and_column(sql: str, place: str, told: str) -> None:
    message = refusal(sql)
    assert message.startswith(f"f.sql:{place}: ")
    assert told in message


def test_copy_from_a_file_and_to_stdout_are_for_the_server_to_judge() -> None:
    sql = "COPY t FROM '/data/stdin'; COPY t TO STDOUT; COPY (SELECT a FROM stdin) TO STDOUT; COPY \"from\" TO stdin"
    assert len(texts(sql)) == 4


def test_a_backslash_in_a_plain_string_is_a_character() -> None:
    assert texts("SELECT 'C:\\'; SELECT ';'") == ["SELECT 'C:\\'", "SELECT ';'"]


def test_a_carriage_return_ends_a_comment_as_for_postgresql() -> None:
    assert texts("SELECT 1 -- it's\rFROM t;SELECT 2") == ["SELECT 1 -- it's\rFROM t", "SELECT 2"]


def test_a_letter_that_only_unicode_calls_a_blank_is_the_servers_to_judge() -> None:
    assert texts("SELECT 1;\u00a0") == ["SELECT 1", "\u00a0"]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ('CREATE INDEX "concurrently" ON t (a)', ("CREATE", "INDEX", '"', "ON")),
        ("REINDEX (VERBOSE, TABLESPACE x) TABLE CONCURRENTLY t", ("REINDEX", "VERBOSE", "TABLESPACE", "X")),
        ("create/* a /* index */ b */table t1 (a int)", ("CREATE", "TABLE", "T1", "A")),
        ("DO $$ BEGIN PERFORM 1; END $$", ("DO",)),
        ("'COMMIT'", ()),
    ],
)
def test_words_are_keywords_and_names_and_nothing_out_of_strings(sql: str, words: tuple[str, ...]) -> None:
    (statement,) = split(sql, file="f.sql")
    assert statement.words == words


def test_statements_know_where_they_stand() -> None:
    statements = split("SELECT 1;\n\n  SELECT é; SELECT 3", file="f.sql")
    assert [str(each.position("a")) for each in statements] == ["a:1:1", "a:3:3", "a:3:13"]
    assert [each.text for each in statements[1:]] == ["SELECT é", "SELECT 3"]
    assert statements[-1] == list(statements)[2]
    with pytest.raises(IndexError):
        _ = statements[3]
