"""The status says what is, from the first moment and whatever the API server allows."""

import json
from collections.abc import Callable

from tests.field.cluster.limited import Limited
from tests.support.database import Database
from tests.support.processes import wait_until
from tests.support.resources import Namespace, connection_values, resource, secret
from tests.support.serving import OperatorProcess


def test_a_database_has_its_place_on_all_endpoints_while_its_first_dial_hangs(
    operator: OperatorProcess, team: Namespace, database: Database, mute_port: int
) -> None:
    """Reported as kfp-operator 198: a resource that was just made looked like one that is fine."""
    values = {**connection_values(database), "port": str(mute_port)}
    team.apply(secret("perses-db", values), resource("perses", secret_name="perses-db"))
    path = f"/{team.name}/perses"

    def known() -> bool:
        return operator.get(f"/api/v1/health{path}")[0] != 404

    wait_until(known, what="the database is known to the endpoints", seconds=5)
    status, body = operator.get(f"/ready{path}")
    assert status == 503
    assert "Starting" in body
    assert "perses" in operator.get("/")[1]
    assert f'name="perses",namespace="{team.name}"' in operator.get("/metrics")[1]
    ready = team.condition("perses", "Ready")
    assert (ready["status"], ready["reason"]) == ("Unknown", "NotObserved"), "what the CRD says of it still holds"


def test_a_secret_that_may_not_be_read_is_a_condition_that_names_the_right(
    limited: Limited, limited_operator: OperatorProcess, team: Namespace, apply: Callable[..., None]
) -> None:
    limited.allow("status")
    apply()
    connected = team.wait_for("perses", "Connected", "False", reason="SecretForbidden")
    assert "resourceNames: [perses-db]" in connected["message"]
    assert team.condition("perses", "Reconciling")["status"] == "True"
    limited.allow("status", "secrets")
    team.wait_for("perses", "Ready", "True")


def test_a_right_to_read_a_secret_that_was_taken_away_is_told(
    limited: Limited, limited_operator: OperatorProcess, team: Namespace, apply: Callable[..., None]
) -> None:
    apply()
    team.wait_for("perses", "Ready", "True")
    limited.allow("status")
    team.wait_for("perses", "Connected", "False", reason="SecretForbidden", seconds=60)


def test_a_status_that_may_not_be_written_takes_the_operator_out_of_service_and_events_tell_all_the_same(
    limited: Limited, limited_operator: OperatorProcess, team: Namespace, apply: Callable[..., None]
) -> None:
    limited.allow("secrets")
    apply()
    wait_until(lambda: limited_operator.get("/ready")[0] == 503, what="/ready says that it cannot write", seconds=30)
    assert "cannot write the status" in limited_operator.get("/ready")[1]
    assert limited_operator.get_json(f"/ready/{team.name}/perses") == {"ready": True}

    def told() -> list[str]:
        return [event["reason"] for event in team.events()]

    wait_until(lambda: "Ready" in told(), what="the event Ready", seconds=30)
    assert told().count("Ready") == 1
    lines = limited_operator.get("/metrics")[1].splitlines()
    [refused] = [line for line in lines if line.startswith("dashdb_status_writes_refused_total ")]
    assert float(refused.split()[1]) >= 1


def test_health_of_all_says_which_how_many_and_why(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None]
) -> None:
    apply()
    team.apply(resource("broken", secret_name="no-such-secret"))
    team.wait_for("perses", "Ready", "True")
    team.wait_for("broken", "Ready", "False", reason="SecretNotFound")
    status, body = operator.get("/api/v1/health")
    found = json.loads(body)
    assert status == 503
    assert found["checks"]["database"]["error"] == f"1 of 2 databases unhealthy: {team.name}/broken (SecretNotFound)."
    assert (found["databases"]["healthy"], found["databases"]["unhealthy"]) == (1, 1)
    [problem] = found["databases"]["problems"]
    assert (problem["database"], problem["reason"]) == (f"{team.name}/broken", "SecretNotFound")
