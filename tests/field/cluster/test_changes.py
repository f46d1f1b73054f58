"""A change of a resource counts at once, also in the middle of what is done for it."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from controller.database.connection import connected
from controller.database.transaction import transaction
from controller.migrate.files.folder import packaged_folder
from tests.database.engine import take_lock
from tests.database.targets import target_to
from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until
from tests.support.resources import Namespace, connection_values, resource, secret
from tests.support.serving import OperatorProcess

SLOW_FILES = (2, 3, 4)
"""Versions whose files wait until the test lets them end."""
WAIT = (
    "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM gate WHERE version >= {0}) LOOP PERFORM pg_sleep(0.05); END LOOP; END $$"
)


@pytest.fixture
def operator(
    account: Path, team: Namespace, postgres: PostgresServer, database: Database, tmp_path: Path
) -> Iterator[OperatorProcess]:
    """An operator with migrations that take a while."""
    postgres.psql(database, sql="CREATE TABLE gate (version int)")
    folder = tmp_path / "migrations"
    shutil.copytree(packaged_folder(), folder)
    for version in SLOW_FILES:
        (folder / f"V{version:03}_slow.up.sql").write_text(f"CREATE TABLE slow{version} ();\n{WAIT.format(version)};\n")
        (folder / f"V{version:03}_slow.down.sql").write_text(f"DROP TABLE slow{version};\n")
    with OperatorProcess(account, tmp_path / "operator.log", namespace=team.name, migrations=folder) as running:
        yield running


def let_end(postgres: PostgresServer, database: Database, last: int) -> None:
    """Let the files up to version LAST end."""
    postgres.psql(database, sql=f"INSERT INTO gate VALUES ({last})")


def version(team: Namespace) -> int | None:
    current: int | None = team.get("perses").get("status", {}).get("schema", {}).get("current")
    return current


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"suspend": True}, "Suspended"),
        ({"schema": {"policy": "Manual"}}, "ApprovalRequired"),
        ({"schema": {"targetVersion": 2}}, None),
    ],
)
def test_a_change_while_files_run_stops_them_at_the_next_file(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
    change: dict[str, object],
    reason: str | None,
) -> None:
    """Reported as kustomize-controller 387: what was suspended in the middle ran to its end."""
    apply()

    wait_until(lambda: sleeps(postgres, database), what="the file of version 2 runs", seconds=30, interval=0.05)
    apply(**change)
    wait_until(lambda: "resource changed" in operator.log, what="the operator knows of the change", seconds=10)
    let_end(postgres, database, last=4)
    if reason is None:
        team.wait_for("perses", "Ready", "True")
    else:
        team.wait_for("perses", "Ready", "False", reason=reason)
    assert version(team) == 2
    tables = postgres.psql(database, args=("-At",), sql="SELECT tablename FROM pg_tables WHERE tablename LIKE 'slow%'")
    assert tables.split() == ["slow2"]
    assert "MigrationPending" not in [event["reason"] for event in team.events()]


def test_a_resource_that_is_deleted_while_files_run_leaves_nothing_by_half(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None], postgres: PostgresServer, database: Database
) -> None:
    apply()
    wait_until(lambda: sleeps(postgres, database), what="the file of version 2 runs", seconds=30, interval=0.05)
    team.cluster.kubectl("delete", "ddb", "perses", "-n", team.name)
    wait_until(lambda: not sleeps(postgres, database), what="no file runs any more", seconds=20)
    listed = "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'slow%'"
    done = "SELECT count(*) FROM schema_version WHERE version > 1"
    counts = [postgres.psql(database, args=("-At",), sql=sql) for sql in (listed, done)]
    assert counts[0] == counts[1]
    assert int(counts[0]) < len(SLOW_FILES)


def test_a_file_without_a_transaction_ends_before_its_deleted_resource_is_left(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
    tmp_path: Path,
) -> None:
    file = tmp_path / "migrations" / f"V{SLOW_FILES[0]:03}_slow.up.sql"
    file.write_text(f"-- dashdb:no-transaction\n{file.read_text()}CREATE TABLE after_the_wait ();\n")
    operator.stop()
    operator.start()
    apply()
    wait_until(lambda: sleeps(postgres, database), what="the file of version 2 runs", seconds=30, interval=0.05)
    team.cluster.kubectl("delete", "ddb", "perses", "-n", team.name)
    gone = f"/ready/{team.name}/perses"
    wait_until(lambda: operator.get(gone)[0] == 404, what="the operator knows of the deletion", seconds=20)
    let_end(postgres, database, last=4)
    states = "SELECT version, state FROM schema_version ORDER BY version"
    done = "1|applied\n2|applied\n"
    wait_until(
        lambda: postgres.psql(database, args=("-At",), sql=states) == done, what="its file is applied", seconds=20
    )
    left = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database.name}'"
    wait_until(
        lambda: postgres.psql(postgres.superuser, args=("-At",), sql=left) == "0\n", what="nothing runs", seconds=20
    )
    assert postgres.psql(database, args=("-At",), sql=states) == done
    assert operator.get(gone)[0] == 404


def sleeps(postgres: PostgresServer, database: Database) -> bool:
    """Return whether a file of the slow ones runs."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    return postgres.psql(database, args=("-At",), sql=sql).strip() == "1"


