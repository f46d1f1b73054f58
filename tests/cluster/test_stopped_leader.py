"""A leader that was stopped for longer than its Lease, and goes on: it changes nothing any more."""

import signal
from pathlib import Path

import pytest

from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until
from tests.support.replicas import DURATION_SECONDS, leads, replicas
from tests.support.resources import Namespace, connection_values, resource, secret
from tests.support.several_files import LAST, each_once, recorded, several_files, told_once

PATH = "/api/v1/health"


@pytest.mark.timeout(180)
def test_a_leader_stopped_in_the_middle_of_a_migration_leaves_the_rest_to_the_other(
    account: Path, team: Namespace, postgres: PostgresServer, database: Database, tmp_path: Path
) -> None:
    migrations = several_files(tmp_path / "migrations", seconds=0.5)
    with replicas(account, team, tmp_path, migrations=migrations) as pair:
        leader, standby = pair.start()
        team.apply(
            secret("perses", connection_values(database)),
            resource("perses", secret_name="perses", health={"intervalSeconds": 1}),
        )
        wait_until(lambda: len(recorded(postgres, database)) >= 2, what="the first file is applied", seconds=30)
        leader.signal(signal.SIGSTOP)
        before = leader.log
        pair.wait_for_leader(standby, seconds=DURATION_SECONDS + 10)
        leader.signal(signal.SIGCONT)
        wait_until(lambda: leader.get_json(PATH)["status"] == "standby", what="it stands by", seconds=20)
        team.wait_for("perses", "Ready", "True", seconds=60)
        wait_until(lambda: "Ready" in [event["reason"] for event in team.events()], what="it is told", seconds=10)
        assert recorded(postgres, database) == each_once()
        assert team.get("perses")["status"]["schema"]["current"] == LAST
        told_once(team, "perses")
        since = leader.log.removeprefix(before)
        assert "migration started" not in since
        assert '"posted"' not in since
        assert (leads(leader), leads(standby)) == (False, True)


def test_a_leader_stopped_while_it_had_nothing_to_do_writes_nothing_afterwards(
    account: Path, team: Namespace, postgres: PostgresServer, database: Database, tmp_path: Path
) -> None:
    with replicas(account, team, tmp_path) as pair:
        leader, standby = pair.start()
        team.apply(
            secret("perses", connection_values(database)),
            resource("perses", secret_name="perses", health={"intervalSeconds": 1}),
        )
        team.wait_for("perses", "Ready", "True")
        wait_until(lambda: len(team.events()) == 3, what="three events", seconds=10)
        leader.signal(signal.SIGSTOP)
        pair.wait_for_leader(standby, seconds=DURATION_SECONDS + 10)
        edit = "UPDATE dashboard_template SET description = 'ours' WHERE id = 'template-notebook'"
        postgres.psql(database, sql=f"BEGIN; SET LOCAL dashdb.maintenance = 'on'; {edit}; COMMIT;")
        team.wait_for("perses", "TemplatesSeeded", "True", reason="Customized")
        written = team.get("perses")
        leader.signal(signal.SIGCONT)
        wait_until(lambda: leader.get_json(PATH)["status"] == "standby", what="it stands by", seconds=20)
        assert team.get("perses")["metadata"]["resourceVersion"] == written["metadata"]["resourceVersion"]
        assert len(team.events()) == 3
