"""What to do next with one database: a chain of checks, the first that has something to say wins. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from controller.health.verdict import Health
from controller.migrate.plan.model import Plan
from controller.reconcile.observed import Observed
from controller.resource.spec import DashboardDatabaseSpec, SchemaPolicy, SeedPolicy
from controller.templates.merge import TemplateAction


@dataclass(frozen=True, slots=True)
class Migrate:
    """Carry out `plan`.

    Attributes:
        approved: by a person, who has seen this very plan: another one is not to be begun in its place.
    """

    plan: Plan
    approved: bool


@dataclass(frozen=True, slots=True)
class Seed:
    """Write the system templates that are missing or outdated."""


@dataclass(frozen=True, slots=True)
class Maintain:
    """Expired tokens, usage counts, old audit rows."""

    audit_retention_days: int | None


Action = Migrate | Seed | Maintain


@dataclass(frozen=True, slots=True)
class Nothing:
    """No more to do in this turn.

    Attributes:
        because: for the log.
    """

    because: str


Check = Callable[[DashboardDatabaseSpec, Observed], Action | Nothing | None]


def decide(spec: DashboardDatabaseSpec, observed: Observed) -> Action | Nothing:
    """The next action, or why there is none."""
    for check in _CHECKS:
        if (answer := check(spec, observed)) is not None:
            return answer
    return Nothing("everything is as wanted")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a plan may not run; reason and message end up in the condition SchemaCurrent."""

    reason: str
    message: str


def refusal(spec: DashboardDatabaseSpec, plan: Plan) -> Refusal | None:
    """What the policy has against `plan`; None where it may run."""
    schema = spec.schema_
    if spec.suspend:
        return Refusal("Suspended", f"{_pending(plan)}; spec.suspend is true, so nothing is changed.")
    if schema.policy is SchemaPolicy.AUTOMATIC:
        if plan.reverts:
            return Refusal(
                "DowngradeRefused",
                f"The database is at version {plan.current}, targetVersion is {plan.target}. Going back loses data "
                "and needs policy: Manual with an approved plan; or raise targetVersion.",
            )
        return None
    if schema.approved_plan == plan.sha256:
        return None
    if schema.approved_plan is None:
        return Refusal(
            "ApprovalRequired", f"{_pending(plan)}. To run it, set spec.schema.approvedPlan to {plan.sha256}."
        )
    return Refusal(
        "ApprovalOutdated",
        f"{_pending(plan)}. The approved plan is another one; look at status.schema.plan and approve {plan.sha256}.",
    )


def _pending(plan: Plan) -> str:
    if not plan.steps:
        return f"What golang-migrate applied, up to version {plan.current}, is to be recorded"
    count = len(plan.steps)
    return f"{count} migration{'' if count == 1 else 's'} from version {plan.current} to {plan.target}"


def _needs_connection(_: DashboardDatabaseSpec, observed: Observed) -> Nothing | None:
    return Nothing("not connected") if observed.connection_error is not None else None


def _needs_writable_server(_: DashboardDatabaseSpec, observed: Observed) -> Nothing | None:
    return Nothing("the server is not fit for writing") if observed.verdict.health is Health.UNHEALTHY else None


def _migrates(spec: DashboardDatabaseSpec, observed: Observed) -> Action | Nothing | None:
    plan, failed = observed.plan, observed.failed_migration
    if not isinstance(plan, Plan):
        return Nothing("the files and the history do not fit together")
    if plan.empty:
        return None
    if refusal(spec, plan) is not None:
        return Nothing("the policy does not let this plan run")
    if failed is not None and failed.plan_sha256 == plan.sha256 and observed.now < failed.retry_at:
        return Nothing("this plan failed a moment ago")
    return Migrate(plan, approved=spec.schema_.policy is SchemaPolicy.MANUAL)


def _needs_permission(spec: DashboardDatabaseSpec, _: Observed) -> Nothing | None:
    return Nothing("suspended") if spec.suspend else None


def _seeds(spec: DashboardDatabaseSpec, observed: Observed) -> Action | None:
    if spec.templates.seed is SeedPolicy.DISABLED or observed.templates is None:
        return None
    return Seed() if any(t.action is not TemplateAction.NONE for t in observed.templates) else None


def _maintains(spec: DashboardDatabaseSpec, observed: Observed) -> Action | None:
    if not observed.maintenance_due or observed.templates is None:
        return None
    return Maintain(spec.maintenance.audit_retention_days)


_CHECKS: tuple[Check, ...] = (
    _needs_connection,
    _needs_writable_server,
    _migrates,
    _needs_permission,
    _seeds,
    _maintains,
)
