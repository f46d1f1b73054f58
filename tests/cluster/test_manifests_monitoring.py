"""ServiceMonitor and alerts of manifests/monitoring: where they are, and whom they fit."""

import re
from pathlib import Path

import aiohttp
import pytest

from controller.health.store import ReportStore
from controller.web.server import application, serving
from tests.cluster.manifests_objects import (
    INSTALLATIONS,
    MONITORED,
    NAME,
    SHARDS,
    Installation,
    options_of,
    own_kustomization,
)
from tests.support.controlplane import ControlPlane
from tests.support.installation import ROOT

KINDS = {"ServiceMonitor", "PrometheusRule"}
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


@pytest.fixture(params=[*MONITORED, "namespaced", "shards"])
def installation(request: pytest.FixtureRequest, control_plane: ControlPlane, tmp_path: Path) -> Installation:
    """Every way to install with monitoring; for the last two, the kustomization that a user is told to write."""
    ready = request.param in MONITORED
    return Installation(control_plane, request.param if ready else own_kustomization(request.param, tmp_path))


@pytest.mark.parametrize("folder", [*INSTALLATIONS, SHARDS])
def test_a_plain_cluster_is_asked_for_no_kind_that_it_does_not_know(folder: str, control_plane: ControlPlane) -> None:
    kinds = {item["kind"] for item in Installation(control_plane, folder).objects}
    assert kinds & KINDS == (KINDS if folder in MONITORED else set())


def test_monitoring_adds_two_objects_and_changes_none(control_plane: ControlPlane) -> None:
    plain, monitored = (Installation(control_plane, each).objects for each in ("manifests", MONITORED[0]))
    assert [item for item in monitored if item["kind"] not in KINDS] == plain
    assert len(monitored) == len(plain) + 2


def test_monitoring_is_installed_beside_the_operator(installation: Installation) -> None:
    namespaces = {installation.one(kind)["metadata"].get("namespace") for kind in (*KINDS, "Service")}
    assert len(namespaces) == 1


def test_the_service_monitor_finds_the_service(installation: Installation) -> None:
    wanted = installation.one("ServiceMonitor")["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= installation.one("Service")["metadata"]["labels"].items()


async def test_scrapes_ask_for_a_path_that_is_served(installation: Installation) -> None:
    [endpoint] = installation.one("ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["port"] == "http"
    app = application(ReportStore(), lambda: None, version="1")
    async with (
        serving(app, "127.0.0.1", 0) as port,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{endpoint['path']}") as answer,
    ):
        assert answer.status == 200


def test_only_who_may_is_told_about_tenants_where_the_operator_sees_all_of_them(installation: Installation) -> None:
    """And an operator that asks for no token is shown none."""
    [endpoint] = installation.one("ServiceMonitor")["spec"]["endpoints"]
    shows_a_token = bool(endpoint.keys() & {"bearerTokenFile", "authorization"})
    for container in installation.containers:
        options = options_of(container)
        assert options.get("authorize_endpoints", False) is ("namespaces" not in options) is shows_a_token


def test_probes_and_scrapes_speak_https_where_the_endpoints_do(installation: Installation) -> None:
    [endpoint] = installation.one("ServiceMonitor")["spec"]["endpoints"]
    container = installation.containers[0]
    schemes = {container[probe]["httpGet"].get("scheme", "HTTP") for probe in PROBES}
    schemes.add(endpoint.get("scheme", "http").upper())
    assert schemes == {"HTTPS" if "tls_certificate" in options_of(container) else "HTTP"}


def test_the_certificate_of_openshift_is_mounted_where_it_is_read(control_plane: ControlPlane) -> None:
    installation = Installation(control_plane, "manifests/openshift")
    [mount] = [each for each in installation.container["volumeMounts"] if each["name"] == "endpoint-certificate"]
    [volume] = [each for each in installation.template["spec"]["volumes"] if each["name"] == "endpoint-certificate"]
    service = installation.one("Service")["metadata"]
    annotation = service["annotations"]["service.beta.openshift.io/serving-cert-secret-name"]
    assert volume["secret"]["secretName"] == annotation
    options = options_of(installation.container)
    paths = {options["tls_certificate"], options["tls_key"]}
    assert paths == {f"{mount['mountPath']}/tls.crt", f"{mount['mountPath']}/tls.key"}
    [endpoint] = installation.one("ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["tlsConfig"]["serverName"] == f"{NAME}.{service['namespace']}.svc"
    secret = installation.one("Secret", endpoint["authorization"]["credentials"]["name"])
    [binding] = [
        item
        for item in installation.objects
        if item["kind"] == "ClusterRoleBinding" and item["metadata"]["name"].endswith("-metrics-account")
    ]
    account = secret["metadata"]["annotations"]["kubernetes.io/service-account.name"]
    assert [each["name"] for each in binding["subjects"]] == [account]


def test_the_job_in_the_alerts_is_what_prometheus_operator_calls_the_service(installation: Installation) -> None:
    assert "jobLabel" not in installation.one("ServiceMonitor")["spec"]  # then the job is the Service's name
    rules = ROOT / "manifests" / "monitoring" / "prometheus-rule.yaml"
    jobs = set(re.findall(r'job="([^"]*)"', rules.read_text()))
    assert jobs == {installation.one("Service")["metadata"]["name"]}
