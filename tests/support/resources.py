"""Secrets and DashboardDatabases as users write them, and what they look at afterwards."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.support.controlplane import ControlPlane, of_an_account
from tests.support.database import Database
from tests.support.processes import wait_until

API_VERSION = "dashdb.dev/v1alpha1"


def secret(name: str, values: Mapping[str, str]) -> dict[str, Any]:
    """A Secret manifest."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": dict(values)}


def connection_values(database: Database) -> dict[str, str]:
    """Return the keys and values of the Secret of DATABASE."""
    return {
        "host": database.host,
        "port": str(database.port),
        "dbname": database.name,
        "user": database.user,
        "password": database.password,
        "sslmode": database.sslmode,
    }


def resource(name: str, *, secret_name: str, **spec: Any) -> dict[str, Any]:
    """A DashboardDatabase manifest; SPEC is added to its connection."""
    connection = {"secretRef": {"name": secret_name}, **spec.pop("connection", {})}
    return {
        "apiVersion": API_VERSION,
        "kind": "DashboardDatabase",
        "metadata": {"name": name},
        "spec": {"connection": connection, **spec},
    }


def says_ready(body: Mapping[str, Any]) -> bool:
    """Return whether the status of a DashboardDatabase says Ready, for whatever generation."""
    conditions = body.get("status", {}).get("conditions", [])
    return any((each["type"], each["status"]) == ("Ready", "True") for each in conditions)


@dataclass(frozen=True)
class Namespace:
    """One namespace of a control plane, as the administrator: written through kubectl, read directly."""

    cluster: ControlPlane
    name: str

    def apply(self, *manifests: Mapping[str, Any]) -> str:
        """`kubectl apply` of all of them; what it printed. Raises KubectlError with kubectl's words."""
        documents = "\n---\n".join(json.dumps(manifest) for manifest in manifests)
        return self.cluster.kubectl("apply", "-n", self.name, "-f", "-", input=documents).stdout

    def get(self, name: str) -> dict[str, Any]:
        """The DashboardDatabase as it is."""
        body: dict[str, Any] = self.cluster.read(
            f"/apis/{API_VERSION}/namespaces/{self.name}/dashboarddatabases/{name}"
        )
        return body

    def all(self) -> list[dict[str, Any]]:
        """Every DashboardDatabase as it is."""
        items: list[dict[str, Any]] = self.cluster.read(
            f"/apis/{API_VERSION}/namespaces/{self.name}/dashboarddatabases"
        )["items"]
        return items

    def condition(self, name: str, kind: str) -> dict[str, str]:
        """One condition of the DashboardDatabase; empty while there is none."""
        conditions = self.get(name).get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == kind), {})

    def wait_for(
        self, name: str, kind: str, status: str, *, reason: str | None = None, seconds: float = 30
    ) -> dict[str, str]:
        """Wait until a condition has STATUS, and REASON if one is given; return the condition."""
        seen: dict[str, str] = {}

        def holds() -> bool:
            seen.clear()
            seen.update(self.condition(name, kind))
            return seen.get("status") == status and reason in (None, seen.get("reason"))

        try:
            wait_until(holds, what=f"{name} is {kind}={status} {reason or ''}", seconds=seconds, interval=0.05)
        except Exception as error:
            error.add_note(f"last seen: {seen}")
            raise
        return dict(seen)

    def writes(self, since: datetime | None = None) -> list[tuple[str, str]]:
        """Return the writes of service accounts in this namespace, as (verb, resource), from the audit log."""
        return [
            (event["verb"], "/".join(filter(None, (target["resource"], target.get("subresource")))))
            for event in self.cluster.audit_events(since)
            if (target := event.get("objectRef", {})).get("namespace") == self.name
            and of_an_account(event)
            and event["verb"] not in ("get", "list", "watch")
            and event["stage"] == "ResponseComplete"
        ]

    def events(self) -> list[dict[str, Any]]:
        """Events of this namespace, oldest first."""
        items: list[dict[str, Any]] = self.cluster.read(f"/apis/events.k8s.io/v1/namespaces/{self.name}/events")[
            "items"
        ]
        return sorted(items, key=lambda event: str(event["eventTime"]))
