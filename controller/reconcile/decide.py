"""Decision what to do next with one database, and if nothing, why not. Pure.

Policy, failed tries and `suspend` are judged here and nowhere else: the findings that people read render the answers.
"""

from dataclasses import dataclass

from controller.database.schema_queries import HISTORY_TABLES
from controller.desired import Desired, SchemaPolicy
from controller.errors import DashdbError, Recovery
from controller.health.verdict import Health
from controller.migrate.plan.model import Plan, shown_version
from controller.reconcile.memory import Memory
from controller.reconcile.observed import Observed, ObservedSchema
from controller.templates.merge import TemplateAction, TemplateDecision


@dataclass(frozen=True, slots=True)
class Migrate:
    """Action: carry out `plan`.

    Attributes:
        approved: a person approved this very plan, so that another one is not to be begun in its place.
    """

    plan: Plan
    approved: bool

    @property
    def key(self) -> str:
        """Name of the action for the memory of failures: `<kind> <what>`."""
        return f"migrate {self.plan.sha256}"


@dataclass(frozen=True, slots=True)
class Seed:
    """Action: write the system templates that are missing or outdated.

    Attributes:
        names: of those templates.
    """

    names: tuple[str, ...]

    @property
    def key(self) -> str:
        """Name of the action for the memory of failures: `<kind> <what>`."""
        return f"seed {','.join(self.names)}"


@dataclass(frozen=True, slots=True)
class Maintain:
    """Action: remove expired tokens and old audit rows, and count how often templates are used."""

    audit_retention_days: int | None


Action = Migrate | Seed | Maintain


@dataclass(frozen=True, slots=True)
class Blocked:
    """Answer that something is to be done, and may not or cannot be done now.

    Attributes:
        reason: CamelCase, stable.
        message: why, and what to do about it.
        recovery: what has to happen before it can go on.
    """

    reason: str
    message: str
    recovery: Recovery

    @classmethod
    def by(cls, error: DashdbError) -> "Blocked":
        """Return the decision for an error that prevents any action."""
        return cls(error.reason, error.message, error.recovery)


def decide(desired: Desired, observed: Observed, memory: Memory) -> Action | Blocked | None:
    """Return the next action, or what blocks the first thing to do; None where everything is as wanted."""
    if observed.connection_error is not None:
        return Blocked.by(observed.connection_error)
    if observed.verdict.health is Health.UNHEALTHY:
        return Blocked(observed.verdict.reason, observed.verdict.warning or "", Recovery.TRANSIENT)
    schema = decide_schema(desired, observed, memory)
    if schema is not None:
        return schema
    templates = decide_templates(desired, observed, memory)
    if isinstance(templates, Seed):
        return templates
    return decide_maintenance(desired, observed, memory) or templates


def decide_schema(desired: Desired, observed: Observed, memory: Memory) -> Migrate | Blocked | None:
    """Return what is to be done about the schema; None where it is at the wanted version, or is only reported."""
    if observed.claimed_by is not None:
        return _claimed_by(observed.claimed_by)
    if desired.schema.policy is SchemaPolicy.REPORT:
        return None
    schema = observed.schema
    if schema is None:
        return Blocked("NotObserved", "The schema was not observed.", Recovery.TRANSIENT)
    if isinstance(schema, DashdbError):
        return Blocked.by(schema)
    if isinstance(schema.plan, DashdbError):
        return Blocked.by(schema.plan)
    if schema.plan.empty:
        return None
    if (refused := _refused_by_policy(desired, schema, schema.plan, memory)) is not None:
        return refused
    if desired.schema.policy is SchemaPolicy.AUTOMATIC and (unsafe := _unsafe(observed, schema, schema.plan, memory)):
        return unsafe
    action = Migrate(schema.plan, approved=desired.schema.policy is SchemaPolicy.MANUAL)
    failed = memory.waits(action.key, observed.now)
    return action if failed is None else Blocked.by(failed.error)


def decide_templates(desired: Desired, observed: Observed, memory: Memory) -> Seed | Blocked | None:
    """Return what is to be done about the system templates; None where they are in place, or not ours to write."""
    if not desired.seed_templates:
        return None
    if observed.claimed_by is not None:
        return _claimed_by(observed.claimed_by)
    if isinstance(observed.templates, DashdbError):
        return Blocked.by(observed.templates)
    if observed.templates is None:
        return Blocked(
            "TableMissing",
            "There is no table dashboard_template. Make it with the migrations, or switch seeding off.",
            Recovery.STALLED,
        )
    names = _to_be_written(observed.templates)
    if not names:
        return None
    if desired.suspend:
        text = f"To be written: {', '.join(names)}; spec.suspend is true, so nothing is changed."
        return Blocked("Suspended", text, Recovery.SUSPENDED)
    action = Seed(names)
    failed = memory.waits(action.key, observed.now)
    return action if failed is None else Blocked.by(failed.error)


