"""Two replicas: one acts and the other takes its place, whatever happens to the first, the Lease or the API server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until
from tests.support.replicas import DURATION_SECONDS, Replicas, leads, metric, replicas
from tests.support.resources import Namespace, connection_values, resource, secret
from tests.support.serving import OperatorProcess


@pytest.fixture
def pair(account: Path, team: Namespace, tmp_path: Path) -> Iterator[Replicas]:
    with replicas(account, team, tmp_path) as both:
        yield both


def acts(team: Namespace, database: Database, name: str, *, seconds: float = 30) -> None:
    """Wait until a resource that is applied now is Ready."""
    team.apply(
        secret(name, connection_values(database)), resource(name, secret_name=name, health={"intervalSeconds": 1})
    )
    team.wait_for(name, "Ready", "True", seconds=seconds)


def other(pair: Replicas, replica: OperatorProcess) -> OperatorProcess:
    return pair.both[1] if pair.both[0] is replica else pair.both[0]


def test_of_two_that_start_together_one_leads(pair: Replicas, team: Namespace, database: Database) -> None:
    for replica in pair.both:
        replica.start(wait=False)
    for replica in pair.both:
        replica.wait_ready()
    wait_until(lambda: leads(pair.both[0]) or leads(pair.both[1]), what="one leads", seconds=20)
    acts(team, database, "perses")
    assert sorted([leads(replica) for replica in pair.both]) == [False, True]
    assert pair.lease()["leaseTransitions"] == 1


def test_a_standby_is_ready_and_says_that_it_is_one(pair: Replicas, team: Namespace, database: Database) -> None:
    leader, standby = pair.start()
    acts(team, database, "perses")
    holder = pair.lease()["holderIdentity"]
    assert standby.get("/ready") == (200, '{"ready": true}')
    assert standby.get("/live")[0] == 200
    health = standby.get_json("/api/v1/health")
    assert (health["status"], health["leader"], health["checks"]) == ("standby", holder, {})
    assert standby.get_json("/metrics/health") == {"standby": True}
    status, body = standby.get(f"/ready/{team.name}/perses")
    assert (status, f"{holder} leads" in body) == (503, True)
    assert f"{holder} leads" in standby.get("/")[1]
    assert "dashdb_database_" not in standby.get("/metrics")[1]
    assert (metric(standby, "dashdb_leader"), metric(leader, "dashdb_leader")) == (0, 1)
    assert metric(standby, "dashdb_lease_transitions_total") == metric(leader, "dashdb_lease_transitions_total") == 1
    assert leader.get(f"/ready/{team.name}/perses")[0] == 200


def test_the_standby_takes_over_from_a_leader_that_was_killed(
    pair: Replicas, team: Namespace, database: Database
) -> None:
    leader, standby = pair.start()
    leader.kill()
    pair.wait_for_leader(standby, seconds=DURATION_SECONDS + 10)
    acts(team, database, "perses")
    lease = pair.lease()
    assert (lease["leaseTransitions"], lease["leaseDurationSeconds"]) == (2, DURATION_SECONDS)
    leader.start()  # another holder now, whatever it was called before
    assert not leads(leader)


def test_a_leader_that_is_asked_to_end_hands_over(pair: Replicas, team: Namespace, database: Database) -> None:
    leader, standby = pair.start()
    acts(team, database, "perses")
    wait_until(lambda: len(team.events()) == 3, what="three events", seconds=10)
    assert leader.stop() == 0
    assert "gave the Lease back" in leader.log
    pair.wait_for_leader(standby)
    wait_until(lambda: standby.get(f"/ready/{team.name}/perses")[0] == 200, what="it observes", seconds=20)
    reasons = [event["reason"] for event in team.events()]
    assert sorted(reasons) == ["Ready", "SchemaMigrated", "TemplatesWritten"]


def test_a_lease_that_somebody_touches_stays_with_its_leader(pair: Replicas) -> None:
    leader, _ = pair.start()
    before = pair.lease()
    pair.kubectl("label", "lease", "dashboard-database-operator", "touched=yes", "--overwrite")
    wait_until(lambda: pair.lease()["renewTime"] != before["renewTime"], what="it is renewed", seconds=20)
    after = pair.lease()
    assert (after["holderIdentity"], after["leaseTransitions"]) == (before["holderIdentity"], 1)
    assert leads(leader)


def test_a_lease_that_somebody_gives_to_somebody_else_ends_the_term_and_the_process_goes_on(
    pair: Replicas, team: Namespace, database: Database
) -> None:
    leader, standby = pair.start()
    acts(team, database, "perses")
    process = leader.pid
    patch = '{"spec":{"holderIdentity":"somebody"}}'
    pair.kubectl("patch", "lease", "dashboard-database-operator", "--type=merge", "-p", patch)
    wait_until(lambda: leader.get_json("/api/v1/health")["status"] == "standby", what="it stands by", seconds=20)
    assert leader.get("/live")[0] == 200
    assert leader.get_json("/api/v1/health")["checks"] == {}
    assert leader.get(f"/ready/{team.name}/perses")[0] == 503, "it knows no database any more"
    assert "dashdb_database_" not in leader.get("/metrics")[1]
    wait_until(lambda: leads(leader) or leads(standby), what="the Lease is taken once it ran out", seconds=30)
    standby.kill()
    pair.wait_for_leader(leader, seconds=DURATION_SECONDS + 10)
    assert leader.pid == process
    wait_until(lambda: leader.get(f"/ready/{team.name}/perses")[0] == 200, what="it works again", seconds=20)


def test_a_lease_that_is_deleted_is_missed_and_taken_once_it_is_back(
    pair: Replicas, team: Namespace, database: Database
) -> None:
    leader, standby = pair.start()
    acts(team, database, "perses")
    pair.kubectl("delete", "lease", "dashboard-database-operator")
    wait_until(lambda: not leads(leader), what="nobody leads", seconds=20)
    assert leader.get(f"/ready/{team.name}/perses")[0] == 200, "it goes on observing"
    assert "cannot take part in the election" in standby.get("/ready")[1]
    pair.install_lease()
    wait_until(lambda: leads(leader) or leads(standby), what="one leads again", seconds=20)
    wait_until(lambda: leads(leader) is not leads(standby), what="the other does not", seconds=20)


@pytest.mark.timeout(180)
def test_without_the_api_server_the_leader_observes_and_does_not_act(
    pair: Replicas, team: Namespace, database: Database, postgres: PostgresServer
) -> None:
    leader, standby = pair.start()
    acts(team, database, "perses")
    team.cluster.stop_apiserver()
    try:
        wait_until(lambda: not leads(leader), what="it no longer acts", seconds=30)
        delete = "DELETE FROM dashboard_template WHERE id = 'template-notebook'"
        postgres.psql(database, sql=f"BEGIN; SET LOCAL dashdb.maintenance = 'on'; {delete}; COMMIT;")
        path = f"/ready/{team.name}/perses"
        wait_until(lambda: "SeedingPending" in leader.get(path)[1], what="it observes", seconds=30)
        wait_until(lambda: "action stopped" in leader.log, what="it may not act", seconds=10)
    finally:
        team.cluster.start_apiserver()
    wait_until(lambda: leads(leader) or leads(standby), what="one leads again", seconds=40)
    rows = "SELECT count(*) FROM dashboard_template WHERE is_system"

    def seeded() -> bool:
        return postgres.psql(database, args=("-At",), sql=rows).strip() == "4"

    wait_until(seeded, what="the template is back", seconds=40)
    team.wait_for("perses", "Ready", "True", seconds=40)
