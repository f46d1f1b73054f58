"""Migrations that fail, versions that are asked for, and plans that want approval."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from controller.database.connection import connected
from controller.migrate.files.folder import packaged_folder, read_folder
from controller.migrate.history.session import RunSettings
from controller.migrate.run.runner import Runner
from tests.database.engine import none_left, take_lock
from tests.database.silence import Silence
from tests.database.targets import target_to
from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until
from tests.support.resources import Namespace
from tests.support.serving import OperatorProcess


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The packaged migrations, and room for more."""
    copy = tmp_path / "migrations"
    shutil.copytree(packaged_folder(), copy)
    return copy


def add(folder: Path, version: int, up: str, down: str) -> None:
    (folder / f"V{version:03}_test.up.sql").write_text(up)
    (folder / f"V{version:03}_test.down.sql").write_text(down)


@pytest.fixture
def operator(account: Path, team: Namespace, folder: Path, tmp_path: Path) -> Iterator[OperatorProcess]:
    """An operator with the migrations of `folder`."""
    with OperatorProcess(account, tmp_path / "operator.log", namespace=team.name, migrations=folder) as running:
        yield running


def tables(postgres: PostgresServer, database: Database) -> set[str]:
    listed = postgres.psql(database, args=("-At",), sql="SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return set(listed.split())


def migrate_by_hand(database: Database, folder: Path) -> None:
    """Apply all migrations of FOLDER, as a person does from the command line."""

    async def migrate() -> None:
        async with connected(target_to(database)) as connection:
            await Runner(connection, RunSettings(), Silence(), none_left).run(read_folder(folder), None)

    asyncio.run(migrate())


def test_a_migration_that_fails_is_named_leaves_nothing_and_heals_once_it_is_mended(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    folder: Path,
    postgres: PostgresServer,
    database: Database,
) -> None:
    add(folder, 2, "CREATE TABLE extra (id int);\n\nCREATE TABLE dashboard (id int);\n", "DROP TABLE extra;")
    apply()
    failed = team.wait_for("perses", "SchemaCurrent", "False", reason="MigrationFailed")
    assert failed["message"].startswith(
        'V002_test.up.sql:3:1: relation "dashboard" already exists (SQLSTATE 42P07 duplicate_table): CREATE TABLE dash'
    )
    assert "extra" not in tables(postgres, database)
    status = team.get("perses")["status"]
    assert (status["schema"]["current"], status["schema"]["pending"]) == (1, 1)
    assert status["schema"]["plan"]["migrations"] == ["V002_test.up.sql"]

    (folder / "V002_test.up.sql").write_text("CREATE TABLE extra (id int);\n")
    team.wait_for("perses", "Ready", "True")
    assert "extra" in tables(postgres, database)
    assert team.get("perses")["status"]["schema"] == {"current": 2, "target": 2, "pending": 0, "dirty": False}


def test_an_earlier_target_version_is_refused_and_nothing_is_reverted(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    folder: Path,
    postgres: PostgresServer,
    database: Database,
) -> None:
    add(folder, 2, "CREATE TABLE extra (id int);", "DROP TABLE extra;")
    apply()
    team.wait_for("perses", "Ready", "True")
    apply(schema={"targetVersion": 1})
    refused = team.wait_for("perses", "SchemaCurrent", "False", reason="DowngradeRefused")
    assert "policy: Manual" in refused["message"]
    assert team.condition("perses", "Stalled")["status"] == "True"
    assert "extra" in tables(postgres, database)
    apply()
    team.wait_for("perses", "Ready", "True")


def test_a_target_version_stops_there(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None], folder: Path
) -> None:
    add(folder, 2, "CREATE TABLE extra (id int);", "DROP TABLE extra;")
    apply(schema={"targetVersion": 1})
    team.wait_for("perses", "Ready", "True")
    assert team.get("perses")["status"]["schema"]["current"] == 1


def test_a_target_version_that_does_not_exist_is_stalled(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None]
) -> None:
    apply(schema={"targetVersion": 7})
    wrong = team.wait_for("perses", "SchemaCurrent", "False", reason="VersionUnknown")
    assert wrong["message"] == "Version 7 does not exist. The files go from 0, the empty database, to 1."
    assert team.condition("perses", "Stalled")["status"] == "True"


def test_policy_manual_waits_for_the_hash_and_runs_that_plan(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
) -> None:
    apply(schema={"policy": "Manual"})
    team.wait_for("perses", "SchemaCurrent", "False", reason="ApprovalRequired")
    plan = team.get("perses")["status"]["schema"]["plan"]
    assert plan["migrations"] == ["V001_initial_schema.up.sql"]
    assert tables(postgres, database) == set()

    apply(schema={"policy": "Manual", "approvedPlan": "sha256:" + "0" * 64})
    team.wait_for("perses", "SchemaCurrent", "False", reason="ApprovalOutdated")
    assert tables(postgres, database) == set()

    apply(schema={"policy": "Manual", "approvedPlan": plan["hash"]})
    team.wait_for("perses", "Ready", "True")


