"""Nothing is written where nothing changes: not to the API server, not to the database."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.support.database import Database
from tests.support.operator import OperatorProcess
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until
from tests.support.resources import Namespace

IDLE_SECONDS = 60


def written_rows(postgres: PostgresServer, database: Database) -> tuple[str, str]:
    """Rows inserted, updated and deleted in this database, and the next transaction id: both stand still in peace."""
    in_database = Database(postgres.host, postgres.port, database.name, "postgres", postgres.superuser.password)
    counted = postgres.psql(
        in_database,
        args=("-At",),
        sql="SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables",
    )
    next_id = postgres.psql(in_database, args=("-At",), sql="SELECT pg_snapshot_xmax(pg_current_snapshot())")
    return counted, next_id


def looks(operator: OperatorProcess, team: Namespace) -> float:
    """How often the database has been looked at."""
    name = f'dashdb_reconcile_total{{name="perses",namespace="{team.name}",result="ready"}}'
    lines = operator.get("/metrics")[1].splitlines()
    return float(next((line.split()[-1] for line in lines if line.startswith(name)), 0))


def settled(operator: OperatorProcess, team: Namespace) -> None:
    team.wait_for("perses", "Ready", "True")
    wait_until(lambda: len(team.events()) == 3, what="three events", seconds=10)


@pytest.mark.timeout(180)
def test_sixty_seconds_of_idling_write_nothing(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
) -> None:
    apply()
    settled(operator, team)
    since, before, seen = datetime.now(UTC), written_rows(postgres, database), looks(operator, team)
    time.sleep(IDLE_SECONDS)  # the promise is about this time
    assert looks(operator, team) > seen + IDLE_SECONDS / 2, "it went on looking all the while"
    assert team.writes(since) == []
    assert written_rows(postgres, database) == before


def test_a_restart_writes_nothing(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
) -> None:
    apply()
    settled(operator, team)
    since, before = datetime.now(UTC), written_rows(postgres, database)
    assert operator.stop() == 0
    operator.start()
    wait_until(lambda: looks(operator, team) >= 2, what="two looks after the restart", seconds=30)
    assert team.writes(since) == []
    assert written_rows(postgres, database) == before


def test_a_second_apply_of_the_same_writes_nothing(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
) -> None:
    apply()
    settled(operator, team)
    since, before, seen = datetime.now(UTC), written_rows(postgres, database), looks(operator, team)
    apply()
    wait_until(lambda: looks(operator, team) >= seen + 2, what="two more looks", seconds=30)
    assert team.writes(since) == []
    assert written_rows(postgres, database) == before


def test_a_changed_label_writes_nothing(operator: OperatorProcess, team: Namespace, apply: Callable[..., None]) -> None:
    apply()
    settled(operator, team)
    since, seen = datetime.now(UTC), looks(operator, team)
    team.cluster.kubectl("label", "ddb", "perses", "team=a", "-n", team.name)
    wait_until(lambda: looks(operator, team) >= seen + 2, what="two more looks", seconds=30)
    assert team.writes(since) == []
