"""The bundle as Operator Lifecycle Manager reads and installs it.

Its rules: https://olm.operatorframework.io/docs/advanced-tasks/operator-scoping-with-operatorgroups/.
"""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.support.binaries import olm
from tests.support.controlplane import ControlPlane
from tools.bundle import BUNDLE, CRD, CSV
from tools.kustomize import key_of
from tools.marks import NAME

Objects = dict[str, dict[str, Any]]
RBAC = "rbac.authorization.k8s.io"


def verdict(folder: Path = BUNDLE) -> dict[str, list[str]]:
    """Return the errors and the warnings that OLM's validators have about the bundle in FOLDER."""
    done = subprocess.run([olm(), str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def csv_definition() -> dict[str, Any]:
    """Return OLM's CRD of ClusterServiceVersion."""
    done = subprocess.run([olm(), "crd"], capture_output=True, text=True, check=True)
    found = dict(json.loads(done.stdout))
    found.pop("status", None)
    return found


def bundle_objects(folder: Path = BUNDLE) -> Objects:
    """Return the objects of the bundle in FOLDER, by kind and name."""
    items = [yaml.safe_load(path.read_text()) for path in (folder / "manifests").iterdir()]
    return {key_of(item): item for item in items}


def install(cluster: ControlPlane, namespace: str, targets: Sequence[str]) -> Path:
    """Install all but CRD and Deployment into NAMESPACE, for TARGETS; none of them means all namespaces.

    Returns a kubeconfig of the operator's account.
    """
    found = bundle_objects()
    strategy = found.pop(CSV)["spec"]["install"]["spec"]
    del found[CRD]
    cluster.kubectl("create", "serviceaccount", NAME, "-n", namespace)
    cluster.kubectl("apply", "--server-side", "-n", namespace, "-f", "-", input=yaml.safe_dump_all(found.values()))
    items = []
    for number, each in enumerate(strategy["permissions"]):
        limits = [*dict.fromkeys((namespace, *targets)), *([] if targets else [None])]
        items += [part for target in limits for part in _grant(each, namespace, target, f"own-{number}")]
    for number, each in enumerate(strategy["clusterPermissions"]):
        items += _grant(each, namespace, None, f"cluster-{number}")
    cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(items))
    return cluster.service_account_kubeconfig(namespace, NAME)


def _grant(permission: dict[str, Any], home: str, target: str | None, suffix: str) -> list[dict[str, Any]]:
    """Return a role with its binding in TARGET; for None, in the whole cluster."""
    prefix = "Cluster" if target is None else ""
    metadata = {"name": f"{home}-{suffix}"} | ({"namespace": target} if target else {})
    role = {"apiVersion": f"{RBAC}/v1", "kind": f"{prefix}Role", "metadata": metadata, "rules": permission["rules"]}
    account = {"kind": "ServiceAccount", "name": permission["serviceAccountName"], "namespace": home}
    reference = {"apiGroup": RBAC, "kind": f"{prefix}Role", "name": metadata["name"]}
    binding = {**role, "kind": f"{prefix}RoleBinding", "roleRef": reference, "subjects": [account]}
    del binding["rules"]
    return [role, binding]
