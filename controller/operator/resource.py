"""One DashboardDatabase as the API server holds it, as a frozen value."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import ValidationError

from controller.health.report import Key
from controller.resource.spec import DashboardDatabaseSpec, unknown_fields
from controller.resource.status import ConditionType, DashboardDatabaseStatus

_CONDITION_TYPES = frozenset(each.value for each in ConditionType)


@dataclass(frozen=True, slots=True)
class Resource:
    """One version of a resource.

    Spec and status are kept as text and parsed when they are asked for: as objects, they would take ten times the
    memory between two checks.

    Attributes:
        version: its resourceVersion; 0 where the API server names none that is a number.
        created: when it was made, as the API server writes times.
        deleting: it is being deleted; nothing is to be done for it any more.
        spec_json, status_json: as the API server has them.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    version: int
    created: str
    deleting: bool
    spec_json: bytes
    status_json: bytes

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Return the resource in `body`, a JSON object of the API."""
        metadata = body["metadata"]
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            generation=metadata.get("generation", 0),
            version=version_number(metadata),
            created=str(metadata.get("creationTimestamp", "")),
            deleting="deletionTimestamp" in metadata,
            spec_json=_json(body.get("spec", {})),
            status_json=_json(body.get("status") or {}),
        )

    @property
    def spec(self) -> DashboardDatabaseSpec | str:
        """Parse and return what a user wants, or why it cannot be read."""
        return _parse_spec(json.loads(self.spec_json))

    @property
    def unknown_fields(self) -> tuple[str, ...]:
        """Fields of the spec that this release does not know, by their path; a newer CRD may have them."""
        return unknown_fields(json.loads(self.spec_json))

    @property
    def status(self) -> DashboardDatabaseStatus:
        """Parse and return what was reported last; empty where somebody wrote something else into it."""
        return _parse_status(self.status_on_server)

    @property
    def status_on_server(self) -> Any:
        """Return the status as the API server has it, to see whether a new one differs."""
        return json.loads(self.status_json)

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.namespace, self.name

    def is_older_than(self, other: "Resource") -> bool:
        """Return True for news that our own read or write has overtaken: the same event would follow once more.

        Resource versions of one kind can be compared as numbers:
        https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions.
        """
        return 0 < self.version < other.version


def version_number(metadata: Mapping[str, Any]) -> int:
    """Return the resourceVersion in METADATA; 0 where there is none that is a number."""
    version = str(metadata.get("resourceVersion", ""))
    return int(version) if version.isdecimal() else 0


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _parse_spec(spec: Any) -> DashboardDatabaseSpec | str:
    try:
        return DashboardDatabaseSpec.model_validate(spec)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return f"spec.{'.'.join(str(part) for part in first['loc'])}: {first['msg']}."


def _parse_status(status: Any) -> DashboardDatabaseStatus:
    try:
        parsed = DashboardDatabaseStatus.model_validate(_with_known_conditions(status))
    except ValidationError:
        return DashboardDatabaseStatus()  # somebody wrote into it; the next write mends it
    observed = [each for each in parsed.conditions if each.observed_generation]  # else they are the CRD's default
    return parsed.model_copy(update={"conditions": observed})


def _with_known_conditions(status: Any) -> Any:
    """Return STATUS without the types of conditions that only a newer operator knows, so that the rest can be read."""
    if not isinstance(status, dict) or not isinstance(conditions := status.get("conditions"), list):
        return status
    known = [each for each in conditions if not isinstance(each, dict) or each.get("type") in _CONDITION_TYPES]
    return status if len(known) == len(conditions) else {**status, "conditions": known}