def test_what_is_left_runs_once_it_is_asked_for_again(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None], postgres: PostgresServer, database: Database
) -> None:
    let_end(postgres, database, last=4)
    apply(schema={"targetVersion": 2})
    team.wait_for("perses", "Ready", "True")
    apply(suspend=True)
    team.wait_for("perses", "Ready", "False", reason="Suspended")
    apply()
    team.wait_for("perses", "Ready", "True")
    assert version(team) == 4


async def test_a_change_while_a_file_waits_for_a_lock_ends_the_wait(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None], database: Database
) -> None:
    apply(schema={"targetVersion": 1})
    await asyncio.to_thread(team.wait_for, "perses", "Ready", "True")
    async with connected(target_to(database)) as other, transaction(other):
        await take_lock(other)
        apply()
        await asyncio.to_thread(team.wait_for, "perses", "Reconciling", "True")
        apply(suspend=True)
        await asyncio.to_thread(team.wait_for, "perses", "Ready", "False", reason="Suspended")
    assert version(team) == 1


@pytest.mark.parametrize("mended", ["Secret", "spec"])
def test_what_was_mended_ends_a_dial_in_progress(
    operator: OperatorProcess, team: Namespace, database: Database, mute_port: int, mended: str
) -> None:
    """Reported as cloudnative-pg 5060: a corrected address waited for the time-out of the wrong one."""
    wrong = {**connection_values(database), "port": str(mute_port)}
    patient = {"connectTimeoutSeconds": 300}
    spec = {"pool": patient, "schema": {"targetVersion": 1}}
    team.apply(secret("perses-db", wrong), resource("perses", secret_name="perses-db", **spec))
    path = f"/api/v1/health/{team.name}/perses"
    wait_until(lambda: operator.get(path)[0] == 503, what="the dial has begun", seconds=10)
    if mended == "Secret":
        team.apply(secret("perses-db", connection_values(database)))
    else:
        team.apply(secret("right", connection_values(database)), resource("perses", secret_name="right", **spec))
    team.wait_for("perses", "Ready", "True", seconds=30)


def test_a_shorter_time_for_connecting_counts_for_the_dial_in_progress(
    operator: OperatorProcess, team: Namespace, database: Database, mute_port: int
) -> None:
    values = {**connection_values(database), "port": str(mute_port)}
    patient, impatient = (
        resource("perses", secret_name="perses-db", pool={"connectTimeoutSeconds": seconds}) for seconds in (300, 1)
    )
    team.apply(secret("perses-db", values), patient)
    path = f"/api/v1/health/{team.name}/perses"
    wait_until(lambda: operator.get(path)[0] == 503, what="the dial has begun", seconds=10)
    team.apply(impatient)
    team.wait_for("perses", "Connected", "False", reason="Timeout", seconds=30)
