"""BEGIN and COMMIT of a file: which are left out, and which are refused."""

import pytest

from controller.errors import MigrationFileError
from controller.migrate.sql.lexer import split
from controller.migrate.sql.own_transactions import without_own_transactions


def left(text: str) -> str:
    """Statements that stay in TEXT, without the blanks in the places of others."""
    found = without_own_transactions(text, split(text, file="f"), file="f")
    assert len(found) == len(text)
    return "".join(f"{each.text};" for each in split(found, file="f"))


@pytest.mark.parametrize(
    "begin",
    [
        "BEGIN",
        "begin work",
        "Begin /* a */ Transaction",
        "START TRANSACTION",
        "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE",
        "START TRANSACTION READ WRITE",
    ],
)
@pytest.mark.parametrize("end", ["COMMIT", "commit work", "END", "End -- of it\n Transaction", "COMMIT AND NO CHAIN"])
def test_a_transaction_around_the_whole_file_is_left_out(begin: str, end: str) -> None:
    text = f"-- up\n{begin};\n\nCREATE TABLE a ();\nSELECT 'COMMIT;';\n{end};\n-- done\n"
    assert left(text) == "CREATE TABLE a ();SELECT 'COMMIT;';"


def test_several_transactions_and_statements_beside_them_are_one() -> None:
    """Some of the migrations of ente are written like this, such as 26_update_ott_and_twofactor."""
    assert left("ALTER TABLE a; BEGIN; UPDATE b; COMMIT; BEGIN; UPDATE c; END; SELECT 1") == (
        "ALTER TABLE a;UPDATE b;UPDATE c;SELECT 1;"
    )


def test_a_transaction_without_a_statement_and_without_a_last_semicolon_is_left_out() -> None:
    assert left("BEGIN;COMMIT") == ""


def test_a_text_without_transactions_stays_the_same_text() -> None:
    text = (
        "DO $$ BEGIN COMMIT; END $$; CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; PREPARE p AS SELECT 1"
    )
    assert without_own_transactions(text, split(text, file="f"), file="f") is text


def test_savepoints_are_the_matter_of_the_file() -> None:
    text = "SAVEPOINT a; SELECT 1; ROLLBACK TO SAVEPOINT a; ROLLBACK WORK TO a; RELEASE a"
    assert without_own_transactions(text, split(text, file="f"), file="f") is text


@pytest.mark.parametrize(
    ("text", "place", "keyword"),
    [
        ("SELECT 1;\n/* done */ COMMIT;", "2:12", "COMMIT"),
        ("SELECT 1; END", "1:11", "END"),
        ("BEGIN; SELECT 1; ROLLBACK;", "1:18", "ROLLBACK"),
        ("BEGIN; SELECT 1; ABORT;", "1:18", "ABORT"),
        ("BEGIN; BEGIN; COMMIT; COMMIT;", "1:8", "BEGIN"),
        ("BEGIN; COMMIT; COMMIT;", "1:16", "COMMIT"),
        ("BEGIN; SELECT 1; COMMIT AND CHAIN; SELECT 2; COMMIT", "1:18", "COMMIT"),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE; COMMIT;", "1:1", "BEGIN"),
        ("START TRANSACTION READ ONLY; COMMIT;", "1:1", "START"),
        ("BEGIN DEFERRABLE; COMMIT;", "1:1", "BEGIN"),
        ("PREPARE -- x\r TRANSACTION 'a'", "1:1", "PREPARE"),
        ("COMMIT PREPARED 'a'", "1:1", "COMMIT"),
    ],
)
def test_what_cannot_be_left_out_is_refused_with_its_place(text: str, place: str, keyword: str) -> None:
    with pytest.raises(MigrationFileError, match=rf"^f:{place}: {keyword} inside a migration"):
        left(text)


def test_a_transaction_that_nothing_ends_is_refused_since_it_would_be_rolled_back_elsewhere() -> None:
    with pytest.raises(MigrationFileError, match=r"^f:2:1: this BEGIN has no COMMIT"):
        left("-- a\nBEGIN;\nSELECT 1;")
