"""Prometheus scrapes what the ServiceMonitor says, as the real Prometheus Operator reads it."""

import json
import os
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.manifests_objects import NAME
from tests.support.certificates import issue_certificates
from tests.support.controlplane import ControlPlane
from tests.support.installation import ROOT
from tests.support.monitoring import install_with_pods, scraping
from tests.support.processes import wait_until
from tests.support.prometheus import Prometheus
from tests.support.replicas import HOME
from tests.support.resources import Namespace, resource
from tests.support.serving import OperatorProcess

POD = "operator-a"


def target(prometheus: Prometheus, health: str, error: str = "") -> dict[str, Any]:
    """Wait until the one target has this health, and this in its error; return it."""
    found: list[dict[str, Any]] = []

    def holds() -> bool:
        found[:] = prometheus.targets()
        return len(found) == 1 and found[0]["health"] == health and error in found[0]["lastError"]

    try:
        wait_until(holds, what=f"the target is {health}", seconds=60, interval=0.2)
    except Exception as failure:
        failure.add_note(f"last seen: {found}")
        raise
    return found[0]


def without_token(folder: Path) -> Path:
    """Write a kustomization for an operator with guarded endpoints, whose Prometheus is told to show no token."""
    folder.mkdir()
    below = os.path.relpath(ROOT / "manifests", folder.resolve())
    text = {"namespace": HOME, "resources": [f"{below}/cluster-wide"], "components": [f"{below}/monitoring"]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(text))
    return folder


def test_prometheus_is_let_in_with_its_token_and_finds_the_labels_that_the_alerts_need(
    scraped_cluster: ControlPlane, tmp_path: Path
) -> None:
    monitored = install_with_pods(scraped_cluster, ROOT / "manifests/with-monitoring", [POD])
    team = Namespace(scraped_cluster, scraped_cluster.namespace())
    team.apply(resource("perses", secret_name="nowhere"))
    account = scraped_cluster.service_account_kubeconfig(HOME, NAME)
    with (
        OperatorProcess(account, tmp_path / "operator.log", authorize=True) as operator,
        scraping(monitored, tmp_path / "prometheus", {POD: operator}, factor=100) as prometheus,
    ):
        found = target(prometheus, "up")
        assert found["scrapeUrl"] == f"http://127.0.0.1:{operator.port}/metrics"
        assert found["discoveredLabels"]["__address__"] == f"{monitored.addresses[POD]}:8080"
        labels = {"job": NAME, "namespace": HOME, "pod": POD, "service": NAME, "endpoint": "http"}
        assert labels.items() <= found["labels"].items()
        assert prometheus.labels(f'dashdb_build_info{{job="{NAME}",pod="{POD}"}}', "namespace") == {HOME}
        wait_until(
            lambda: prometheus.labels(f'dashdb_database_ready{{job="{NAME}",pod="{POD}"}}', "namespace") == {team.name},
            what="a database keeps its own namespace",
            seconds=30,
            interval=0.2,
        )
        assert prometheus.query("{exported_namespace!=''}") == []

        token = prometheus.folder / "account" / "token"
        scraped_cluster.kubectl("create", "serviceaccount", "somebody", "-n", team.name)
        token.write_text(scraped_cluster.token(team.name, "somebody"))
        target(prometheus, "down", "403")
        token.write_text("nonsense")
        target(prometheus, "down", "401")


def test_prometheus_is_not_let_in_where_the_token_is_left_out(scraped_cluster: ControlPlane, tmp_path: Path) -> None:
    monitored = install_with_pods(scraped_cluster, without_token(tmp_path / "kustomization"), [POD])
    account = scraped_cluster.service_account_kubeconfig(HOME, NAME)
    with (
        OperatorProcess(account, tmp_path / "operator.log", authorize=True) as operator,
        scraping(monitored, tmp_path / "prometheus", {POD: operator}, factor=100) as prometheus,
    ):
        target(prometheus, "down", "401")


def test_on_openshift_it_trusts_the_authority_of_services_and_shows_the_token_of_an_account_of_its_own(
    scraped_cluster: ControlPlane, tmp_path: Path
) -> None:
    certificates = issue_certificates(tmp_path / "tls", f"{NAME}.{HOME}.svc")
    monitored = install_with_pods(scraped_cluster, ROOT / "manifests/openshift", [POD])
    # What controllers of the cluster write: the authority for Services, and the token of an account.
    authority = f"--from-file=service-ca.crt={certificates.ca}"
    scraped_cluster.kubectl("create", "configmap", "openshift-service-ca.crt", authority, "-n", HOME)
    patch = json.dumps({"stringData": {"token": scraped_cluster.token(HOME, f"{NAME}-metrics")}})
    scraped_cluster.kubectl("patch", "secret", f"{NAME}-metrics", "-n", HOME, "--type=merge", "-p", patch)
    account, log = scraped_cluster.service_account_kubeconfig(HOME, NAME), tmp_path / "operator.log"
    with (
        OperatorProcess(account, log, authorize=True, certificates=certificates) as operator,
        scraping(monitored, tmp_path / "prometheus", {POD: operator}, factor=100) as prometheus,
    ):
        assert target(prometheus, "up")["scrapeUrl"] == f"https://127.0.0.1:{operator.port}/metrics"
