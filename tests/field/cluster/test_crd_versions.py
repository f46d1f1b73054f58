"""The CRD is newer or older than the operator: nothing is refused for it, written again and again, or told twice."""

import copy
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.controlplane import ControlPlane
from tests.support.processes import wait_until
from tests.support.resources import Namespace, resource
from tests.support.serving import OperatorProcess

NAME = "dashboarddatabases.dashdb.dev"

Properties = dict[str, Any]
"""Properties in the schema of the CRD."""
Change = Callable[[Callable[[Properties], None]], None]
"""Changes the CRD by a function that edits its properties."""
PROBE = "probe"
"""Field that is in every changed CRD, to see when the API server serves it."""


@pytest.fixture
def change_crd(
    control_plane: ControlPlane, account: object
) -> Iterator[Callable[[Callable[[Properties], None]], None]]:
    """Change the schema of the CRD; it is put back at the end of the test."""
    before = control_plane.read(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{NAME}")

    def apply(crd: dict[str, Any]) -> None:
        wanted = copy.deepcopy(crd)
        wanted["metadata"] = {"name": NAME, "annotations": crd["metadata"].get("annotations", {})}
        control_plane.kubectl("replace", "-f", "-", input=json.dumps(wanted))

    def change(edit: Callable[[Properties], None]) -> None:
        changed = copy.deepcopy(before)
        properties = changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
        properties["spec"]["properties"][PROBE] = {"type": "string"}
        edit(properties)
        apply(changed)
        wait_until(served, what="the API server serves the changed CRD", seconds=20)

    def served() -> bool:
        probe = json.dumps(resource("probe", secret_name="any", **{PROBE: "there"}))
        kept = control_plane.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", input=probe)
        return PROBE in json.loads(kept.stdout)["spec"]

    yield change
    apply(before)


def restart(operator: OperatorProcess) -> None:
    """Stop and start; a watch that began before the CRD was changed may go on showing resources as they were."""
    operator.stop()
    operator.start()


def reasons(team: Namespace) -> list[str]:
    return [event["reason"] for event in team.events()]


def test_fields_of_a_newer_crd_are_left_out_of_account_and_told_once(
    change_crd: Change,
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
) -> None:
    def add(properties: Properties) -> None:
        spec = properties["spec"]["properties"]
        spec["color"] = {"type": "string"}
        spec["schema"]["properties"]["speed"] = {"type": "integer"}

    change_crd(add)
    restart(operator)
    apply(color="red", schema={"speed": 7})
    team.wait_for("perses", "Ready", "True")
    wait_until(lambda: "SpecFieldUnknown" in reasons(team), what="the fields are told", seconds=10)
    [told] = [event["note"] for event in team.events() if event["reason"] == "SpecFieldUnknown"]
    assert "spec.color, spec.schema.speed" in told
    restart(operator)
    looked_at(operator, team)
    assert reasons(team).count("SpecFieldUnknown") == 1


def looked_at(operator: OperatorProcess, team: Namespace) -> None:
    """Wait until the database was checked three times more."""
    path = f"/api/v1/health/{team.name}/perses"

    def checked() -> str:
        status, body = operator.get(path)
        return body if status == 200 else ""

    for _ in range(3):
        before = checked()
        wait_until(lambda: checked() not in ("", before), what="one more check", seconds=15)  # noqa: B023


def test_an_older_crd_that_leaves_out_parts_of_the_status_is_not_written_to_again_and_again(
    change_crd: Change,
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
) -> None:
    """Containerd 8924: an unknown field was written in each pass."""

    def remove(properties: Properties) -> None:
        status = properties["status"]["properties"]
        del status["server"], status["templates"], status["schema"]["properties"]["target"]

    change_crd(remove)
    restart(operator)
    apply()
    team.wait_for("perses", "Ready", "True")
    assert "server" not in team.get("perses")["status"]
    wait_until(lambda: "Ready" in reasons(team), what="the event that follows the status", seconds=30)
    since = datetime.now(UTC)
    looked_at(operator, team)
    assert team.writes(since) == []
    assert reasons(team).count("Ready") == 1


def test_an_older_crd_that_refuses_a_condition_is_not_asked_again_and_again(
    change_crd: Change,
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
) -> None:
    def refuse(properties: Properties) -> None:
        kind = properties["status"]["properties"]["conditions"]["items"]["properties"]["type"]
        kind["enum"] = ["Ready", "Reconciling", "Stalled"]

    change_crd(refuse)
    restart(operator)
    apply()
    wait_until(lambda: "Ready" in reasons(team), what="the event Ready", seconds=30)
    since = datetime.now(UTC)
    looked_at(operator, team)
    assert team.writes(since) == []
    assert reasons(team).count("Ready") == 1
    assert operator.get("/ready")[0] == 503


def test_a_resource_that_is_invalid_for_this_release_stays_on_the_board_and_is_told_once(
    change_crd: Change, operator: OperatorProcess, team: Namespace
) -> None:
    """Reported as atlas 3664: a value that only a newer release knows made the whole resource vanish."""

    def allow_careful(properties: Properties) -> None:
        properties["spec"]["properties"]["schema"]["properties"]["policy"]["enum"].append("Careful")

    change_crd(allow_careful)
    team.apply(resource("perses", secret_name="perses-db", schema={"policy": "Careful"}))
    team.wait_for("perses", "Stalled", "True", reason="SpecInvalid")
    assert "spec.schema.policy" in team.condition("perses", "Ready")["message"]
    assert operator.get(f"/ready/{team.name}/perses")[0] == 503
    assert "SpecInvalid" in operator.get("/")[1]
    wait_until(lambda: bool(team.events()), what="an event", seconds=10)
    assert reasons(team) == ["SpecInvalid"]
    team.cluster.kubectl("delete", "ddb", "perses", "-n", team.name)
