"""A real API server takes every manifest; RBAC holds the operator to what it needs."""

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.manifests_objects import INSTALLATIONS, NAME, SAMPLES, SHARDS, Installation, own_kustomization
from tests.support.binaries import monitoring_crds
from tests.support.controlplane import ControlPlane, KubectlError
from tests.support.installation import ROOT
from tests.support.processes import free_port, wait_until
from tests.support.resources import Namespace, resource, secret
from tests.support.serving import OperatorProcess

STRICT = ("--validate=strict", "--dry-run=server")


@pytest.fixture(scope="module")
def fresh() -> Iterator[ControlPlane]:
    """A cluster that nothing was installed in but the kinds of Prometheus Operator."""
    with ControlPlane() as cluster:
        cluster.kubectl("apply", "--server-side", "-f", str(monitoring_crds()))
        cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=20s")
        yield cluster


@pytest.fixture(scope="module")
def installed(fresh: ControlPlane) -> ControlPlane:
    """After `kubectl apply -k manifests/`, in one go, as a user does it."""
    fresh.kubectl("apply", "-k", str(ROOT / "manifests"), "--validate=strict")
    fresh.kubectl("wait", "--for=condition=Established", "crd/dashboarddatabases.dashdb.dev", "--timeout=20s")
    wait_until(
        lambda: fresh.kubectl("get", "ddb", "-A", check=False).returncode == 0,
        what="the API server serves DashboardDatabase",
        seconds=20,
    )
    return fresh


@pytest.fixture
def own_namespace(installed: ControlPlane) -> Namespace:
    """Create a namespace in which the namespaced operator is installed."""
    namespace = installed.namespace()
    installed.kubectl("apply", "-k", str(ROOT / "manifests/namespaced"), "-n", namespace, "--validate=strict")
    return Namespace(installed, namespace)


@pytest.mark.parametrize("folder", ["manifests", SHARDS, "manifests/namespaced"])
def test_a_cluster_without_prometheus_operator_takes_every_object(folder: str) -> None:
    with ControlPlane() as cluster:
        namespaced = folder.endswith("namespaced")
        if namespaced:
            cluster.kubectl("apply", "-f", str(ROOT / "crds"))
        where = ("-n", cluster.namespace()) if namespaced else ()
        done = cluster.kubectl("apply", "-k", str(ROOT / folder), *where, "--validate=strict")
        assert len(done.stdout.splitlines()) == len(Installation(cluster, folder).objects)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("folder", [*INSTALLATIONS, SHARDS])
def test_every_manifest_is_accepted_without_a_warning(folder: str, installed: ControlPlane) -> None:
    where = ("-n", installed.namespace()) if folder.endswith("namespaced") else ()
    done = installed.kubectl("apply", "-k", str(ROOT / folder), *where, *STRICT)
    assert len(done.stdout.splitlines()) == len(Installation(installed, folder).objects)
    assert done.stderr == ""


@pytest.mark.parametrize("of", ["namespaced", "shards"])
def test_the_others_with_monitoring_are_accepted_too(of: str, installed: ControlPlane, tmp_path: Path) -> None:
    installed.kubectl("create", "namespace", "team-a", check=False)
    done = installed.kubectl("apply", "-k", str(own_kustomization(of, tmp_path)), *STRICT)
    assert "servicemonitor.monitoring.coreos.com" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("kind", ["Deployment", "PrometheusRule", "ServiceMonitor", "NetworkPolicy"])
def test_a_misspelt_field_would_be_refused(kind: str, installed: ControlPlane) -> None:
    item = copy.deepcopy(Installation(installed, "manifests/with-monitoring").one(kind))
    item["spec"]["selektor"] = {}
    with pytest.raises(KubectlError, match=r'unknown field "spec\.selektor"'):
        installed.kubectl("apply", "-f", "-", *STRICT, input=json.dumps(item))


