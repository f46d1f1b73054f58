"""`kill -9` of the operator at random moments of a first reconcile."""

import random
import threading
from pathlib import Path

import pytest

from tests.support.effort import rounds
from tests.support.postgres import PostgresServer
from tests.support.resources import Namespace, connection_values, resource, secret
from tests.support.serving import OperatorProcess

KILLS = rounds(short=10, long=50)
EARLIEST_SECONDS, LATEST_SECONDS = 0.05, 0.5
"""Bounds of the moment of a kill, in seconds after kubectl began: from before the resource exists until after the first
reconcile."""


def moments() -> list[float]:
    """Return one random moment in each of KILLS equal parts of the time, in random order: some surely are early."""
    part = (LATEST_SECONDS - EARLIEST_SECONDS) / KILLS
    return random.sample([EARLIEST_SECONDS + part * (number + random.random()) for number in range(KILLS)], KILLS)


@pytest.mark.repeats
@pytest.mark.timeout(900)
def test_kills_leave_each_version_once_and_four_templates(
    account: Path, team: Namespace, postgres: PostgresServer, tmp_path: Path
) -> None:
    operator = OperatorProcess(account, tmp_path / "operator.log", namespace=team.name)
    interrupted = 0
    with operator:
        for number, moment in enumerate(moments()):
            name = f"perses-{number}"
            database = postgres.create_database()
            team.apply(secret(name, connection_values(database)))
            killer = threading.Timer(moment, operator.kill)
            killer.start()
            team.apply(resource(name, secret_name=name, health={"intervalSeconds": 1}))
            killer.join()
            interrupted += team.condition(name, "Ready").get("status") != "True"
            operator.start()
            team.wait_for(name, "Ready", "True", seconds=60)
            history = postgres.psql(database, args=("-At",), sql="SELECT version, state FROM schema_version")
            assert history.split() == ["1|applied"], name
            seeded = postgres.psql(database, args=("-At",), sql="SELECT count(*) FROM dashboard_template")
            assert seeded.strip() == "4", name
            locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            assert postgres.psql(postgres.superuser, args=("-At",), sql=locks).strip() == "0", name
            team.cluster.kubectl("delete", "ddb", name, "-n", team.name)
            postgres.drop_database(database)
    assert interrupted > 0, "no kill came early enough to interrupt anything"
