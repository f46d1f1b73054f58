"""An operator for named namespaces watches each of them, says which it cannot watch, and names itself."""

import json
from pathlib import Path
from typing import Any

from controller import __version__
from tests.field.cluster.limited import Limited
from tests.support.controlplane import ControlPlane, of_an_account
from tests.support.database import Database
from tests.support.processes import wait_until
from tests.support.resources import Namespace, connection_values, resource, secret
from tests.support.serving import OperatorProcess


def test_a_namespace_that_may_not_be_watched_is_named_and_the_others_are_served(
    control_plane: ControlPlane, limited: Limited, team: Namespace, database: Database, tmp_path: Path
) -> None:
    closed = control_plane.namespace()
    options = ("--namespace", closed)
    operator = OperatorProcess(limited.kubeconfig, tmp_path / "log", namespace=team.name, options=options)
    operator.start(wait=False)
    try:
        operator.wait_alive()
        wait_until(lambda: closed in operator.get("/ready")[1], what="/ready names the namespace", seconds=30)
        assert operator.get("/ready")[0] == 503
        team.apply(secret("perses-db", connection_values(database)), resource("perses", secret_name="perses-db"))
        team.wait_for("perses", "Ready", "True")
    finally:
        operator.stop()


def test_audit_log_and_managed_fields_name_the_program_and_its_release(
    control_plane: ControlPlane,
    limited: Limited,
    limited_operator: OperatorProcess,
    team: Namespace,
    database: Database,
) -> None:
    team.apply(secret("perses-db", connection_values(database)), resource("perses", secret_name="perses-db"))
    team.wait_for("perses", "Ready", "True")
    managers = {each["manager"] for each in team.get("perses")["metadata"]["managedFields"]}
    assert f"dashdb/{__version__}" in managers
    agents = {
        event["userAgent"]
        for event in control_plane.audit_events()
        if of_an_account(event) and event["user"]["username"].endswith(f":{team.name}:limited")
    }
    assert agents == {f"dashdb/{__version__}"}


def test_a_warning_is_logged_as_one_with_its_text_as_the_message(
    limited_operator: OperatorProcess, team: Namespace
) -> None:
    team.apply(resource("perses", secret_name="perses-db"))
    team.wait_for("perses", "Ready", "False", reason="SecretNotFound")
    wait_until(lambda: '"posted": true' in limited_operator.log, what="the event is logged", seconds=10)
    [line] = [line for line in limited_operator.log.splitlines() if '"posted": true' in line]
    assert '"level": "warning"' in line
    assert '"message": "Secret \\"perses-db\\" does not exist' in line


def test_an_api_server_that_is_away_is_told_once_in_the_log_and_not_for_each_resource_or_try(
    limited: Limited, team: Namespace, database: Database, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with OperatorProcess(limited.kubeconfig, log, namespace=team.name, log_level="info") as operator:

        def records() -> list[dict[str, Any]]:
            return [json.loads(line) for line in operator.log.splitlines()]

        names = [f"db-{number}" for number in range(5)]
        team.apply(secret("perses-db", connection_values(database)))
        team.apply(*(resource(name, secret_name="perses-db", health={"intervalSeconds": 5}) for name in names))
        for name in names:
            team.wait_for(name, "Connected", "True")
        before = len(records())
        team.cluster.stop_apiserver()
        try:
            wait_until(lambda: "cannot be used" in operator.log, what="the API server is said to be away", seconds=30)
            outage = records()[before:]
        finally:
            team.cluster.start_apiserver()

        def is_back() -> bool:
            return "the API server answers" in [record["message"] for record in records()[before:]]

        wait_until(is_back, what="the API server is said to be back", seconds=60)
        assert operator.log.count("cannot be used") == 1
    told = sorted(record["message"] for record in outage if record["level"] in ("warning", "error", "critical"))
    # The second is said once a minute for all Secrets, since the API server may be slow for them alone.
    assert told in (["the API server cannot be used"], ["a Secret was not read anew", "the API server cannot be used"])
