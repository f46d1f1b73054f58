"""What was seen, as one finding for each condition. Pure."""

from dataclasses import dataclass

from controller.errors import DashdbError, Recovery
from controller.health.verdict import Health
from controller.reconcile.decide import refusal
from controller.reconcile.observed import Observed
from controller.resource.spec import DashboardDatabaseSpec, SeedPolicy
from controller.resource.status import ConditionStatus, ConditionType
from controller.templates.merge import TemplateAction, TemplateDecision, TemplateState

MOST_LISTED = 10
"""Names in a message; `dashdb migrate drift` and `plan` list all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A condition without its bookkeeping.

    Attributes:
        message: free of figures that change with every look: status is written only when it changes.
        recovery: what has to happen, where the status is not as it should be.
        blocks_ready: Ready cannot be True beside this one.
    """

    status: ConditionStatus
    reason: str
    message: str
    recovery: Recovery = Recovery.TRANSIENT
    blocks_ready: bool = False

    @classmethod
    def good(cls, reason: str, message: str) -> "Finding":
        return cls(ConditionStatus.TRUE, reason, message)

    @classmethod
    def bad(cls, reason: str, message: str, recovery: Recovery = Recovery.WAITING) -> "Finding":
        return cls(ConditionStatus.FALSE, reason, message, recovery, blocks_ready=True)

    @classmethod
    def failed(cls, error: DashdbError) -> "Finding":
        return cls.bad(error.reason, error.message, error.recovery)

    @classmethod
    def unknown(cls, reason: str, message: str) -> "Finding":
        return cls(ConditionStatus.UNKNOWN, reason, message, blocks_ready=True)


def findings(
    spec: DashboardDatabaseSpec, observed: Observed, error: DashdbError | None
) -> dict[ConditionType, Finding]:
    """One finding a condition, in the order in which a person would ask; the first that blocks is why not Ready.

    Args:
        error: of the action that was tried last in this turn.
    """
    if observed.connection_error is not None:
        return _not_connected(observed.connection_error)
    schema = _schema(spec, observed, error)
    return {
        ConditionType.CONNECTED: Finding.good("Connected", f"Connected to {observed.description}."),
        ConditionType.SCHEMA_CURRENT: schema,
        ConditionType.TEMPLATES_SEEDED: _templates(spec, observed, schema, error),
        ConditionType.HEALTHY: _healthy(observed),
    }


def _not_connected(error: DashdbError) -> dict[ConditionType, Finding]:
    unknown = Finding.unknown("NotConnected", "Not known while there is no connection.")
    return {
        ConditionType.CONNECTED: Finding.failed(error),
        ConditionType.SCHEMA_CURRENT: unknown,
        ConditionType.TEMPLATES_SEEDED: unknown,
        ConditionType.HEALTHY: Finding.failed(error),
    }


def _schema(spec: DashboardDatabaseSpec, observed: Observed, error: DashdbError | None) -> Finding:
    plan = observed.plan
    if plan is None:
        return Finding.unknown("NotObserved", "The schema was not looked at.")
    if isinstance(plan, DashdbError):
        return Finding.failed(plan)
    if not plan.empty and (refused := refusal(spec, plan)) is not None:
        lost = f" It would take with it: {_listed(observed.losses)}." if observed.losses else ""
        return Finding.bad(refused.reason, refused.message + lost, Recovery.STALLED)
    failed = observed.failed_migration
    if plan.steps and failed is not None and failed.plan_sha256 == plan.sha256:
        return Finding.failed(failed.error)
    if plan.steps and error is not None:
        return Finding.failed(error)
    if plan.steps:
        return Finding.bad("MigrationPending", f"{len(plan.steps)} migrations are pending.", Recovery.TRANSIENT)
    if observed.schema_ahead:
        return Finding.good(
            "SchemaAhead",
            f"Version {plan.current} was applied by a newer release than this operator; it is left alone.",
        )
    if observed.drift:  # it may well be an index that somebody needed: told, and no reason to be not Ready
        changed = f"Changed by hand since version {plan.current} was applied: {_listed(observed.drift)}."
        return Finding.good("Drifted", changed)
    return Finding.good("UpToDate", f"The schema is at version {plan.current}.")


def _listed(names: tuple[str, ...]) -> str:
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def _templates(spec: DashboardDatabaseSpec, observed: Observed, schema: Finding, error: DashdbError | None) -> Finding:
    if spec.templates.seed is SeedPolicy.DISABLED:
        return Finding.good("SeedingDisabled", "spec.templates.seed is Disabled.")
    if observed.history is None:
        return Finding.unknown("NotObserved", "The templates were not looked at.")
    if observed.templates is None:
        if schema.blocks_ready:
            return Finding.unknown("SchemaNotCurrent", "The table of the templates is not there yet.")
        return Finding.bad(
            "TableMissing",
            "The migrations made no table dashboard_template. Add it, or set spec.templates.seed to Disabled.",
            Recovery.STALLED,
        )
    pending = [t for t in observed.templates if t.action is not TemplateAction.NONE]
    if pending:
        return _not_seeded(spec, pending, error)
    return _seeded(observed.templates)


def _not_seeded(spec: DashboardDatabaseSpec, pending: list[TemplateDecision], error: DashdbError | None) -> Finding:
    names = ", ".join(t.template_id for t in pending)
    if spec.suspend:
        return Finding.bad(
            "Suspended",
            f"To be written: {names}; spec.suspend is true, so nothing is changed.",
            Recovery.STALLED,
        )
    if error is not None:
        return Finding.failed(error)
    return Finding.bad("SeedingPending", f"To be written: {names}.", Recovery.TRANSIENT)


def _seeded(templates: tuple[TemplateDecision, ...]) -> Finding:
    conflicts = [t for t in templates if t.state is TemplateState.CONFLICT]
    if conflicts:
        return Finding.bad(
            "TemplateConflict",
            " ".join(f"{t.template_id}: {t.message}." for t in conflicts),
            Recovery.WAITING,
        )
    customized = [t for t in templates if t.state is TemplateState.CUSTOMIZED]
    if customized:
        rows = ", ".join(f"{t.template_id} (shipped: {t.shipped_version})" for t in customized)
        return Finding.good("Customized", f"Edited by a user and kept: {rows}.")
    return Finding.good("Seeded", f"{len(templates)} system templates are in place.")


def _healthy(observed: Observed) -> Finding:
    verdict = observed.verdict
    match verdict.health:
        case Health.HEALTHY:
            return Finding.good("Healthy", "The database answers in time.")
        case Health.DEGRADED:  # still serves: said in its own condition, no reason to be not Ready
            return Finding(ConditionStatus.FALSE, verdict.reason, verdict.warning or "")
        case Health.UNHEALTHY:
            return Finding.bad(verdict.reason, verdict.warning or "", Recovery.TRANSIENT)
