"""Connections that the rendered NetworkPolicy allows, and those that it does not."""

from typing import Any

import pytest

from tests.cluster.manifests_objects import INSTALLATIONS, Installation
from tests.cluster.network import Peer, allows
from tests.support.controlplane import ControlPlane


@pytest.fixture(params=INSTALLATIONS)
def policy(request: pytest.FixtureRequest, control_plane: ControlPlane) -> dict[str, Any]:
    return Installation(control_plane, request.param).one("NetworkPolicy")


def pod(namespace: str, **labels: str) -> Peer:
    named = {name.replace("__", "/").replace("_", "-"): value for name, value in labels.items()}
    return Peer("10.1.2.3", {"kubernetes.io/metadata.name": namespace}, named)


PROMETHEUS = {"app.kubernetes.io/name": "prometheus"}
METADATA = (
    "169.254.169.254", "169.254.170.2", "169.254.0.1", "fe80::1", "fd00:ec2::254",
    "168.63.129.16", "100.100.100.200", "192.0.0.192",
)  # fmt: skip


@pytest.mark.parametrize("address", METADATA)
def test_what_answers_nodes_with_secrets_is_reached_at_no_port(policy: dict[str, Any], address: str) -> None:
    for protocol in ("TCP", "UDP"):
        ports = (port for port in range(1, 65536) if allows(policy, "egress", Peer(address), port, protocol))
        assert list(ports) == []


@pytest.mark.parametrize("address", ["203.0.113.5", "10.0.0.1", "2001:db8::1"])
def test_databases_and_the_api_server_are_reached_anywhere_at_their_ports_and_no_other(
    policy: dict[str, Any], address: str
) -> None:
    ports = [port for port in range(1, 65536) if allows(policy, "egress", Peer(address), port)]
    assert ports == [443, 5432, 6432, 6443]
    assert not any(allows(policy, "egress", Peer(address), port, "UDP") for port in range(1, 65536))


def test_databases_of_every_namespace_are_reached(policy: dict[str, Any]) -> None:
    assert allows(policy, "egress", Peer("fd12::1", {"kubernetes.io/metadata.name": "team-a"}, {}), 5432)


@pytest.mark.parametrize(
    "resolver", [pod("kube-system", k8s_app="kube-dns"), pod("openshift-dns"), Peer("169.254.20.10")]
)
@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_names_are_asked_of_the_clusters_resolvers(policy: dict[str, Any], resolver: Peer, protocol: str) -> None:
    assert allows(policy, "egress", resolver, 53, protocol)
    assert allows(policy, "egress", resolver, 5353, protocol)


@pytest.mark.parametrize(
    "other", [Peer("8.8.8.8"), pod("team-a", k8s_app="kube-dns"), pod("kube-system"), Peer("169.254.169.254")]
)
@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_names_are_asked_of_nobody_else(policy: dict[str, Any], other: Peer, protocol: str) -> None:
    assert not allows(policy, "egress", other, 53, protocol)
    assert not allows(policy, "egress", other, 5353, protocol)


@pytest.mark.parametrize("namespace", ["monitoring", "openshift-monitoring", "openshift-user-workload-monitoring"])
def test_prometheus_reaches_the_endpoints_and_no_other_port(policy: dict[str, Any], namespace: str) -> None:
    peer = Peer("10.1.2.3", {"kubernetes.io/metadata.name": namespace}, PROMETHEUS)
    assert [port for port in range(1, 65536) if allows(policy, "ingress", peer, port)] == [8080]


@pytest.mark.parametrize(
    "peer",
    [
        Peer("203.0.113.5"),
        pod("team-a"),
        Peer("10.1.2.3", {"kubernetes.io/metadata.name": "team-a"}, PROMETHEUS),
        pod("monitoring"),
        pod("dashdb-system"),
    ],
)
def test_nobody_else_reaches_the_endpoints(policy: dict[str, Any], peer: Peer) -> None:
    assert not allows(policy, "ingress", peer, 8080)