def test_installing_again_changes_nothing(installed: ControlPlane) -> None:
    budget = f"/apis/policy/v1/namespaces/dashdb-system/poddisruptionbudgets/{NAME}"
    before = installed.read(budget)
    lines = installed.kubectl("apply", "-k", str(ROOT / "manifests")).stdout.splitlines()
    # kubectl always sends the selector of a budget anew, and the API server finds nothing to change
    assert [line for line in lines if not line.endswith("unchanged")] == [
        f"poddisruptionbudget.policy/{NAME} configured"
    ]
    assert installed.read(budget) == before


def test_a_folder_of_crds_can_be_applied_both_ways(installed: ControlPlane) -> None:
    for way in ("-k", "-f"):
        done = installed.kubectl("apply", way, str(ROOT / "crds"), *STRICT)
        assert len(done.stdout.splitlines()) == 1, way


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_is_accepted(sample: Path, installed: ControlPlane) -> None:
    done = installed.kubectl("apply", "-f", str(sample), "-n", installed.namespace(), *STRICT)
    assert "created (server dry run)" in done.stdout
    assert done.stderr == ""


def test_samples_that_belong_together_name_each_other() -> None:
    items = [yaml.safe_load(path.read_text()) for path in SAMPLES]
    [written] = [item["metadata"]["name"] for item in items if item["kind"] == "Secret"]
    wanted = {
        item["metadata"]["name"]: item["spec"]["connection"]["secretRef"]["name"]
        for item in items
        if item["kind"] == "DashboardDatabase"
    }
    assert wanted.pop("perses-cloudnative-pg") == "perses-db-app"
    assert set(wanted.values()) == {written}


Right = tuple[str, str, str]
"""API group, resource (with its subresource) and verb; or "URL", path and verb."""

GRANTED: set[Right] = {
    ("dashdb.dev", "dashboarddatabases", "list"),
    ("dashdb.dev", "dashboarddatabases", "watch"),
    ("dashdb.dev", "dashboarddatabases/status", "patch"),
    ("", "secrets", "get"),
    ("events.k8s.io", "events", "create"),
}
REVIEWS: set[Right] = {
    ("authentication.k8s.io", "tokenreviews", "create"),
    ("authorization.k8s.io", "subjectaccessreviews", "create"),
}
"""What asks who may read the endpoints; only for the whole cluster, since no Role in a namespace could give it."""


LEASE: set[Right] = {("coordination.k8s.io", "leases", "get"), ("coordination.k8s.io", "leases", "update")}
"""Where the operator itself is, on one Lease alone."""


