"""Verdicts of kstatus, by which Flux decides whether to go on: what a person would say of each state."""

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.desired import Desired
from controller.errors import (
    ConfigurationError,
    DashdbError,
    DatabaseUnavailable,
    ForeignObject,
    HistoryMismatch,
    MigrationFailed,
    MigrationLocked,
    Recovery,
    SchemaDirty,
)
from controller.health.verdict import Health, Verdict
from controller.migrate.plan.make_plan import make_plan
from controller.operator.status import status_in_progress, status_of, status_of_invalid_spec
from controller.reconcile.decide import Migrate
from controller.reconcile.findings import find, summary
from controller.reconcile.memory import Memory
from controller.reconcile.observe import unreachable
from controller.reconcile.observed import Observed, ObservedSchema
from controller.reconcile.result import MigrationProgress, ReconcileResult
from controller.resource import GROUP, KIND, VERSION
from controller.resource.status import DashboardDatabaseStatus
from controller.templates.merge import TemplateState
from tests.support.binaries import kstatus
from tests.unit.reconcile.observations import (
    FILES,
    MANUAL,
    NOW,
    desired,
    failed,
    history,
    observed,
    plan_of,
    template,
)

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "kstatus.md"
EMPTY = DashboardDatabaseStatus()
PENDING = observed(1)


def shown(seen: Observed, wanted: Desired | None = None, memory: Memory | None = None) -> dict[str, Any]:
    """Return the status that the operator writes for an observation."""
    memory = memory or Memory()
    findings = find(wanted or desired(), seen, memory)
    result = ReconcileResult(seen, findings, summary(findings), (), 30.0, memory)
    return status_of(result, generation=1, previous=EMPTY).to_wire()


def refused(sqlstate_recovery: Recovery) -> Memory:
    """Return the memory of a migration that PostgreSQL refused."""
    error = MigrationFailed("refused", recovery=sqlstate_recovery)
    return Memory(failed=(failed(Migrate(plan_of(PENDING), approved=False).key, error, seconds=600),))


def locked() -> Memory:
    """Return the memory of a migration that waited for another runner in vain."""
    key = Migrate(plan_of(PENDING), approved=False).key
    return Memory(failed=(failed(key, MigrationLocked("another runner"), seconds=600),))


def with_schema(error: DashdbError) -> Observed:
    """Return an observation of a schema with which something is wrong."""
    seen = observed(1, 2)
    assert isinstance(seen.schema, ObservedSchema)
    return replace(seen, schema=replace(seen.schema, plan=error))


def crd_default() -> dict[str, Any]:
    """Return the status that the API server gives a resource that nobody has looked at."""
    crd = yaml.safe_load((ROOT / "crds" / "dashboarddatabases.yaml").read_text())
    properties = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    default: dict[str, Any] = properties["status"]["default"]
    return default


def unknown_version() -> ConfigurationError:
    """Return the error about a targetVersion that no file has."""
    with pytest.raises(ConfigurationError) as refusal:
        make_plan(FILES, history(1, 2), 7)
    return refusal.value


MOVING = status_in_progress(EMPTY, MigrationProgress("Running V002.", 0.0), 1, NOW).to_wire()
INVALID = status_of_invalid_spec("spec.pool: wrong", generation=1, previous=EMPTY, now=datetime.now(UTC)).to_wire()
STATES: dict[str, tuple[str, dict[str, Any]]] = {
    "made a moment ago, or the operator is down": ("InProgress", crd_default()),
    "ready": ("Current", shown(observed(1, 2))),
    "ready, and slow": ("Current", shown(observed(1, 2, verdict=Verdict(Health.DEGRADED, "SlowResponse", "slow")))),
    "ready, with changes by hand": ("Current", shown(observed(1, 2), memory=Memory(drift=("index i missing",)))),
    "ready, with templates that a user edited": (
        "Current", shown(observed(1, 2, templates=(template(TemplateState.CUSTOMIZED),)))
    ),
    "ready, newer than the operator": ("Current", shown(observed(1, 2, ahead=True))),
    "suspended, with nothing to do": ("Current", shown(observed(1, 2), desired(suspend=True))),
    "suspended, with migrations that wait": ("InProgress", shown(PENDING, desired(suspend=True))),
    "a migration is about to run": ("InProgress", shown(PENDING)),
    "a long migration runs": ("InProgress", MOVING),
    "another runner migrates": ("InProgress", shown(PENDING, memory=locked())),
    "the server is away": ("InProgress", shown(unreachable(DatabaseUnavailable("", reason="ConnectionRefused")))),
    "the Secret is missing": ("InProgress", shown(unreachable(ConfigurationError("", reason="SecretNotFound")))),
    "the server is a standby": ("InProgress", shown(observed(1, 2, verdict=Verdict(Health.UNHEALTHY, "ReadOnly", "")))),
    "a table is missing": ("InProgress", shown(observed(1, 2), memory=Memory(damage=("table dashboard",)))),
    "another role's object is in the way": ("InProgress", shown(with_schema(ForeignObject("")))),
    "an older resource asks for the same database": ("InProgress", shown(observed(1, 2, claimed_by="team-a/perses"))),
    "the server was full when a migration ran": ("InProgress", shown(PENDING, memory=refused(Recovery.TRANSIENT))),
    "a migration with a wrong statement": ("Failed", shown(PENDING, memory=refused(Recovery.STALLED))),
    "a migration stopped half-way": ("Failed", shown(with_schema(SchemaDirty("")))),
    "an applied file was edited": ("Failed", shown(with_schema(HistoryMismatch("")))),
    "a targetVersion that no file has": ("Failed", shown(with_schema(unknown_version()))),
    "a targetVersion below the present one": ("Failed", shown(observed(1, 2, target=1))),
    "a plan that wants an approval": ("Failed", shown(PENDING, desired(policy=MANUAL))),
    "a spec that cannot be read": ("Failed", INVALID),
}  # fmt: skip


@pytest.fixture(scope="module")
def verdicts() -> dict[str, str]:
    """Ask kstatus about each state."""
    objects = [
        {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "metadata": {"name": "perses", "namespace": "team-a", "generation": 1},
            "status": status,
        }
        for _, status in STATES.values()
    ]
    lines = "".join(json.dumps(each) + "\n" for each in objects)
    done = subprocess.run([kstatus()], input=lines, capture_output=True, text=True, check=True)
    said = [json.loads(line)["status"] for line in done.stdout.splitlines()]
    return dict(zip(STATES, said, strict=True))


@pytest.mark.parametrize("state", STATES)
def test_kstatus_says_what_a_person_would(state: str, verdicts: dict[str, str]) -> None:
    assert verdicts[state] == STATES[state][0]


def test_the_page_shows_each_state_as_the_library_judges_it(verdicts: dict[str, str]) -> None:
    rows = [f"| {state} | {verdict} |" for state, verdict in verdicts.items()]
    assert [line for line in PAGE.read_text().splitlines() if line.startswith("| ")][1:] == rows
