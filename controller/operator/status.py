"""Status of a resource out of findings, and events out of its changes. The only place that makes a status. Pure."""

from datetime import datetime

from controller.errors import MigrationLocked, Recovery
from controller.migrate.plan.model import Plan, shown_version
from controller.reconcile.decide import MOST_LISTED
from controller.reconcile.findings import READY, Finding, Findings
from controller.reconcile.observed import Observed, ObservedSchema
from controller.reconcile.result import Event, MigrationProgress, ReconcileResult
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
from controller.templates.merge import TemplateDecision
from controller.text import NAME_LENGTH, VERSION_LENGTH, one_line

_STATUS = {True: ConditionStatus.TRUE, False: ConditionStatus.FALSE, None: ConditionStatus.UNKNOWN}
_MOST_LOSSES, _MOST_MIGRATIONS = 100, 1000
"""Most entries in the lists of the status, as the CRD limits them."""


def status_of(
    result: ReconcileResult, *, generation: int, previous: DashboardDatabaseStatus
) -> DashboardDatabaseStatus:
    """Return the status that shows `result`; what was not observed stays as it was in `previous`."""
    observed = result.observed
    return DashboardDatabaseStatus(
        observed_generation=generation,
        conditions=_conditions(result.findings, result.summary, generation, previous, observed.now),
        schema_=_schema(observed, result.memory.used_approval, previous),
        templates=_templates(observed, previous),
        server=_server(observed, previous),
    )


def shown_by(result: ReconcileResult) -> object:
    """Return what `status_of` shows of a result: where it is equal, so is the status over the same previous one."""
    observed = result.observed
    server = observed.facts and (observed.facts.version, observed.facts.identity)
    shown = (observed.connection_error is None, observed.schema, observed.templates, server)
    return result.findings, result.summary, result.memory.used_approval, shown


def status_in_progress(
    previous: DashboardDatabaseStatus, progress: MigrationProgress, generation: int, now: datetime
) -> DashboardDatabaseStatus:
    """Return the status while a long migration runs: all as it was, and Reconciling says what goes on.

    A wait for a lock that the status names already is no news: it must not change with every try.
    """
    known = {c.type: c for c in previous.conditions}
    before = known.get(ConditionType.RECONCILING)
    if progress.waits and before is not None and before.reason == MigrationLocked.reason:
        return previous

    def show(kind: ConditionType, finding: Finding) -> None:
        known[kind] = _condition(kind, finding, generation, previous, now)

    show(ConditionType.RECONCILING, Finding(True, "Migrating", progress.message))
    if ConditionType.STALLED in known:
        show(ConditionType.STALLED, Finding(False, "Migrating", ""))
    if ConditionType.READY not in known:
        show(ConditionType.READY, Finding(False, "Migrating", progress.message))
    return previous.model_copy(update={"conditions": list(known.values())})


def status_of_invalid_spec(
    message: str, *, generation: int, previous: DashboardDatabaseStatus, now: datetime
) -> DashboardDatabaseStatus:
    """Return the status of a resource that no API server with our CRD would have let in."""
    finding = Finding(False, "SpecInvalid", message, Recovery.STALLED)
    conditions = [
        _condition(ConditionType.READY, finding, generation, previous, now),
        _condition(ConditionType.STALLED, Finding(True, finding.reason, message), generation, previous, now),
    ]
    return previous.model_copy(update={"observed_generation": generation, "conditions": conditions})


def unknown_fields_text(fields: tuple[str, ...]) -> str:
    """Return what to do about fields of a spec that this release does not know."""
    named = ", ".join(one_line(each, NAME_LENGTH) for each in fields[:MOST_LISTED])
    more = f" and {len(fields) - MOST_LISTED} more" if len(fields) > MOST_LISTED else ""
    return f"This release of the operator does not know {named}{more}, and goes on without. Upgrade the operator."


