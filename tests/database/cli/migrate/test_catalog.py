"""`dashdb migrate drift` and `verify` against a real database: what they print, and their exit codes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from controller.cli import root
from tests.database.programs import write_migrations
from tests.database.targets import role
from tests.support.database import Database
from tests.support.postgres import PostgresServer

TWO = {
    "V1_t.up.sql": "CREATE TABLE t (n integer)", "V1_t.down.sql": "DROP TABLE t",
    "V2_u.up.sql": "CREATE TABLE u (n integer)", "V2_u.down.sql": "DROP TABLE u",
}  # fmt: skip


class Commands:
    """Runs `dashdb migrate`, in this process, on one database and one folder."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder

    def __call__(self, *arguments: str, database: Database | None = None) -> Result:
        environ = {"DATABASE_URL": None, **(database or self.database).environ}
        return CliRunner().invoke(root, ["migrate", *arguments, "--path", str(self.folder)], env=environ)


@pytest.fixture
def migrate(database: Database, tmp_path: Path) -> Commands:
    return Commands(database, write_migrations(tmp_path, TWO))


@pytest.fixture
def creator(postgres: PostgresServer, database: Database) -> Database:
    """Return the database as seen by a role that may create databases."""
    return role(postgres, options="CREATEDB", database=database)


def test_a_schema_as_its_migrations_left_it_has_no_drift(migrate: Commands) -> None:
    migrate("up")
    done = migrate("drift")
    assert (done.exit_code, done.stdout) == (0, "No drift; the schema is as it was after version 2.\n")


def test_a_change_by_hand_is_drift_and_exit_8(migrate: Commands, postgres: PostgresServer, database: Database) -> None:
    migrate("up")
    postgres.psql(database, sql="ALTER TABLE t ADD note text; DROP TABLE u")
    done = migrate("drift")
    assert done.exit_code == 8
    assert done.stdout.splitlines() == [
        "column t.note: added (text)",
        "table u: missing",
        "2 differences from the schema after version 2.",
    ]


def test_drift_for_machines_is_one_object(migrate: Commands, postgres: PostgresServer, database: Database) -> None:
    migrate("up")
    nothing = {"version": 2, "drift": False, "differences": [], "grants": []}
    assert json.loads(migrate("drift", "--json").stdout) == nothing
    postgres.psql(database, sql="ALTER TABLE t ALTER n TYPE bigint")
    assert json.loads(migrate("drift", "--json").stdout) == {
        "version": 2,
        "drift": True,
        "differences": [{"kind": "changed", "object": "column t.n", "before": "integer", "after": "bigint"}],
        "grants": [],
    }


def test_a_way_up_and_down_leaves_nothing_that_would_be_drift(migrate: Commands) -> None:
    migrate("up")
    migrate("down", "1", "--yes")
    assert migrate("drift").stdout == "No drift; the schema is as it was after version 1.\n"


def test_where_nothing_was_migrated_there_is_nothing_to_compare(migrate: Commands) -> None:
    done = migrate("drift")
    assert (done.exit_code, done.stderr.startswith("CatalogNotRecorded: ")) == (1, True)


def test_a_catalog_of_another_version_is_not_compared(
    migrate: Commands, postgres: PostgresServer, database: Database
) -> None:
    migrate("up", "1")
    other = "UPDATE schema_version SET version = 2; UPDATE schema_version_detail SET version = 2"
    postgres.psql(database, sql=other)
    done = migrate("drift")
    assert (done.exit_code, done.stderr.startswith("CatalogOutdated: ")) == (1, True)
    assert "recorded at version 1, and the database is at version 2" in done.stderr


def test_true_ways_back_are_said_to_be_true(migrate: Commands, creator: Database) -> None:
    done = migrate("verify", database=creator)
    assert (done.exit_code, done.stdout) == (
        0,
        "2 versions ran up, down and up: every down migration undoes its up migration.\n",
    )
    assert [line.partition(" (")[0] for line in done.stderr.splitlines()[:3]] == [
        "applied V1_t.up.sql", "applied V2_u.up.sql", "reverted V2_u.down.sql",
    ]  # fmt: skip


def test_a_way_back_that_is_not_true_is_exit_1(migrate: Commands, creator: Database) -> None:
    (migrate.folder / "V1_t.down.sql").write_text("ALTER TABLE t RENAME TO old")
    done = migrate("verify", database=creator)
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "V1_t.down.sql: does not undo the up migration: table old: added",
        "2 versions ran up, down and up: 1 failed.",
    ]


def test_verify_for_machines_is_one_object(migrate: Commands, creator: Database) -> None:
    (migrate.folder / "V1_t.down.sql").write_text("ALTER TABLE t RENAME TO old")
    done = migrate("verify", "--json", database=creator)
    told = json.loads(done.stdout)
    assert (done.exit_code, done.stderr, told["ok"]) == (1, "", False)
    assert [(each["version"], each["ok"]) for each in told["versions"]] == [(1, False), (2, True)]
    assert [each["object"] for each in told["versions"][0]["not_undone"]] == ["table old"]


def test_verify_without_the_right_to_create_databases_is_a_configuration_error(migrate: Commands) -> None:
    done = migrate("verify")
    assert (done.exit_code, "CREATEDB" in done.stderr) == (2, True)