def test_an_approved_way_back_is_gone_after_it_was_said_what_it_takes_with_it(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    folder: Path,
    postgres: PostgresServer,
    database: Database,
) -> None:
    add(folder, 2, "CREATE TABLE extra (id int);", "DROP TABLE extra;")
    apply()
    team.wait_for("perses", "Ready", "True")
    postgres.psql(database, sql="INSERT INTO extra VALUES (1)")

    apply(schema={"policy": "Manual", "targetVersion": 1})
    asked = team.wait_for("perses", "SchemaCurrent", "False", reason="ApprovalRequired")
    plan = team.get("perses")["status"]["schema"]["plan"]
    assert (plan["migrations"], plan["losses"]) == (["V002_test.down.sql"], ["extra (holds data)"])
    assert "It would take with it: extra (holds data)." in asked["message"]
    assert "extra" in tables(postgres, database)

    apply(schema={"policy": "Manual", "targetVersion": 1, "approvedPlan": plan["hash"]})
    team.wait_for("perses", "Ready", "True")
    assert "extra" not in tables(postgres, database)
    used = {"usedApproval": plan["hash"]}
    assert team.get("perses")["status"]["schema"] == {"current": 1, "target": 1, "pending": 0, "dirty": False, **used}

    # Somebody migrates up by hand: what was approved before is not done a second time.
    migrate_by_hand(database, folder)
    team.wait_for("perses", "SchemaCurrent", "False", reason="ApprovalOutdated")
    assert "extra" in tables(postgres, database)
    assert team.get("perses")["status"]["schema"]["plan"]["hash"] != plan["hash"]


def test_a_file_without_a_transaction_that_stopped_half_way_goes_on_once_it_is_mended(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    folder: Path,
    postgres: PostgresServer,
    database: Database,
) -> None:
    begin = "-- dashdb:no-transaction\nCREATE TABLE extra (id int);\nINSERT INTO extra VALUES (1), (1);\n"
    add(folder, 2, begin + "CREATE UNIQUE INDEX CONCURRENTLY extra_id ON extra (id);", "DROP TABLE extra;")
    apply()
    dirty = team.wait_for("perses", "SchemaCurrent", "False", reason="SchemaDirty")
    assert "statement 3 of 3: V002_test.up.sql:4:1: PostgreSQL refused this with SQLSTATE 23505" in dirty["message"]
    assert team.get("perses")["status"]["schema"]["dirty"] is True

    postgres.psql(database, sql="DELETE FROM extra; INSERT INTO extra VALUES (2)")
    team.wait_for("perses", "Ready", "True")
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'extra_id'::regclass"
    assert postgres.psql(database, args=("-At",), sql=valid).strip() == "t"
    assert postgres.psql(database, args=("-At",), sql="SELECT id FROM extra").strip() == "2"


def test_suspend_reports_and_changes_nothing(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
) -> None:
    apply(suspend=True)
    team.wait_for("perses", "SchemaCurrent", "False", reason="Suspended")
    assert team.condition("perses", "Healthy")["status"] == "True"
    assert tables(postgres, database) == set()
    apply(suspend=False)
    team.wait_for("perses", "Ready", "True")


def test_an_edited_file_stops_the_database_from_being_touched(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None], folder: Path
) -> None:
    apply()
    team.wait_for("perses", "Ready", "True")
    with (folder / "V001_initial_schema.up.sql").open("a") as file:
        file.write("-- a remark\n")
    edited = team.wait_for("perses", "SchemaCurrent", "False", reason="ChecksumMismatch")
    assert edited["message"].startswith("V001_initial_schema.up.sql was edited after it had been applied")


def test_a_long_migration_is_shown_while_it_runs(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None], folder: Path
) -> None:
    add(folder, 2, "SELECT 1;\nSELECT pg_sleep(5);", "SELECT 1;")
    apply()
    running = team.wait_for("perses", "Reconciling", "True", reason="Migrating")
    assert running["message"] == "Running V002_test.up.sql, statement 2 of 2, line 2."
    assert team.condition("perses", "Ready")["status"] == "False"
    team.wait_for("perses", "Ready", "True")


@pytest.mark.timeout(180)
def test_a_migration_outlasts_an_outage_of_the_api_server(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None], folder: Path
) -> None:
    add(folder, 2, "SELECT pg_sleep(1.5);\n" * 10, "SELECT 1;")
    apply()
    team.wait_for("perses", "Reconciling", "True", reason="Migrating")
    team.cluster.stop_apiserver()
    try:
        wait_until(lambda: operator.log.count("progress not shown") >= 2, what="progress was to be shown", seconds=12)
    finally:
        team.cluster.start_apiserver()
    team.wait_for("perses", "Ready", "True", seconds=60)
    started = [line for line in operator.log.splitlines() if "migration started" in line and "V002" in line]
    assert len(started) == 1


@pytest.mark.timeout(180)
async def test_a_lock_that_another_runner_keeps_is_told_once(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None], database: Database
) -> None:
    other = await asyncpg.connect(database.dsn)
    await other.execute("BEGIN")
    await take_lock(other)
    apply()
    locked = team.wait_for("perses", "SchemaCurrent", "False", reason="MigrationLocked")
    assert "Nothing of it was applied" in locked["message"]

    def is_told() -> bool:  # the event follows the status
        return any(event["reason"] == "MigrationLocked" for event in team.events())

    wait_until(is_told, what="an event tells it", seconds=20)
    since, failed = datetime.now(UTC), operator.log.count("action failed")
    wait_until(lambda: operator.log.count("action failed") > failed, what="one more try has failed", seconds=60)
    assert team.writes(since) == []
    await other.close()
    team.wait_for("perses", "Ready", "True")