def events_between(before: DashboardDatabaseStatus, after: DashboardDatabaseStatus) -> tuple[Event, ...]:
    """Return the events that tell how the status changed; none where a person would not notice."""
    events = []
    if before.server and after.server and before.server.identity != after.server.identity:
        events.append(Event("DatabaseReplaced", "Another database answers now; it is brought to the wanted state."))
    ready, old_ready = after.condition(ConditionType.READY), before.condition(ConditionType.READY)
    if ready and (old_ready is None or (old_ready.status, old_ready.reason) != (ready.status, ready.reason)):
        events.append(Event(ready.reason, ready.message, warning=ready.status is ConditionStatus.FALSE))
    schema, old_schema = after.condition(ConditionType.SCHEMA_CURRENT), before.condition(ConditionType.SCHEMA_CURRENT)
    if schema and schema.reason == "Drifted" and (old_schema is None or old_schema.message != schema.message):
        events.append(Event("SchemaDrifted", schema.message, warning=True))
    health, old_health = after.condition(ConditionType.HEALTHY), before.condition(ConditionType.HEALTHY)
    degraded = health and health.status is ConditionStatus.FALSE and ready and ready.status is ConditionStatus.TRUE
    if health and degraded and (old_health is None or old_health.reason != health.reason):
        events.append(Event(health.reason, health.message, warning=True))
    return tuple(events)


def _conditions(
    findings: Findings, summary: Finding, generation: int, previous: DashboardDatabaseStatus, now: datetime
) -> list[Condition]:
    """Return Ready, one condition for each finding, and kstatus' two."""
    stalled = summary is not READY and summary.recovery is Recovery.STALLED
    reconciling = summary is not READY and summary.recovery not in (Recovery.STALLED, Recovery.SUSPENDED)
    kinds = {
        ConditionType.READY: summary,
        **{ConditionType(aspect.value): finding for aspect, finding in findings.items()},
        ConditionType.RECONCILING: _flag(summary, is_set=reconciling),
        ConditionType.STALLED: _flag(summary, is_set=stalled),
    }
    return [_condition(kind, finding, generation, previous, now) for kind, finding in kinds.items()]


def _flag(summary: Finding, *, is_set: bool) -> Finding:
    return Finding(is_set, summary.reason, summary.message if is_set else "")


def _condition(
    kind: ConditionType, finding: Finding, generation: int, previous: DashboardDatabaseStatus, now: datetime
) -> Condition:
    status, before = _STATUS[finding.holds], previous.condition(kind)
    unchanged = before is not None and before.status is status
    return Condition(
        type=kind,
        status=status,
        reason=finding.reason,
        message=one_line(finding.message),
        observed_generation=generation,
        last_transition_time=before.last_transition_time if before and unchanged else f"{now:%Y-%m-%dT%H:%M:%SZ}",
    )


def _schema(observed: Observed, used_approval: str | None, previous: DashboardDatabaseStatus) -> SchemaStatus | None:
    schema = observed.schema
    if not isinstance(schema, ObservedSchema):
        return previous.schema_  # not observed: what was last known is more use than nothing
    summary, plan = schema.summary, schema.plan
    if not isinstance(plan, Plan):
        return SchemaStatus(current=summary.version, dirty=summary.dirty, used_approval=used_approval)
    shown = None
    if not plan.empty:
        losses = [one_line(loss) for loss in schema.losses[:_MOST_LOSSES]]
        labels = [one_line(step.label) for step in plan.steps[:_MOST_MIGRATIONS]]
        shown = PlanStatus(
            hash=plan.sha256,
            migrations=labels,
            losses=losses or None,
        )
    return SchemaStatus(
        current=shown_version(plan.current),
        target=shown_version(plan.target),
        pending=summary.pending,
        dirty=summary.dirty,
        plan=shown,
        used_approval=used_approval,
    )


def _templates(observed: Observed, previous: DashboardDatabaseStatus) -> list[TemplateStatus] | None:
    if isinstance(observed.templates, tuple):
        return [_template(t) for t in observed.templates]
    seen = observed.connection_error is None and observed.templates is None and observed.facts is not None
    return None if seen else previous.templates


def _template(decision: TemplateDecision) -> TemplateStatus:
    version = decision.row_version
    shown = None if version is None else one_line(version, VERSION_LENGTH)
    return TemplateStatus(
        name=decision.template_id, state=decision.state, version=shown, lags_behind=decision.lags_behind
    )


def _server(observed: Observed, previous: DashboardDatabaseStatus) -> ServerStatus | None:
    if observed.facts is None:
        return previous.server
    return ServerStatus(version=observed.facts.version, identity=observed.facts.identity)
