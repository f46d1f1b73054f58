"""Where one statement ends and the next begins."""

import pytest

from controller.errors import MigrationFileError
from controller.migrate.lexer import split


def texts(sql: str) -> list[str]:
    return [statement.text for statement in split(sql, file="f.sql")]


def refusal(sql: str) -> str:
    with pytest.raises(MigrationFileError) as caught:
        split(sql, file="f.sql")
    return caught.value.message


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT ';'",
        "SELECT 'it''s; so'",
        "SELECT 'a\\'",
        "SELECT E'a\\';b'",
        "SELECT e'\\\\'",
        "SELECT E'a'\n  'b\\';c'",
        'SELECT ";""" FROM t',
        "SELECT U&'\\0061;'",
        "SELECT $$;$$",
        "SELECT $a$ $$;$$ $b$ ; $b$ $a$",
        "SELECT $é1$;$é1$",
        "DO $$ BEGIN PERFORM 1; END; $$",
        "SELECT 1 -- ; '",
        "SELECT 1 /* ; ' */",
        "SELECT 1 /* a /* ; */ ; */ + 1",
        "CREATE RULE r AS ON INSERT TO t DO ALSO (INSERT INTO a VALUES (1); INSERT INTO b VALUES (2))",
        "SELECT a$b$c, $1 FROM t",
        "SELECT 1$1",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END",
        "create or replace procedure p() language sql begin\n atomic select case when true then 1 end; select 2; end",
        "CREATE /* x */ FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN CASE WHEN b THEN 3 END END; END",
        "CREATE FUNCTION f() RETURNS t BEGIN ATOMIC SELECT begin, x.end, (CASE WHEN x.case THEN 1 END) FROM x; END",
        "CREATE FUNCTION f(begin date) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN CASE WHEN true THEN 1 END",
        "SELECT CASE WHEN true THEN 1 END",
        "SELECT operator_end, (1)",
    ],
)
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
    ("sql", "line", "told"),
    [
        ("SELECT 1;\nSELECT 'open;\n", 2, "quote is never closed; end it with '"),
        ('SELECT 1;\nSELECT "open;\n', 2, 'quote is never closed; end it with "'),
        ("SELECT E'a\\';\n\n", 1, "quote is never closed; end it with '"),
        ("\n\nDO $body$ BEGIN\nEND $$;", 3, "dollar quote is never closed; end it with $body$"),
        ("SELECT 1;\n/* open /* x */\n", 2, "comment is never closed; end it with */"),
        ("SELECT 1 + /* open\n", 1, "comment is never closed; end it with */"),
        ("CREATE TABLE a (\n  b int;\nCOMMIT;\n", 1, "parenthesis is never closed; end it with )"),
        ("\nCREATE FUNCTION f() RETURNS int LANGUAGE sql\nBEGIN ATOMIC SELECT 1;\nCOMMIT;", 3, "body is never closed"),
        ("SELECT 1;\n\\i other.sql\n", 2, "psql meta-commands are not SQL"),
        ("SELECT 1 \\gset\n", 1, "psql meta-commands are not SQL"),
        ("SELECT 1;\nCOPY t (a, b) FROM stdin;\n1\tO'Brien\n\\.\n", 2, "COPY FROM STDIN reads what only psql can send"),
    ],
)
def test_what_cannot_be_cut_is_told_with_its_line(sql: str, line: int, told: str) -> None:
    message = refusal(sql)
    assert message.startswith(f"f.sql:{line}: ")
    assert told in message


def test_copy_from_a_file_and_to_stdout_are_for_the_server_to_judge() -> None:
    assert len(texts("COPY t FROM '/data/stdin'; COPY t TO STDOUT; COPY (SELECT 1) TO STDOUT")) == 3
