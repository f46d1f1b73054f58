"""Texts of `kubectl dashdb` about a resource, whatever its JSON holds or lacks."""

from typing import Any

import pytest

from controller.cli.kubectl.shown import plan_of, shown, worst_first


def resource(name: str = "perses", *, ready: str = "True", **status: Any) -> dict[str, Any]:
    condition = {"type": "Ready", "status": ready, "reason": "Why", "message": "Because.", "lastTransitionTime": "T"}
    return {
        "metadata": {"namespace": "team-a", "name": name, "generation": 3},
        "spec": {"schema": {"policy": "Manual"}},
        "status": {"observedGeneration": 3, "conditions": [condition], **status},
    }


def test_a_resource_is_shown_with_its_condition_and_versions() -> None:
    one = shown(resource(ready="False", schema={"current": 2, "pending": 1, "dirty": True}))
    assert (one.ready, one.reason, one.message, one.since) == ("False", "Why", "Because.", "T")
    assert one.schema == "2 (dirty), 1 pending"


def test_a_status_of_an_older_spec_is_not_shown_as_the_newest() -> None:
    one = shown(resource(observedGeneration=2))
    assert (one.reason, one.message) == ("NotObserved", "The operator has not seen the newest spec yet.")


@pytest.mark.parametrize("body", [{}, {"metadata": {}}, {"status": {}}, {"status": {"conditions": [{}]}}])
def test_whatever_is_missing_is_unknown(body: dict[str, Any]) -> None:
    assert shown(body).ready == "Unknown"
    assert plan_of(body).lines() == ["Nothing waits: the schema is at version unknown."]


def test_what_is_not_ready_comes_first() -> None:
    found = worst_first([shown(resource("b")), shown(resource("c", ready="False")), shown(resource("a"))])
    assert [each.name for each in found] == ["c", "a", "b"]


def test_a_plan_lists_migrations_and_losses_as_single_lines() -> None:
    plan = {"hash": "sha256:1", "migrations": ["V002_b.down.sql\x1b[2J"], "losses": ["dashboard (3 rows)"]}
    lines = plan_of(resource(schema={"current": 2, "target": 1, "plan": plan})).lines()
    assert lines[0] == "From version 2 to 1:"
    assert lines[2:] == ["It removes data:", "  dashboard (3 rows)", "Plan: sha256:1"]
    assert lines[1].isprintable()


def test_without_a_plan_it_is_said_why_the_schema_is_not_as_wanted() -> None:
    condition = {"type": "SchemaCurrent", "status": "False", "reason": "VersionUnknown", "message": "There is no 7."}
    body = resource(schema={"current": 1})
    body["status"]["conditions"] = [condition]
    assert plan_of(body).lines() == ["There is no plan; the schema is at version 1.", "VersionUnknown: There is no 7."]
    condition["status"] = "True"
    assert plan_of(body).lines() == ["Nothing waits: the schema is at version 1."]
