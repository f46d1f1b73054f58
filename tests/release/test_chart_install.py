"""The real Helm installs, changes and removes a release on a real API server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.release.helm import Helm
from tests.support.binaries import monitoring_crds
from tests.support.controlplane import ControlPlane
from tests.support.installation import create_pod
from tools.chart import CHART

NAME = "dashboard-database-operator"
HOME = "dashdb-system"


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    """A cluster for releases in namespaces of their own."""
    with ControlPlane() as running:
        yield running


class Release:
    """A release of the chart in a namespace."""

    def __init__(self, chart: Helm, cluster: ControlPlane, namespace: str) -> None:
        self._chart, self._cluster, self.namespace = chart, cluster, namespace

    def helm(self, *arguments: str) -> str:
        """Run a command of Helm on this release, and return what it says."""
        command = (arguments[0], "operator", *arguments[1:], "--namespace", self.namespace)
        done = self._chart.run(*command, kubeconfig=self._cluster.kubeconfig)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def read(self, path: str) -> Any:
        return self._cluster.read(path.format(self.namespace))

    def names(self, kinds: str) -> set[str]:
        """Names of the objects of KINDS in the namespace, as kubectl prints them."""
        return set(self._cluster.kubectl("get", kinds, "-n", self.namespace, "-o", "name").stdout.split())


LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{{}}/leases/{NAME}"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{{}}/deployments/{NAME}"


def test_a_release_lives_on_a_plain_cluster_from_installation_to_removal(chart: Helm) -> None:
    with ControlPlane() as cluster:
        release = Release(chart, cluster, HOME)
        said = release.helm("install", str(CHART), "--create-namespace")
        assert "looks after every namespace." in said
        assert "{{" not in said
        assert release.read(DEPLOYMENT)["spec"]["replicas"] == 2
        crds = cluster.kubectl("get", "crd", "-o", "name").stdout.split()
        assert crds == ["customresourcedefinition.apiextensions.k8s.io/dashboarddatabases.dashdb.dev"]

        held = {"spec": {"holderIdentity": "operator-7d9f_ab12", "leaseTransitions": 3}}
        cluster.kubectl("patch", "lease", NAME, "-n", HOME, "--type=merge", "-p", json.dumps(held))
        cluster.kubectl("apply", "--server-side", "-f", str(monitoring_crds()))
        release.helm("upgrade", str(CHART), "--set", "monitoring.enabled=true,replicas=3")
        assert release.read(LEASE)["spec"] == held["spec"], "an upgrade takes the Lease from nobody"
        assert release.read(DEPLOYMENT)["spec"]["replicas"] == 3
        assert len(release.names("servicemonitors,prometheusrules")) == 2

        release.helm("uninstall")
        assert release.names("deployment,lease,service,role,rolebinding,networkpolicy,servicemonitor") == set()
        assert cluster.kubectl("get", "clusterrole", NAME, check=False).returncode == 1
        left = cluster.kubectl("get", "crd", "dashboarddatabases.dashdb.dev", check=False)
        assert left.returncode == 0, "and with the CRD all resources would be gone"


def test_releases_for_namespaces_of_their_own_stand_beside_each_other(chart: Helm, cluster: ControlPlane) -> None:
    for _ in range(2):
        namespace = cluster.namespace()
        said = Release(chart, cluster, namespace).helm("install", str(CHART), "--set", f"namespaces={{{namespace}}}")
        assert f"looks after the namespaces {namespace}." in said
    assert cluster.kubectl("get", "clusterrole", NAME, check=False).returncode == 1


def test_who_asks_for_tokens_without_rights_in_the_cluster_is_told_what_is_missing(
    chart: Helm, cluster: ControlPlane
) -> None:
    release = Release(chart, cluster, cluster.namespace())
    said = release.helm(
        "install", str(CHART), "--set", f"namespaces={{{release.namespace}}}", "--set", "authorizeEndpoints=true"
    )
    assert f"--serviceaccount {release.namespace}:{NAME}" in said


def test_a_second_release_for_the_same_namespace_is_refused(chart: Helm, cluster: ControlPlane) -> None:
    """Two operators would reconcile the same resources."""
    watched = cluster.namespace()
    values = ("--set", f"namespaces={{{watched}}}")
    Release(chart, cluster, cluster.namespace()).helm("install", str(CHART), *values)
    command = ("install", "operator", str(CHART), *values, "--namespace", cluster.namespace())
    done = chart.run(*command, kubeconfig=cluster.kubeconfig)
    assert done.returncode == 1
    assert f'Role "{NAME}" in namespace "{watched}" exists' in done.stderr


def test_every_object_is_taken_as_it_is_written(chart: Helm, cluster: ControlPlane) -> None:
    """Helm itself passes over fields that the API server does not know."""
    cluster.kubectl("apply", "--server-side", "-f", str(monitoring_crds()))
    namespace = cluster.namespace()
    documents = chart.documents("--set", "monitoring.enabled=true", namespace=namespace)
    written = "\n---\n".join(json.dumps(item) for item in documents)
    strict = ("--server-side", "--force-conflicts", "--validate=strict", "--dry-run=server")
    done = cluster.kubectl("apply", "-f", "-", *strict, input=written)
    assert len(done.stdout.splitlines()) == len(documents)
    assert done.stderr == ""


def test_pods_are_let_in_where_restricted_is_enforced(chart: Helm, cluster: ControlPlane) -> None:
    documents = chart.documents()
    [deployment] = [item for item in documents if item["kind"] == "Deployment"]
    [tester] = [item for item in documents if item["kind"] == "Pod"]
    del tester["metadata"]["namespace"]
    for pod in (deployment["spec"]["template"], tester):
        create_pod(cluster, pod)
