"""The operator's rights are enough, and not one too many."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.manifests_objects import NAME
from tests.support.controlplane import ControlPlane
from tests.support.installation import ROOT, manifests
from tests.support.processes import wait_until
from tests.support.resources import Namespace
from tests.support.serving import OperatorProcess

Right = tuple[str, str, str]
"""API group, resource, verb."""


def rights_of(role: dict[str, Any]) -> list[Right]:
    """Each single right of a role."""
    return [
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def operators_roles(cluster: ControlPlane) -> list[dict[str, Any]]:
    """The roles that the manifests bind to the operator's account."""
    objects = manifests(cluster)
    account = next(item for item in objects if item["kind"] == "ServiceAccount")["metadata"]["name"]
    bound = [
        (item["roleRef"]["kind"], item["roleRef"]["name"])
        for item in objects
        if item["kind"].endswith("RoleBinding") and account in [subject["name"] for subject in item["subjects"]]
    ]
    return [item for item in objects if (item["kind"], item["metadata"]["name"]) in bound]


def account_with(cluster: ControlPlane, name: str, rights: list[Right]) -> Path:
    """A kubeconfig of a fresh account that has RIGHTS and no others."""
    namespace = cluster.namespace()
    rules = [{"apiGroups": [group], "resources": [resource], "verbs": [verb]} for group, resource, verb in rights]
    rbac, metadata = "rbac.authorization.k8s.io", {"name": f"{namespace}-{name}"}
    objects = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": metadata["name"]},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        },
    ]
    cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(objects))
    return cluster.service_account_kubeconfig(namespace, name)


def forbidden(operator: OperatorProcess, token: str) -> bool:
    """Return True if the operator, or kopf, has logged that the API server forbade a call; ask for metrics first."""
    with suppress(OSError):
        operator.get("/metrics", token)
    return "answered 403" in operator.log or "is forbidden" in operator.log


RIGHTS = [
    ("", "secrets", "get"),
    ("authentication.k8s.io", "tokenreviews", "create"),
    ("authorization.k8s.io", "subjectaccessreviews", "create"),
    ("coordination.k8s.io", "leases", "get"),
    ("coordination.k8s.io", "leases", "update"),
    ("dashdb.dev", "dashboarddatabases", "list"),
    ("dashdb.dev", "dashboarddatabases", "watch"),
    ("dashdb.dev", "dashboarddatabases/status", "patch"),
    ("events.k8s.io", "events", "create"),
]


def test_the_manifests_give_these_rights_and_no_others(control_plane: ControlPlane) -> None:
    assert sorted(right for role in operators_roles(control_plane) for right in rights_of(role)) == RIGHTS
    assert (ROOT / "manifests").is_dir()


@pytest.fixture
def a_token(team: Namespace) -> str:
    """A valid token of an account without rights."""
    team.cluster.kubectl("create", "serviceaccount", "nobody", "-n", team.name)
    return team.cluster.token(team.name, "nobody")


@pytest.fixture
def run_with(control_plane: ControlPlane, team: Namespace, tmp_path: Path) -> Iterator[Callable[..., OperatorProcess]]:
    started: list[OperatorProcess] = []

    def _run(rights: list[Right]) -> OperatorProcess:
        kubeconfig = account_with(control_plane, "operator", rights)
        team.apply({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": NAME}})
        options, log = ("--lease", NAME, "--lease-namespace", team.name), tmp_path / "operator.log"
        operator = OperatorProcess(kubeconfig, log, namespace=team.name, authorize=True, options=options)
        operator.start(wait=False)
        started.append(operator)
        return operator

    yield _run
    for operator in started:
        operator.kill()


def test_with_all_of_them_nothing_is_forbidden(
    run_with: Callable[..., OperatorProcess], team: Namespace, apply: Callable[..., None], a_token: str
) -> None:
    operator = run_with(RIGHTS)
    apply()
    team.wait_for("perses", "Ready", "True")
    wait_until(lambda: len(team.events()) == 3, what="three events", seconds=20)
    wait_until(operator.is_ready, what="the operator is ready", seconds=20)
    assert not forbidden(operator, a_token)


@pytest.mark.parametrize("missing", RIGHTS, ids=lambda right: "-".join(filter(None, right)))
def test_without_any_one_of_them_something_is_forbidden(
    missing: Right, account: Path, run_with: Callable[..., OperatorProcess], apply: Callable[..., None], a_token: str
) -> None:
    operator = run_with([right for right in RIGHTS if right != missing])
    apply()
    wait_until(lambda: forbidden(operator, a_token), what=f"the operator meets a 403 without {missing}", seconds=40)


def test_without_the_right_to_watch_the_operator_is_not_ready_and_says_so_but_works(
    run_with: Callable[..., OperatorProcess], account: Path, team: Namespace, apply: Callable[..., None]
) -> None:
    watch = ("dashdb.dev", "dashboarddatabases", "watch")
    apply()
    operator = run_with([right for right in RIGHTS if right != watch])
    operator.wait_alive()
    wait_until(lambda: "watch=1" in operator.get("/ready")[1], what="/ready names the right", seconds=40)
    status, body = operator.get("/ready")
    assert status == 503
    reason = json.loads(body)["reason"]
    assert "answered 403 to GET" in reason
    assert 'cannot watch resource "dashboarddatabases"' in reason, "in the API server's own words"
    team.wait_for("perses", "Ready", "True")
