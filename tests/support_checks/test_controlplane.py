"""The control plane that other tests rely on is a real API server, held to RBAC and audited."""

import stat
from datetime import UTC, datetime

import pytest

from tests.support.binaries import monitoring_crds
from tests.support.controlplane import ControlPlane, KubectlError
from tests.support.processes import SupportError, wait_until


def creations(cluster: ControlPlane, namespace: str, resource: str, since: datetime | None = None) -> int:
    """Return the number of objects that were created in a namespace, by the audit log."""
    wanted = {"namespace": namespace, "resource": resource}
    return sum(
        event["verb"] == "create"
        and event["stage"] == "ResponseComplete"
        and wanted.items() <= event["objectRef"].items()
        for event in cluster.audit_events(since)
        if "objectRef" in event
    )


def test_it_serves_what_was_applied(cluster: ControlPlane) -> None:
    namespace = cluster.namespace()
    manifest = f'{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a","namespace":"{namespace}"}}}}'
    cluster.kubectl("apply", "-f", "-", input=manifest)
    found = cluster.kubectl("get", "configmaps", "-n", namespace, "-o", "name").stdout
    assert "configmap/a\n" in found


def test_it_can_be_read_without_kubectl(cluster: ControlPlane) -> None:
    namespace = cluster.namespace()
    assert cluster.read(f"/api/v1/namespaces/{namespace}")["metadata"]["name"] == namespace
    with pytest.raises(SupportError, match=r"404 .*not found"):
        cluster.read("/api/v1/namespaces/none")


def test_its_audit_log_counts_a_write(cluster: ControlPlane) -> None:
    namespace = cluster.namespace()
    cluster.kubectl("create", "configmap", "first", "-n", namespace)
    wait_until(lambda: creations(cluster, namespace, "configmaps") == 1, what="the write is in the log", seconds=5)
    later = datetime.now(UTC)
    cluster.kubectl("create", "configmap", "second", "-n", namespace)
    wait_until(lambda: creations(cluster, namespace, "configmaps") == 2, what="the second write too", seconds=5)
    assert creations(cluster, namespace, "configmaps", since=later) == 1


def test_its_audit_log_holds_no_content(cluster: ControlPlane) -> None:
    namespace = cluster.namespace()
    cluster.kubectl("create", "secret", "generic", "s", "--from-literal=key=very-private", "-n", namespace)
    wait_until(lambda: creations(cluster, namespace, "secrets") == 1, what="the write is logged", seconds=5)
    assert "very-private" not in (cluster.folder / "audit.log").read_text()


def test_a_service_account_may_do_what_its_role_says_and_nothing_else(cluster: ControlPlane) -> None:
    namespace = cluster.namespace()
    cluster.kubectl("create", "serviceaccount", "reader", "-n", namespace)
    cluster.kubectl("create", "role", "reads", "--verb=list", "--resource=configmaps", "-n", namespace)
    subject = f"--serviceaccount={namespace}:reader"
    cluster.kubectl("create", "rolebinding", "reads", "--role=reads", subject, "-n", namespace)
    reader = cluster.service_account_kubeconfig(namespace, "reader")
    # the authorizer learns of a new binding through its watch
    wait_until(
        lambda: cluster.kubectl("get", "configmaps", kubeconfig=reader, check=False).returncode == 0,
        what="the role binding holds",
        seconds=5,
    )
    with pytest.raises(KubectlError, match="forbidden"):
        cluster.kubectl("get", "secrets", kubeconfig=reader)
    with pytest.raises(KubectlError, match="forbidden"):
        cluster.kubectl("create", "configmap", "mine", kubeconfig=reader)


def test_files_with_tokens_are_for_us_alone(cluster: ControlPlane) -> None:
    for path in (cluster.kubeconfig, cluster.folder / "tokens.csv"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_was_stored_survives_a_restart_of_the_api_server(cluster: ControlPlane) -> None:
    namespace = cluster.namespace()
    cluster.stop_apiserver()
    assert cluster.kubectl("get", "namespaces", check=False).returncode != 0
    cluster.start_apiserver()
    assert cluster.kubectl("get", "namespace", namespace, "-o", "name").stdout == f"namespace/{namespace}\n"


def test_a_frozen_api_server_answers_nothing_until_it_is_thawed(cluster: ControlPlane) -> None:
    cluster.freeze_apiserver()
    asked = cluster.kubectl("get", "namespaces", "--request-timeout=1s", check=False)
    cluster.thaw_apiserver()
    assert asked.returncode != 0
    assert cluster.kubectl("get", "namespaces").returncode == 0


def test_the_crds_of_prometheus_operator_are_accepted(cluster: ControlPlane) -> None:
    applied = cluster.kubectl("apply", "--server-side", "-f", str(monitoring_crds())).stdout
    assert "servicemonitors.monitoring.coreos.com serverside-applied" in applied
    assert "prometheusrules.monitoring.coreos.com serverside-applied" in applied
