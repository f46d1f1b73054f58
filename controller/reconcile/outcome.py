"""What a turn means: conditions, status, events, and when to look again. The only writer of status. Pure."""

from dataclasses import dataclass
from datetime import datetime

from controller.errors import DashdbError, MigrationLocked, Recovery
from controller.migrate.plan.model import Plan, current_version
from controller.reconcile.findings import Finding, findings
from controller.reconcile.observed import Observed, Work
from controller.resource.spec import DashboardDatabaseSpec
from controller.resource.status import (
    Condition,
    ConditionStatus,
    ConditionType,
    DashboardDatabaseStatus,
    PlanStatus,
    SchemaStatus,
    ServerStatus,
    TemplateStatus,
)

FIRST_RETRY_SECONDS = 0.5
"""After a first failure; doubles with each further one, up to the health interval."""
JITTER = 0.1
"""Part of a wait that is taken off at random, so that many resources do not look in step. Never added: the
interval is a promise."""
RETRY_JITTER = 0.5
"""The same after a failure: those whose one server went down begin in step, and shall not stay so."""
MOST_DOUBLINGS = 16


@dataclass(frozen=True, slots=True)
class Event:
    """Something that `kubectl describe` shall show."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a turn.

    Attributes:
        wait_seconds: until the next look, at the latest.
        watch_secrets: look for a changed Secret in the meantime, since nothing else but a person can help; a server
            that does not answer is dialled again soon enough, with what its Secret says then.
    """

    status: DashboardDatabaseStatus
    events: tuple[Event, ...]
    ready: bool
    wait_seconds: float
    watch_secrets: bool


def conclude(
    spec: DashboardDatabaseSpec,
    observed: Observed,
    error: DashdbError | None,
    *,
    generation: int,
    previous: DashboardDatabaseStatus,
    failures: int,
    jitter: float,
) -> Outcome:
    """The outcome of a turn that saw `observed` last.

    Args:
        error: why the last action did not succeed.
        failures: turns in a row, before this one, that did not end in Ready.
        jitter: at random, from 0 to 1.
    """
    found = findings(spec, observed, error)
    culprit = next((f for f in found.values() if f.blocks_ready), None)
    summary = [
        _ready(culprit),
        _yes_or_no(
            ConditionType.RECONCILING,
            culprit,
            culprit is not None and culprit.recovery is not Recovery.STALLED,
        ),
        _yes_or_no(ConditionType.STALLED, culprit, culprit is not None and culprit.recovery is Recovery.STALLED),
    ]
    conditions = [
        _condition(kind, finding, generation, previous, observed.now)
        for kind, finding in [summary[0], *found.items(), *summary[1:]]
    ]
    status = DashboardDatabaseStatus(
        observed_generation=generation,
        conditions=conditions,
        schema_=_schema(observed, previous),
        templates=_templates(observed, previous),
        server=_server(observed, previous),
    )
    interval = float(spec.health.interval_seconds)
    wait, part = (interval, JITTER) if culprit is None else (_retry_wait(failures, interval), RETRY_JITTER)
    return Outcome(
        status=status,
        events=_events(previous, status),
        ready=culprit is None,
        wait_seconds=wait * (1 - part * jitter),
        watch_secrets=observed.connection_error is not None and observed.connection_error.recovery is Recovery.WAITING,
    )


def in_progress(
    previous: DashboardDatabaseStatus, work: Work, generation: int, now: datetime
) -> DashboardDatabaseStatus:
    """The status while a long migration runs: all as it was, and Reconciling says what goes on.

    A wait for a lock that the status names already is no news: it must not change with every try.
    """
    known = {c.type: c for c in previous.conditions}
    before = known.get(ConditionType.RECONCILING)
    if work.waits and before is not None and before.reason == MigrationLocked.reason:
        return previous

    def show(kind: ConditionType, finding: Finding) -> None:
        known[kind] = _condition(kind, finding, generation, previous, now)

    show(ConditionType.RECONCILING, Finding(ConditionStatus.TRUE, "Migrating", work.message))
    if ConditionType.STALLED in known:
        show(ConditionType.STALLED, Finding(ConditionStatus.FALSE, "Migrating", ""))
    if ConditionType.READY not in known:
        show(ConditionType.READY, Finding(ConditionStatus.FALSE, "Migrating", work.message))
    return previous.model_copy(update={"conditions": list(known.values())})