def rights(cluster: ControlPlane, kubeconfig: Path, namespace: str) -> set[Right]:
    """Return the rights of an account in NAMESPACE, the answer that `kubectl auth can-i --list` prints."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    # checked by the server: kubectl would want to list CRDs for that, which the account may not
    command = ("create", "-f", "-", "-o", "json", "--validate=false")
    asked = cluster.kubectl(*command, input=json.dumps(review), kubeconfig=kubeconfig)
    status = json.loads(asked.stdout)["status"]
    assert status["incomplete"] is False
    found = {
        (group, name, verb)
        for rule in status["resourceRules"]
        for group in rule["apiGroups"]
        for name in rule["resources"]
        if not rule.get("resourceNames") or NAME in rule["resourceNames"]
        for verb in rule["verbs"]
    }
    return found | {
        ("URL", path, verb)
        for rule in status["nonResourceRules"]
        for path in rule["nonResourceURLs"]
        for verb in rule["verbs"]
    }


def everybodys_rights(cluster: ControlPlane) -> set[Right]:
    """Return the rights of an account without any binding."""
    namespace = cluster.namespace()
    cluster.kubectl("create", "serviceaccount", "nobody", "-n", namespace)
    return rights(cluster, cluster.service_account_kubeconfig(namespace, "nobody"), namespace)


def test_the_operator_may_do_this_in_every_namespace_and_nothing_else(installed: ControlPlane) -> None:
    account = installed.service_account_kubeconfig("dashdb-system", NAME)
    everybody = everybodys_rights(installed)
    for namespace in ("kube-system", installed.namespace()):
        assert rights(installed, account, namespace) == everybody | GRANTED | REVIEWS
    assert rights(installed, account, "dashdb-system") == everybody | GRANTED | REVIEWS | LEASE
    assert not everybody & (GRANTED | REVIEWS | LEASE)


def test_the_namespaced_operator_may_do_this_in_its_namespace_and_nothing_elsewhere(own_namespace: Namespace) -> None:
    cluster = own_namespace.cluster
    account = cluster.service_account_kubeconfig(own_namespace.name, NAME)
    everybody = everybodys_rights(cluster)
    assert rights(cluster, account, own_namespace.name) == everybody | GRANTED | LEASE
    assert rights(cluster, account, cluster.namespace()) == everybody


def requests(cluster: ControlPlane, user: str, since: datetime) -> list[dict[str, Any]]:
    """Return the requests that USER made to the API server, without those of discovery."""
    return [
        event
        for event in cluster.audit_events(since)
        if event["user"]["username"] == user and "resource" in event.get("objectRef", {})
    ]


def used(events: list[dict[str, Any]]) -> set[Right]:
    references = [(event["objectRef"], event["verb"]) for event in events]
    return {
        (ref.get("apiGroup", ""), "/".join(filter(None, (ref["resource"], ref.get("subresource")))), verb)
        for ref, verb in references
    }


@pytest.mark.parametrize("everywhere", [True, False], ids=["cluster-wide", "namespaced"])
def test_the_operator_uses_every_right_and_misses_none(
    everywhere: bool, own_namespace: Namespace, tmp_path: Path
) -> None:
    cluster, began = own_namespace.cluster, datetime.now(UTC)
    home = "dashdb-system" if everywhere else own_namespace.name
    user = f"system:serviceaccount:{home}:{NAME}"
    unreachable = {"host": "127.0.0.1", "port": str(free_port()), "dbname": "d", "user": "u", "password": "p"}
    own_namespace.apply(
        secret("perses-db", {**unreachable, "sslmode": "disable"}),
        resource("perses", secret_name="perses-db", health={"intervalSeconds": 1}),
    )
    account = cluster.service_account_kubeconfig(home, NAME)
    granted = GRANTED | LEASE | (REVIEWS if everywhere else set())
    watched = None if everywhere else home
    options = ("--lease", NAME, "--lease-namespace", home)
    log = tmp_path / "log"
    with OperatorProcess(account, log, namespace=watched, authorize=everywhere, options=options) as operator:
        own_namespace.wait_for("perses", "Connected", "False")
        operator.get("/metrics", cluster.token(home, NAME))
        wait_until(lambda: used(requests(cluster, user, began)) >= granted, what="every right is used", seconds=30)
        assert operator.is_ready()
    asked = requests(cluster, user, began)
    assert used(asked) == granted
    assert [e for e in asked if e.get("responseStatus", {}).get("code") in (401, 403)] == []


def test_the_operator_may_use_its_lease_and_no_other(own_namespace: Namespace) -> None:
    cluster, account = own_namespace.cluster, f"system:serviceaccount:{own_namespace.name}:{NAME}"

    def may(verb: str, lease: str) -> bool:
        asked = ("auth", "can-i", verb, lease, "-n", own_namespace.name, f"--as={account}")
        return cluster.kubectl(*asked, check=False).stdout.strip() == "yes"

    assert may("update", f"leases.coordination.k8s.io/{NAME}")
    assert not may("update", "leases.coordination.k8s.io/another")
    assert not may("create", "leases.coordination.k8s.io")
    assert not may("delete", f"leases.coordination.k8s.io/{NAME}")


def test_applying_the_manifests_again_takes_the_lease_from_nobody(own_namespace: Namespace) -> None:
    cluster, name = own_namespace.cluster, own_namespace.name
    held = '{"spec":{"holderIdentity":"operator-7d9f_ab12","leaseTransitions":3}}'
    cluster.kubectl("patch", "lease", NAME, "-n", name, "--type=merge", "-p", held)
    cluster.kubectl("apply", "-k", str(ROOT / "manifests/namespaced"), "-n", name)
    lease = cluster.read(f"/apis/coordination.k8s.io/v1/namespaces/{name}/leases/{NAME}")
    assert lease["spec"] == {"holderIdentity": "operator-7d9f_ab12", "leaseTransitions": 3}
