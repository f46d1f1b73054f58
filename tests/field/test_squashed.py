"""Old migrations that a team replaces by one file, in several environments that are not at the same version."""

import json

from tests.field.folder import Folder
from tests.support.postgres_parts import client

FILES = {
    "20250101090000_users.up.sql": "CREATE TABLE users (id serial PRIMARY KEY, name text);\n",
    "20250101090000_users.down.sql": "DROP TABLE users;\n",
    "20250301100000_roles.up.sql": "CREATE TABLE roles (name text);\nINSERT INTO roles VALUES ('admin'), ('viewer');\n",
    "20250301100000_roles.down.sql": "DROP TABLE roles;\n",
    "20260101110000_email.up.sql": "ALTER TABLE users ADD email text;\n",
    "20260101110000_email.down.sql": "ALTER TABLE users DROP email;\n",
}
PG_DUMP = ("--pg-dump", str(client("pg_dump")))


def squash(folder: Folder, version: str) -> None:
    """Squash the first two, which leaves the third as it is."""
    folder.ask(f'ALTER ROLE "{folder.database.user}" CREATEDB')
    done = folder.dashdb("squash", version, *PG_DUMP)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[2:] == [
        "Version 20250301100001 stands for 20250101090000, 20250301100000, and leads to the same schema."
    ]


def remove_old(folder: Folder) -> None:
    for name in FILES:
        if "email" not in name:
            (folder.path / name).unlink()


def test_a_database_that_is_past_them_records_the_new_file_and_keeps_its_rows(folder: Folder) -> None:
    """Asked for in golang-migrate #1134, goose #345 and tern #118: people empty the tool's table by hand instead."""
    folder.write(FILES)
    assert folder.dashdb("up").exit_code == 0
    folder.ask("INSERT INTO users (name) VALUES ('ann')")
    squash(folder, "20250301100000")
    shown = folder.dashdb("plan").stdout
    assert shown.startswith(
        "record 20250301100001_squashed_20250101090000_to_20250301100000.up.sql, which runs nothing"
    )
    remove_old(folder)
    assert folder.dashdb("status", "--exit-code").exit_code == 8
    assert folder.dashdb("up").exit_code == 0
    assert folder.dashdb("status", "--exit-code").exit_code == 0
    assert folder.ask("SELECT name FROM users") == "ann"
    states = {
        row["version"]: row["state"] for row in json.loads(folder.dashdb("status", "--json").stdout)["migrations"]
    }
    assert states == {
        20250101090000: "replaced", 20250301100000: "replaced", 20250301100001: "applied", 20260101110000: "applied",
    }  # fmt: skip


def test_a_new_database_gets_the_new_file_with_the_rows_that_the_old_ones_wrote(folder: Folder) -> None:
    folder.write(FILES)
    squash(folder, "20250301100000")
    remove_old(folder)
    assert folder.dashdb("up").exit_code == 0
    assert folder.ask("SELECT string_agg(name, ',' ORDER BY name) FROM roles") == "admin,viewer"
    assert folder.ask("INSERT INTO users (name) VALUES ('bob') RETURNING id").splitlines()[0] == "1"
    assert folder.dashdb("verify").exit_code == 0
    assert folder.dashdb("down", "--all", "--yes").exit_code == 0
    assert folder.tables() == set()


def test_a_database_that_is_behind_is_told_what_to_apply_first(folder: Folder) -> None:
    folder.write(FILES)
    assert folder.dashdb("up", "1").exit_code == 0
    squash(folder, "20250301100000")
    refused = folder.dashdb("up")
    assert (refused.exit_code, "dashdb migrate goto 20250301100000" in refused.stderr) == (5, True)
    assert folder.dashdb("goto", "20250301100000").exit_code == 0
    assert folder.dashdb("up").exit_code == 0
    assert folder.dashdb("version").stdout == "20260101110000\n"


def test_what_golang_migrate_applied_is_adopted_as_the_new_file(folder: Folder) -> None:
    folder.write(FILES)
    assert folder.golang_migrate("goto", "20250301100000").returncode == 0
    squash(folder, "20250301100000")
    remove_old(folder)
    done = folder.dashdb("up")
    assert (done.exit_code, done.stdout.startswith("Adopted the history of golang-migrate")) == (0, True)
    assert folder.ask("SELECT version FROM schema_version WHERE state = 'applied' ORDER BY 1").splitlines() == [
        "20250301100001", "20260101110000",
    ]  # fmt: skip


def test_a_release_from_before_leaves_a_database_with_the_new_file_as_it_is(folder: Folder) -> None:
    folder.write(FILES)
    squash(folder, "20250301100000")
    assert folder.dashdb("up").exit_code == 0
    for path in folder.path.glob("*squashed*"):
        path.unlink()
    assert folder.dashdb("status", "--exit-code").exit_code == 0
    assert folder.dashdb("up").stdout == "Nothing to do; the schema is at version 20260101110000.\n"
    refused = folder.dashdb("down", "--all", "--yes")
    assert (refused.exit_code, "its file is missing. Restore it" in refused.stderr) == (5, True)
    assert folder.tables() == {"users", "roles"}
