"""Account of an operator whose rights a test takes and gives."""

from typing import Any

import yaml

from tests.support.controlplane import ControlPlane
from tests.support.resources import Namespace

RBAC = "rbac.authorization.k8s.io"


class Limited:
    """Account with the rights that an operator needs in one namespace, each of which can be taken away.

    Attributes:
        kubeconfig: of the account.
    """

    def __init__(self, cluster: ControlPlane, team: Namespace) -> None:
        self._cluster, self._namespace = cluster, team.name
        subject = {"kind": "ServiceAccount", "name": "limited", "namespace": team.name}
        metadata = {"name": "limited", "namespace": team.name}
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
        binding = {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "limited"},
            "subjects": [subject],
        }
        self.allow("secrets", "status")
        cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump_all([account, binding]))
        self.kubeconfig = cluster.service_account_kubeconfig(team.name, "limited")

    def allow(self, *which: str) -> None:
        """Give the rights to list and watch, and of `secrets` and `status` those that are named; take the others."""
        rules: list[dict[str, Any]] = [
            {"apiGroups": ["dashdb.dev"], "resources": ["dashboarddatabases"], "verbs": ["list", "watch"]},
            {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]},
        ]
        if "secrets" in which:
            rules.append({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]})
        if "status" in which:
            rules.append({"apiGroups": ["dashdb.dev"], "resources": ["dashboarddatabases/status"], "verbs": ["patch"]})
        role = {
            "apiVersion": f"{RBAC}/v1",
            "kind": "Role",
            "metadata": {"name": "limited", "namespace": self._namespace},
            "rules": rules,
        }
        self._cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump(role))
