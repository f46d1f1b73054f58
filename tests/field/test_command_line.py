"""Output that people read and other programs parse: the history in psql, edited files, plans and errors."""

import json

from tests.field.folder import Folder

TWO = {
    "20240131120000_a_table_for_everything_that_has_been_asked_for.up.sql": "CREATE TABLE a (n int)",
    "20240131120000_a_table_for_everything_that_has_been_asked_for.down.sql": "DROP TABLE a",
    "20240201120000_b.up.sql": "BEGIN;\nCREATE TABLE b ();\nCOMMIT;",
    "20240201120000_b.down.sql": "DROP TABLE b",
}


def test_the_history_in_psql_is_a_line_of_at_most_120_characters_a_version(folder: Folder) -> None:
    """Columns such as the text of a down migration filled the screen."""
    folder.write(TWO)
    assert folder.dashdb("up").exit_code == 0
    lines = folder.server.psql(folder.database, sql="SELECT * FROM schema_version").splitlines()
    assert sum("| applied |" in line for line in lines) == 2
    assert max(map(len, lines)) <= 120


def test_status_tells_an_edited_file_as_up_does_and_a_plan_what_would_run(folder: Folder) -> None:
    """The state of a file was said to be fine, and `up` refused it."""
    folder.write(TWO)
    assert folder.dashdb("up", "1").exit_code == 0
    assert folder.dashdb("status", "--exit-code").exit_code == 8, "one is to be applied"
    planned = folder.dashdb("plan", "--sql").stdout
    assert "CREATE TABLE b ();" in planned
    assert "COMMIT" not in planned
    folder.write({next(iter(TWO)): "CREATE TABLE a (n bigint)"})
    told = folder.dashdb("status", "--exit-code")
    assert (told.exit_code, "edited" in told.stdout) == (5, True)
    assert folder.dashdb("up").exit_code == 5


def test_an_error_for_machines_has_its_file_line_column_and_sqlstate(folder: Folder) -> None:
    """Programs searched the text of an error for its place."""
    folder.write(TWO | {"20240301120000_c.up.sql": "CREATE TABLE c ();\nSELECT missing;"})
    failed = json.loads(folder.dashdb("up", "--json").stdout.splitlines()[-1])
    found = {key: failed[key] for key in ("file", "line", "column", "sqlstate")}
    assert found == {"file": "20240301120000_c.up.sql", "line": 2, "column": 8, "sqlstate": "42703"}
    [row] = json.loads(folder.dashdb("status", "--json").stdout)["migrations"][:1]
    assert row["applied_at"].endswith("Z") or "+" in row["applied_at"]