def decide_maintenance(desired: Desired, observed: Observed, memory: Memory) -> Maintain | None:
    """Return a round of maintenance where one is due and its tables are there."""
    if not memory.wants_maintenance(desired, observed.now) or not isinstance(observed.templates, tuple):
        return None
    return Maintain(desired.maintenance.audit_retention_days)


def _unsafe(observed: Observed, schema: ObservedSchema, plan: Plan, memory: Memory) -> Blocked | None:
    """Return why `plan` may run only if a person has approved it; None where it may run by itself."""
    if tables := _without_history(observed, schema):
        return _history_missing(tables)
    if not memory.damage or schema.summary.dirty:  # what is half done is to be brought to its end
        return None
    # The schema that a migration leaves is the one that is wanted from then on: what is missing would be forgotten.
    text = (
        f"{damage_text(schema, memory)} {pending(plan)}, and nothing runs before that. Or approve the plan with "
        "policy: Manual; what is missing is forgotten then."
    )
    return Blocked("Damaged", text, Recovery.WAITING)


def _without_history(observed: Observed, schema: ObservedSchema) -> list[str]:
    """Return the tables of ours that no history knows of; a migration file could destroy what is in them."""
    if schema.history or observed.located is None:
        return []
    return sorted(observed.located.tables - HISTORY_TABLES)


def _history_missing(tables: list[str]) -> Blocked:
    text = (
        f"There are tables ({', '.join(tables)}), but no history says at which version they are, so no file is run. "
        "Bring the rows of schema_version back; or, if the tables are at version V, record it: "
        "dashdb migrate baseline V; or approve the plan with policy: Manual."
    )
    return Blocked("HistoryMissing", text, Recovery.WAITING)


def damage_text(schema: ObservedSchema, memory: Memory) -> str:
    """Return what is missing of the migrations or disabled, and how to bring it back."""
    return (
        f"Missing or disabled since version {schema.summary.version} was applied: {listed(memory.damage)}. Bring it "
        "back from a backup or with the statements that dashdb migrate show prints, and its grants with dashdb roles; "
        "dashdb migrate drift shows all that was changed."
    )


def _claimed_by(other: str) -> Blocked:
    text = (
        f"{other} asks for the same database and is older, so it acts and this one does not. Delete one of the two, or "
        "let one name another database."
    )
    return Blocked("Conflict", text, Recovery.WAITING)


def _to_be_written(templates: tuple[TemplateDecision, ...]) -> tuple[str, ...]:
    return tuple(each.template_id for each in templates if each.action is not TemplateAction.NONE)


def _refused_by_policy(desired: Desired, schema: ObservedSchema, plan: Plan, memory: Memory) -> Blocked | None:
    """Return why `plan` may not run; None where it may."""
    refused = _policy_answer(desired, plan, memory)
    if refused is None or not schema.losses:
        return refused
    lost = f"{refused.message} It would take with it: {listed(schema.losses)}."
    return Blocked(refused.reason, lost, refused.recovery)


def _policy_answer(desired: Desired, plan: Plan, memory: Memory) -> Blocked | None:
    if desired.suspend:
        text = f"{pending(plan)}; spec.suspend is true, so nothing is changed."
        return Blocked("Suspended", text, Recovery.SUSPENDED)
    if desired.schema.policy is SchemaPolicy.AUTOMATIC:
        if not plan.reverts:
            return None
        return _stalled(
            "DowngradeRefused",
            f"The database is at version {shown_version(plan.current)}, targetVersion is "
            f"{shown_version(plan.target)}. Going back loses data and needs policy: Manual with an approved plan; or "
            "raise targetVersion.",
        )
    approved = desired.schema.approved_plan
    if approved == plan.sha256:
        if memory.used_approval != approved:
            return None
        return _stalled(
            "ApprovalUsed",
            f"{pending(plan)}. The approved plan has run already, and an approval counts once. To run it again, remove "
            "spec.schema.approvedPlan, and set it anew once status.schema.usedApproval is gone.",
        )
    if approved is None:
        return _stalled(
            "ApprovalRequired", f"{pending(plan)}. To run it, set spec.schema.approvedPlan to {plan.sha256}."
        )
    return _stalled(
        "ApprovalOutdated",
        f"{pending(plan)}. The approved plan is another one, or has run already; look at status.schema.plan and "
        f"approve {plan.sha256}.",
    )


def _stalled(reason: str, message: str) -> Blocked:
    return Blocked(reason, message, Recovery.STALLED)


def pending(plan: Plan) -> str:
    """Return what is pending, in words."""
    if not plan.steps:
        return f"What golang-migrate applied, up to version {shown_version(plan.current)}, is to be recorded"
    count = len(plan.steps)
    return f"{count} migration{'' if count == 1 else 's'} from {plan.span}"


MOST_LISTED = 10
"""Most names in a message; `dashdb migrate drift` and `plan` list all."""


def listed(names: tuple[str, ...]) -> str:
    """Return the first names, and how many more there are."""
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
