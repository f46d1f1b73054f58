"""Nothing is written where nothing changes: not to the API server, not to the database."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.support.database import Database
from tests.support.effort import rounds
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until
from tests.support.resources import Namespace
from tests.support.serving import OperatorProcess

IDLE_SECONDS = rounds(short=12, long=60)
ROWS_OF_A_FIRST_APPLY = 6
"""Two of the history, four templates."""


def written_rows(postgres: PostgresServer, database: Database) -> int:
    """Rows inserted, updated and deleted in this database since it was made, as the server counted them."""
    in_database = Database(postgres.host, postgres.port, database.name, "postgres", postgres.superuser.password)
    counted = "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables"
    return int(postgres.psql(in_database, args=("-At",), sql=counted))


def looks(operator: OperatorProcess, team: Namespace) -> float:
    """Return the number of reconciles of the database that ended in ready."""
    name = f'dashdb_reconcile_total{{name="perses",namespace="{team.name}",result="ready"}}'
    lines = operator.get("/metrics")[1].splitlines()
    return float(next((line.split()[-1] for line in lines if line.startswith(name)), 0))


def settled(team: Namespace, postgres: PostgresServer, database: Database) -> int:
    """The rows of a first apply, once all are written, and counted: sessions report once in a while."""
    team.wait_for("perses", "Ready", "True")
    wait_until(lambda: len(team.events()) == 3, what="three events", seconds=10)
    wait_until(
        lambda: written_rows(postgres, database) == ROWS_OF_A_FIRST_APPLY,
        what="the rows are counted",
        seconds=30,
    )
    return written_rows(postgres, database)


@pytest.mark.repeats
@pytest.mark.timeout(180)
def test_idling_writes_nothing(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
) -> None:
    apply()
    rows = settled(team, postgres, database)
    since, seen = datetime.now(UTC), looks(operator, team)
    time.sleep(IDLE_SECONDS)  # the promise is about this time
    assert looks(operator, team) > seen + IDLE_SECONDS / 2, "it went on looking all the while"
    assert team.writes(since) == []
    assert written_rows(postgres, database) == rows


def test_a_restart_writes_nothing(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
) -> None:
    apply()
    rows = settled(team, postgres, database)
    since = datetime.now(UTC)
    assert operator.stop() == 0
    operator.start()
    wait_until(lambda: looks(operator, team) >= 2, what="two looks after the restart", seconds=30)
    assert team.writes(since) == []
    assert written_rows(postgres, database) == rows


def apply_again(_: Namespace, apply: Callable[..., None]) -> None:
    apply()


def change_a_label(team: Namespace, _: Callable[..., None]) -> None:
    team.cluster.kubectl("label", "ddb", "perses", "team=a", "-n", team.name)


@pytest.mark.parametrize("touch", [apply_again, change_a_label])
def test_a_touch_that_changes_no_spec_writes_nothing(
    touch: Callable[[Namespace, Callable[..., None]], None],
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
) -> None:
    apply()
    rows = settled(team, postgres, database)
    since, seen = datetime.now(UTC), looks(operator, team)
    touch(team, apply)
    wait_until(lambda: looks(operator, team) >= seen + 2, what="two more looks", seconds=30)
    assert team.writes(since) == []
    assert written_rows(postgres, database) == rows
