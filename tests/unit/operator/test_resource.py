"""A resource as the API server has it, also where another release of the operator wrote it."""

from typing import Any

from controller.operator.resource import Resource

CONDITION = {
    "type": "Ready",
    "status": "True",
    "reason": "Ready",
    "message": "",
    "observedGeneration": 1,
    "lastTransitionTime": "2026-01-31T03:00:00Z",
}


def resource(*, spec: dict[str, Any] | None = None, status: Any = None) -> Resource:
    metadata = {"namespace": "team", "name": "perses", "uid": "u", "generation": 1, "resourceVersion": "7"}
    return Resource.parse({"metadata": metadata, "spec": spec or {}, "status": status})


def test_a_condition_of_a_newer_release_does_not_hide_the_rest_of_the_status() -> None:
    newer = {"conditions": [CONDITION, {**CONDITION, "type": "Backup"}], "schema": {"usedApproval": "sha256:x"}}
    status = resource(status=newer).status
    assert status.used_approval == "sha256:x"
    assert [each.type.value for each in status.conditions] == ["Ready"]


def test_a_status_that_somebody_else_wrote_into_is_empty() -> None:
    written: Any
    for written in ({"conditions": "all fine"}, {"conditions": [7]}, {"schema": 7}, [], "fine"):
        assert resource(status=written).status.conditions == []


def test_fields_that_this_release_does_not_know_are_named_by_their_path() -> None:
    spec = {
        "color": "red",
        "connection": {"secretRef": {"name": "db", "kind": "Secret"}, "ttl": 3},
        "pool": {"maxOpenConnections": 5},
        "schema": "not an object",
    }
    assert resource(spec=spec).unknown_fields == ("spec.color", "spec.connection.secretRef.kind", "spec.connection.ttl")
