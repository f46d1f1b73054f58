"""Scripts: their statements, their own transactions, and their digests."""

import pytest

from controller.errors import MigrationFileError
from controller.migrate.files.migration import Script

PLAIN = "-- Adds a.\n\nCREATE TABLE a (n int);\n\nCREATE TABLE b (n int);\n"
WRAPPED = "-- Adds a.\n\nBEGIN;\n\nCREATE TABLE a (n int);\n\nCREATE TABLE b (n int);\n\nCOMMIT;\n"


def script(text: str) -> Script:
    return Script("V1_a.up.sql", text)


@pytest.mark.parametrize(
    "later",
    [
        PLAIN,
        PLAIN.replace("\n\n", "\n"),
        WRAPPED.replace("BEGIN;", "").replace("COMMIT;", ""),
        WRAPPED.replace("BEGIN;\n", "").replace("COMMIT;\n", ""),
        WRAPPED.replace("BEGIN", "START TRANSACTION").replace("COMMIT", "end"),
        WRAPPED.replace("\n", "\r\n"),
    ],
)
def test_a_transaction_of_its_own_can_be_removed_from_a_file_that_was_applied(later: str) -> None:
    assert script(later).has_digest(script(WRAPPED).sha256)


@pytest.mark.parametrize("later", [PLAIN.replace("b (n int)", "b (m int)"), "", "BEGIN; COMMIT;", "SELECT '"])
def test_any_other_change_of_such_a_file_is_noticed(later: str) -> None:
    assert not script(later).has_digest(script(WRAPPED).sha256)


@pytest.mark.parametrize("later", [PLAIN.replace("Adds a", "Adds b"), PLAIN + "\n", WRAPPED])
def test_each_change_of_a_file_without_one_is_noticed(later: str) -> None:
    assert not script(later).has_digest(script(PLAIN).sha256)


def test_the_digest_of_a_file_that_cannot_be_read_is_that_of_its_text() -> None:
    """It may have been applied by golang-migrate, or by hand."""
    for text in ("BEGIN; SELECT 1;", "COPY a FROM STDIN;\nbegin\n"):
        assert script(text).has_digest(script(text).sha256)
        assert not script(text).has_digest(script(text + " ").sha256)


def test_the_text_that_runs_has_blanks_for_what_was_left_out_so_that_places_stay() -> None:
    wrapped = script("BEGIN;\nSELECT 1;\nCOMMIT;")
    assert wrapped.body == "     ;\nSELECT 1;\n      ;"
    assert [str(each.position("a")) for each in wrapped.statements] == ["a:2:1"]
    assert wrapped.transactional


@pytest.mark.parametrize("head", ["", "-- dashdb:no-transaction\n"])
def test_a_file_without_a_transaction_has_none_of_its_own(head: str) -> None:
    statement = "SELECT 1" if head else "VACUUM a"
    with pytest.raises(MigrationFileError, match=r"^V1_a\.up\.sql: it runs without a transaction"):
        _ = script(f"{head}BEGIN; SELECT 1; COMMIT; {statement};").statements
