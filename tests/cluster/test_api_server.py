"""The API server loses what it knew, and the operator goes on where it was."""

from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

from tests.support.controlplane import ControlPlane
from tests.support.database import Database
from tests.support.installation import ROOT, install_operator
from tests.support.processes import wait_until
from tests.support.replicas import HOME, NAME, metric
from tests.support.resources import Namespace, connection_values, resource, secret
from tests.support.serving import OperatorProcess

CRD = str(ROOT / "crds" / "dashboarddatabases.yaml")


SECONDS = 5
MOST_CALLS = 3 * SECONDS
"""Calls in so many seconds, of a watch that is refused, and of a resource with an interval of a second."""


def test_a_crd_that_is_deleted_and_made_again_ends_neither_the_process_nor_the_watch(
    own_cluster: ControlPlane, database: Database, tmp_path: Path
) -> None:
    account = install_operator(own_cluster)
    team = Namespace(own_cluster, own_cluster.namespace())
    manifests = (secret("db", connection_values(database)), resource("perses", secret_name="db"))
    with OperatorProcess(account, tmp_path / "operator.log") as operator:
        team.apply(*manifests)
        team.wait_for("perses", "Ready", "True")
        own_cluster.kubectl("delete", "-f", CRD)
        wait_until(lambda: "the watch ended, and begins anew" in operator.log, what="kopf to give up", seconds=60)
        assert operator.get("/live")[0] == 200
        wait_until(
            lambda: metric(operator, "dashdb_watching") == 0, what="the metric to say that it is blind", seconds=30
        )
        own_cluster.kubectl("apply", "-f", CRD)
        own_cluster.kubectl("wait", "--for=condition=Established", "-f", CRD)
        team.apply(*manifests)
        team.wait_for("perses", "Ready", "True", seconds=60)
        wait_until(operator.is_ready, what="the operator to be ready again", seconds=30)
        assert metric(operator, "dashdb_watching") == 1
        assert (metric(operator, "dashdb_watch_restarts_total") or 0) >= 1
        assert "Traceback" not in operator.log


def test_a_token_that_is_refused_is_not_tried_a_hundred_times_a_second_and_its_successor_is_taken_up(
    own_cluster: ControlPlane, database: Database, tmp_path: Path
) -> None:
    account = install_operator(own_cluster)
    team = Namespace(own_cluster, own_cluster.namespace())
    with OperatorProcess(account, tmp_path / "operator.log", log_level="info") as operator:
        team.apply(secret("db", connection_values(database)))
        team.apply(resource("perses", secret_name="db", health={"intervalSeconds": 1}))
        team.wait_for("perses", "Ready", "True")
        own_cluster.stop_apiserver()
        own_cluster.renew_account_keys()
        own_cluster.start_apiserver()
        began = datetime.now(UTC)

        def refused() -> list[float]:
            return [
                moment
                for event in own_cluster.audit_events(began)
                if event.get("responseStatus", {}).get("code") == HTTPStatus.UNAUTHORIZED
                and (moment := datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp())
            ]

        wait_until(lambda: bool(refused()) and max(refused()) - min(refused()) > SECONDS, what="refusals", seconds=60)
        assert len([moment for moment in refused() if moment - min(refused()) < SECONDS]) < MOST_CALLS
        assert operator.get("/live")[0] == 200
        assert own_cluster.service_account_kubeconfig(HOME, NAME) == account
        team.apply(resource("perses", secret_name="db", health={"intervalSeconds": 2}))
        wait_until(
            lambda: team.get("perses")["status"]["observedGeneration"] == 2, what="the change is seen", seconds=60
        )
        assert "Traceback" not in operator.log
