"""A real API server takes the bundle, and an operator that is installed from it has the rights that it needs."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.release.olm import bundle_objects, csv_definition, install
from tests.support.binaries import monitoring_crds
from tests.support.controlplane import ControlPlane
from tests.support.installation import create_pod
from tests.support.processes import free_port, wait_until
from tests.support.replicas import leads
from tests.support.resources import Namespace, resource, secret
from tests.support.serving import OperatorProcess
from tools.bundle import CRD, CSV

NAME = "dashboard-database-operator"
KINDS = "clusterserviceversions,dashboarddatabases,prometheusrules,servicemonitors"
STRICT = ("--server-side", "--force-conflicts", "--validate=strict", "--dry-run=server")


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    """A cluster that knows the kinds of OLM, of Prometheus Operator and ours."""
    with ControlPlane() as running:
        running.kubectl("apply", "--server-side", "-f", str(monitoring_crds()))
        for crd in (csv_definition(), bundle_objects()[CRD]):
            running.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=json.dumps(crd))
        wait_until(
            lambda: running.kubectl("get", KINDS, "-A", check=False).returncode == 0, what="all are served", seconds=20
        )
        yield running


def test_every_object_is_taken_as_it_is_written_in_any_namespace(cluster: ControlPlane) -> None:
    found = bundle_objects()
    written = "\n---\n".join(json.dumps(item) for item in found.values())
    done = cluster.kubectl("apply", "-f", "-", "-n", cluster.namespace(), *STRICT, input=written)
    assert (len(done.stdout.splitlines()), done.stderr) == (len(found), "")


def test_pods_are_let_in_where_restricted_is_enforced(cluster: ControlPlane) -> None:
    [deployment] = bundle_objects()[CSV]["spec"]["install"]["spec"]["deployments"]
    create_pod(cluster, deployment["spec"]["template"])


def test_examples_are_taken(cluster: ControlPlane) -> None:
    examples = json.loads(bundle_objects()[CSV]["metadata"]["annotations"]["alm-examples"])
    for example in examples:
        done = cluster.kubectl("apply", "-f", "-", "-n", cluster.namespace(), *STRICT, input=json.dumps(example))
        assert done.stderr == ""


def may(cluster: ControlPlane, home: str, verb: str, what: str, namespace: str) -> bool:
    """Return whether the operator of HOME may do this in NAMESPACE."""
    account = f"--as=system:serviceaccount:{home}:{NAME}"
    return cluster.kubectl("auth", "can-i", verb, what, "-n", namespace, account, check=False).stdout.strip() == "yes"


@pytest.mark.parametrize("mode", ["AllNamespaces", "OwnNamespace", "SingleNamespace", "MultiNamespace"])
def test_in_each_install_mode_it_makes_its_lease_leads_and_lacks_no_right(
    mode: str, cluster: ControlPlane, tmp_path: Path
) -> None:
    home, team, other = (cluster.namespace() for _ in range(3))
    targets = {"AllNamespaces": [], "OwnNamespace": [home], "SingleNamespace": [team], "MultiNamespace": [other, team]}
    account, began = install(cluster, home, targets[mode]), datetime.now(UTC)
    watched = Namespace(cluster, home if mode == "OwnNamespace" else team)
    unreachable = {"host": "127.0.0.1", "port": str(free_port()), "dbname": "d", "user": "u", "password": "p"}
    watched.apply(
        secret("perses-db", {**unreachable, "sslmode": "disable"}),
        resource("perses", secret_name="perses-db", health={"intervalSeconds": 1}),
    )
    options = ("--lease", NAME, "--lease-namespace", home)
    chosen = {"WATCH_NAMESPACE": ",".join(targets[mode])}
    with OperatorProcess(account, tmp_path / "log", environment=chosen, options=options) as operator:
        wait_until(lambda: leads(operator), what="it leads", seconds=30)
        watched.wait_for("perses", "Connected", "False")
    lease = cluster.read(f"/apis/coordination.k8s.io/v1/namespaces/{home}/leases/{NAME}")
    assert lease["spec"]["leaseTransitions"] == 1
    user = f"system:serviceaccount:{home}:{NAME}"
    asked = [event for event in cluster.audit_events(began) if event["user"]["username"] == user]
    assert [e["verb"] for e in asked if e.get("objectRef", {}).get("resource") == "leases"].count("create") == 1
    assert [e for e in asked if e.get("responseStatus", {}).get("code") in (401, 403)] == []


def test_it_may_make_leases_beside_itself_and_nowhere_else(cluster: ControlPlane) -> None:
    home, elsewhere = cluster.namespace(), cluster.namespace()
    install(cluster, home, [])
    assert may(cluster, home, "create", "leases.coordination.k8s.io", home)
    assert not may(cluster, home, "create", "leases.coordination.k8s.io", elsewhere)
    assert not may(cluster, home, "update", "leases.coordination.k8s.io/another", home)
    assert not may(cluster, home, "delete", f"leases.coordination.k8s.io/{NAME}", home)


def test_for_chosen_namespaces_it_reads_secrets_there_and_beside_itself_alone(cluster: ControlPlane) -> None:
    home, team, elsewhere = (cluster.namespace() for _ in range(3))
    install(cluster, home, [team])
    readable = [name for name in (home, team, elsewhere) if may(cluster, home, "get", "secrets/perses-db", name)]
    assert readable == [home, team]
