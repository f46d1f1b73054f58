"""Texts about a DashboardDatabase, which is JSON as kubectl prints it, and may lack anything. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controller.text import one_line


@dataclass(frozen=True, slots=True)
class ShownResource:
    """State of one resource in words; empty where it says nothing.

    Attributes:
        ready: True, False or Unknown, as the condition has it.
        since: when that began, as RFC 3339.
    """

    namespace: str
    name: str
    ready: str
    reason: str
    message: str
    since: str
    schema: str
    health: str
    plan: str


@dataclass(frozen=True, slots=True)
class ShownPlan:
    """Migrations that wait in one resource.

    Attributes:
        hash: what an approval has to name; empty where nothing waits.
        policy: of the resource: Automatic or Manual.
        approved: what the resource approves; empty where nothing.
        why: reason and message of the condition SchemaCurrent where it does not hold.
    """

    hash: str
    current: int | None
    target: int | None
    migrations: tuple[str, ...]
    losses: tuple[str, ...]
    policy: str
    approved: str
    why: str

    def lines(self) -> list[str]:
        """Return the plan in words, a line for each migration and each loss."""
        if not self.hash:
            at = f"the schema is at version {_known(self.current)}."
            return [f"There is no plan; {at}", one_line(self.why)] if self.why else [f"Nothing waits: {at}"]
        lines = [f"From version {_known(self.current)} to {_known(self.target)}:"]
        lines += [f"  {one_line(each)}" for each in self.migrations]
        if self.losses:
            lines += ["It removes data:", *(f"  {one_line(each)}" for each in self.losses)]
        return [*lines, f"Plan: {self.hash}"]


def shown(resource: Mapping[str, Any]) -> ShownResource:
    """Return the state of a resource in words."""
    metadata, status = resource.get("metadata", {}), resource.get("status", {})
    conditions = _conditions(resource)
    ready, healthy = conditions.get("Ready", {}), conditions.get("Healthy", {})
    schema = status.get("schema", {})
    reason, message = ready.get("reason", ""), ready.get("message", "")
    if status.get("observedGeneration") != metadata.get("generation"):
        reason, message = "NotObserved", "The operator has not seen the newest spec yet."
    return ShownResource(
        namespace=metadata.get("namespace", ""),
        name=metadata.get("name", ""),
        ready=ready.get("status", "Unknown"),
        reason=reason,
        message=one_line(message),
        since=ready.get("lastTransitionTime", ""),
        schema=_versions(schema),
        health=healthy.get("reason", ""),
        plan=schema.get("plan", {}).get("hash", ""),
    )


def plan_of(resource: Mapping[str, Any]) -> ShownPlan:
    """Return what waits in a resource."""
    schema, wanted = resource.get("status", {}).get("schema", {}), resource.get("spec", {}).get("schema", {})
    plan, current = schema.get("plan", {}), _conditions(resource).get("SchemaCurrent", {})
    holds = current.get("status", "True") == "True"
    return ShownPlan(
        hash=plan.get("hash", ""),
        current=schema.get("current"),
        target=schema.get("target"),
        migrations=tuple(plan.get("migrations", ())),
        losses=tuple(plan.get("losses", ())),
        policy=wanted.get("policy", ""),
        approved=wanted.get("approvedPlan", ""),
        why="" if holds else f"{current.get('reason', '')}: {current.get('message', '')}",
    )


def worst_first(resources: Sequence[ShownResource]) -> list[ShownResource]:
    """Return the resources with those that are not ready first, then by namespace and name."""
    return sorted(resources, key=lambda each: (each.ready == "True", each.namespace, each.name))


def _conditions(resource: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the conditions of the resource by their types."""
    return {each.get("type"): each for each in resource.get("status", {}).get("conditions", ())}


def _versions(schema: Mapping[str, Any]) -> str:
    current, pending = schema.get("current"), schema.get("pending")
    if current is None:
        return ""
    return f"{current}{' (dirty)' if schema.get('dirty') else ''}{f', {pending} pending' if pending else ''}"


def _known(version: int | None) -> str:
    return "unknown" if version is None else str(version)
