"""Installs what the operator needs of `manifests/`, and gives the way in with its own account."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.controlplane import ControlPlane
from tests.support.processes import wait_until

ROOT = Path(__file__).parents[2]
CRD = "CustomResourceDefinition"
NEEDED = (
    "Namespace", CRD, "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role",
    "RoleBinding", "Lease",
)  # fmt: skip
"""Kinds that a process outside of the cluster needs; the Deployment and what belongs to it run nowhere here."""


def manifests(cluster: ControlPlane, folder: Path = ROOT / "manifests") -> list[dict[str, Any]]:
    """The objects that `kubectl apply -k FOLDER` would apply."""
    return [dict(document) for document in yaml.safe_load_all(_built(cluster, folder))]


def install_operator(cluster: ControlPlane, folder: Path = ROOT / "manifests", *, crd: bool = True) -> Path:
    """Apply CRD, account and rights from the manifests; return a kubeconfig with a token of that account.

    Without CRD, the one that is there stays.
    """
    objects = [item for item in manifests(cluster, folder) if item["kind"] in NEEDED]
    objects.sort(key=lambda item: NEEDED.index(item["kind"]))
    applied = [item for item in objects if crd or item["kind"] != CRD]
    cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(applied))
    name = next(item for item in objects if item["kind"] == CRD)["metadata"]["name"]
    cluster.kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=20s")
    wait_until(  # a moment after that the kind is served
        lambda: cluster.kubectl("get", "ddb", "-A", check=False).returncode == 0,
        what="the API server serves DashboardDatabase",
        seconds=20,
    )
    account = next(item for item in objects if item["kind"] == "ServiceAccount")["metadata"]
    return cluster.service_account_kubeconfig(account["namespace"], account["name"])


def create_pod(cluster: ControlPlane, template: dict[str, Any]) -> None:
    """Create the Pod of a Deployment, as its controller would, in a namespace that enforces `restricted`."""
    namespace = cluster.namespace()
    cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] = {**pod["metadata"], "name": "pod"}
    strict = ("--validate=strict", "--dry-run=server")
    cluster.kubectl("create", "-f", "-", "-n", namespace, *strict, input=json.dumps(pod))


@cache
def _built(cluster: ControlPlane, folder: Path) -> str:
    return cluster.kubectl("kustomize", str(folder)).stdout
