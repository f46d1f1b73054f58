"""Files that were written for golang-migrate, used as they are."""

import pytest

from tests.field.folder import Folder

WRAPPED = {
    "1_a.up.sql": "-- Adds a.\nBEGIN;\n\nCREATE TABLE a (n int);\n\nCOMMIT;\n",
    "1_a.down.sql": "BEGIN;\nDROP TABLE a;\nEND;\n",
    "2_b.up.sql": "START TRANSACTION;\nCREATE TABLE b (n int);\nINSERT INTO b VALUES (1);\nEND TRANSACTION;\n-- done",
    "2_b.down.sql": "DROP TABLE b;",
}


def test_a_file_with_begin_and_commit_is_one_transaction_with_its_history(folder: Folder) -> None:
    """Issues golang-migrate #196 and rubenv/sql-migrate #8: people wrap their files like this."""
    folder.write(WRAPPED | {"3_c.up.sql": "BEGIN;\nCREATE TABLE c ();\nSELECT nothing;\nCOMMIT;"})
    failed = folder.dashdb("up")
    assert (failed.exit_code, "3_c.up.sql:3:8: " in failed.stderr) == (1, True)
    assert folder.tables() == {"a", "b"}
    assert folder.dashdb("version").stdout == "2\n"
    assert folder.dashdb("down", "2", "--yes").exit_code == 0
    assert folder.tables() == set()


def test_begin_and_commit_can_be_removed_from_files_that_were_adopted(folder: Folder) -> None:
    """The checksums of golang-migrate #310, without a reason to edit what was applied."""
    folder.write(WRAPPED)
    assert folder.golang_migrate("up").returncode == 0
    assert folder.dashdb("up").stdout.startswith("Adopted the history of golang-migrate at version 2.")
    folder.write({"1_a.up.sql": "-- Adds a.\n\nCREATE TABLE a (n int);\n"})
    assert folder.dashdb("up").stdout == "Nothing to do; the schema is at version 2.\n"
    folder.write({"1_a.up.sql": "-- Adds a.\n\nCREATE TABLE a (m int);\n"})
    edited = folder.dashdb("up")
    assert (edited.exit_code, "1_a.up.sql was edited" in edited.stderr) == (5, True)


def test_several_transactions_in_a_file_are_one(folder: Folder) -> None:
    """Some files of ente, such as 26_update_ott_and_twofactor; a failure in the second would leave the first."""
    folder.write({"1_a.up.sql": "CREATE TABLE a (); BEGIN; CREATE TABLE b (); COMMIT; BEGIN; CREATE TABLE c (; COMMIT"})
    assert folder.dashdb("up").exit_code == 2
    folder.write({"1_a.up.sql": "CREATE TABLE a (); BEGIN; CREATE TABLE b (); COMMIT; BEGIN; SELECT 1/0; COMMIT"})
    assert (folder.dashdb("up").exit_code, folder.tables()) == (1, set())
    folder.write({"1_a.up.sql": "CREATE TABLE a (); BEGIN; CREATE TABLE b (); COMMIT; BEGIN; SELECT 1; COMMIT"})
    assert (folder.dashdb("up").exit_code, folder.tables()) == (0, {"a", "b"})


def test_a_transaction_that_nothing_ends_is_told_before_anything_runs(folder: Folder) -> None:
    """Issue golang-migrate #581: a transaction of a file that nothing ends."""
    folder.write({"1_a.up.sql": "CREATE TABLE a ();", "2_b.up.sql": "BEGIN;\nCREATE TABLE b ();\n"})
    refused = folder.dashdb("up")
    assert (refused.exit_code, "2_b.up.sql:1:1: this BEGIN has no COMMIT" in refused.stderr) == (2, True)
    assert folder.tables() == set()


def test_numbers_from_0_with_gaps_and_halves_of_different_names(folder: Folder) -> None:
    """All three are in golang-migrate's contract: a number, and a direction, and nothing else."""
    folder.write({
        "000000_init.up.sql": "CREATE TABLE zero ()", "000000_drop.down.sql": "DROP TABLE zero",
        "000003_three.up.sql": "CREATE TABLE three ()", "000003_3.down.sql": "DROP TABLE three",
    })  # fmt: skip
    assert folder.dashdb("goto", "0").exit_code == 0
    assert (folder.tables(), folder.dashdb("version").stdout) == ({"zero"}, "0\n")
    assert folder.dashdb("up").exit_code == 0
    assert folder.tables() == {"zero", "three"}
    assert folder.dashdb("down", "1", "--yes").exit_code == 0
    assert (folder.tables(), folder.dashdb("version").stdout) == ({"zero"}, "0\n")
    assert folder.dashdb("down", "--all", "--yes").exit_code == 0
    assert (folder.tables(), folder.dashdb("version").stdout) == (set(), "none\n")
    assert folder.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == "0"


def test_a_database_at_version_0_is_adopted(folder: Folder) -> None:
    folder.write({"0_init.up.sql": "CREATE TABLE zero ()", "1_a.up.sql": "CREATE TABLE a ()"})
    assert folder.golang_migrate("goto", "0").returncode == 0
    assert folder.dashdb("version").stdout == "0\n"
    assert (folder.dashdb("up").exit_code, folder.tables()) == (0, {"zero", "a"})


def test_a_baseline_and_a_correction_may_be_version_0(folder: Folder) -> None:
    folder.write({"0_init.up.sql": "CREATE TABLE zero ()", "1_a.up.sql": "CREATE TABLE a ()"})
    assert folder.dashdb("baseline", "0").stdout == "0\n"
    assert (folder.dashdb("up").exit_code, folder.tables()) == (0, {"a"})
    assert folder.dashdb("force", "0", "--yes").stdout == "0\n"


def test_a_version_without_a_down_file_is_not_reverted_and_named(folder: Folder) -> None:
    """Concourse has up files alone; golang-migrate goes down past them and runs nothing."""
    folder.write({"1_a.up.sql": "CREATE TABLE a ()", "2_b.up.sql": "CREATE TABLE b ()", "2_b.down.sql": "DROP TABLE b"})
    assert folder.dashdb("up").exit_code == 0
    assert folder.ask("SELECT down_sql IS NULL FROM schema_version_detail ORDER BY version") == "t\nf"
    refused = folder.dashdb("down", "2", "--yes")
    assert (refused.exit_code, "1_a.up.sql cannot be reverted" in refused.stderr) == (2, True)
    assert folder.tables() == {"a", "b"}
    assert (folder.dashdb("down", "1", "--yes").exit_code, folder.tables()) == (0, {"a"})


@pytest.mark.parametrize("name", ["2_b.up.psql", "2_b.up.sql ", "2_b.up", "schema.sql"])
def test_a_file_that_only_looks_like_a_migration_is_named(folder: Folder, name: str) -> None:
    folder.write({"1_a.up.sql": "CREATE TABLE a ()", name: "CREATE TABLE b ()"})
    refused = folder.dashdb("up")
    assert (refused.exit_code, name in refused.stderr, folder.tables()) == (2, True, set())