def invalid_spec(
    message: str, *, generation: int, previous: DashboardDatabaseStatus, now: datetime
) -> DashboardDatabaseStatus:
    """The status of a resource that no API server with our CRD would have let in."""
    finding = Finding(ConditionStatus.FALSE, "SpecInvalid", message, Recovery.STALLED)
    kinds = [
        _ready(finding),
        (ConditionType.STALLED, Finding(ConditionStatus.TRUE, finding.reason, message)),
    ]
    conditions = [_condition(kind, found, generation, previous, now) for kind, found in kinds]
    return previous.model_copy(update={"observed_generation": generation, "conditions": conditions})


def _ready(culprit: Finding | None) -> tuple[ConditionType, Finding]:
    if culprit is None:
        return ConditionType.READY, Finding(ConditionStatus.TRUE, "Ready", "Connected, migrated, seeded and healthy.")
    return ConditionType.READY, Finding(ConditionStatus.FALSE, culprit.reason, culprit.message)


def _yes_or_no(kind: ConditionType, culprit: Finding | None, yes: bool) -> tuple[ConditionType, Finding]:
    if culprit is not None and yes:
        return kind, Finding(ConditionStatus.TRUE, culprit.reason, culprit.message)
    return kind, Finding(ConditionStatus.FALSE, "Ready" if culprit is None else culprit.reason, "")


def _condition(
    kind: ConditionType, finding: Finding, generation: int, previous: DashboardDatabaseStatus, now: datetime
) -> Condition:
    before = previous.condition(kind)
    unchanged = before is not None and before.status is finding.status
    return Condition(
        type=kind,
        status=finding.status,
        reason=finding.reason,
        message=finding.message,
        observed_generation=generation,
        last_transition_time=before.last_transition_time if before and unchanged else f"{now:%Y-%m-%dT%H:%M:%SZ}",
    )


def _schema(observed: Observed, previous: DashboardDatabaseStatus) -> SchemaStatus | None:
    if observed.history is None:
        return previous.schema_  # not looked at: what was last known is more use than nothing
    dirty = any(row.error is not None for row in observed.history)
    if not isinstance(observed.plan, Plan):
        return SchemaStatus(current=current_version(observed.history), dirty=dirty)
    plan = observed.plan
    shown = None
    if not plan.empty:
        losses = list(observed.losses[:100]) or None
        shown = PlanStatus(hash=plan.sha256, migrations=[s.label for s in plan.steps][:1000], losses=losses)
    return SchemaStatus(current=plan.current, target=plan.target, pending=len(plan.steps), dirty=dirty, plan=shown)


def _templates(observed: Observed, previous: DashboardDatabaseStatus) -> list[TemplateStatus] | None:
    if observed.templates is None:
        return previous.templates if observed.history is None else None
    return [TemplateStatus(name=t.template_id, state=t.state, version=t.row_version) for t in observed.templates]


def _server(observed: Observed, previous: DashboardDatabaseStatus) -> ServerStatus | None:
    if observed.facts is None:
        return previous.server
    return ServerStatus(version=observed.facts.version, identity=observed.facts.identity)


def _events(previous: DashboardDatabaseStatus, status: DashboardDatabaseStatus) -> tuple[Event, ...]:
    events = []
    if previous.server and status.server and previous.server.identity != status.server.identity:
        events.append(Event("DatabaseReplaced", "Another database answers now; it is brought to the wanted state."))
    before, after = previous.condition(ConditionType.READY), status.condition(ConditionType.READY)
    if after is not None and (before is None or (before.status, before.reason) != (after.status, after.reason)):
        events.append(Event(after.reason, after.message, warning=after.status is ConditionStatus.FALSE))
    schema_before, schema = (
        previous.condition(ConditionType.SCHEMA_CURRENT),
        status.condition(ConditionType.SCHEMA_CURRENT),
    )
    if schema and schema.reason == "Drifted" and (schema_before is None or schema_before.message != schema.message):
        events.append(Event("SchemaDrifted", schema.message, warning=True))
    health_before, health = previous.condition(ConditionType.HEALTHY), status.condition(ConditionType.HEALTHY)
    degraded = health and health.status is ConditionStatus.FALSE and after and after.status is ConditionStatus.TRUE
    if health and degraded and (health_before is None or health_before.reason != health.reason):
        events.append(Event(health.reason, health.message, warning=True))
    return tuple(events)


def _retry_wait(failures: int, interval: float) -> float:
    doubled: float = FIRST_RETRY_SECONDS * 2 ** min(failures, MOST_DOUBLINGS)
    return min(interval, doubled)
