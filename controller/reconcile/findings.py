"""Findings about one database: an answer to each question that a person would ask. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from controller.desired import Desired, SchemaPolicy
from controller.errors import DashdbError, Recovery
from controller.health.verdict import Health
from controller.reconcile.decide import (
    Blocked,
    Migrate,
    Seed,
    damage_text,
    decide_schema,
    decide_templates,
    listed,
    pending,
)
from controller.reconcile.memory import Memory
from controller.reconcile.observed import Observed, ObservedSchema
from controller.templates.merge import TemplateDecision, TemplateState


class Aspect(StrEnum):
    """Question about a database; listed in the order in which a person would ask."""

    CONNECTED = "Connected"
    SCHEMA_CURRENT = "SchemaCurrent"
    TEMPLATES_SEEDED = "TemplatesSeeded"
    HEALTHY = "Healthy"


@dataclass(frozen=True, slots=True)
class Finding:
    """Answer to one question.

    Attributes:
        holds: None where it is not known.
        message: free of figures that change with every observation: a status is written only when it changes.
        recovery: what has to happen, where it is not as it should be.
        blocks_ready: with this finding, the database cannot be ready.
    """

    holds: bool | None
    reason: str
    message: str
    recovery: Recovery = Recovery.TRANSIENT
    blocks_ready: bool = False

    @classmethod
    def good(cls, reason: str, message: str) -> "Finding":
        """Return a finding that all is as it should be."""
        return cls(True, reason, message)

    @classmethod
    def bad(cls, reason: str, message: str, recovery: Recovery) -> "Finding":
        """Return a finding that keeps the database from being ready."""
        return cls(False, reason, message, recovery, blocks_ready=True)

    @classmethod
    def unknown(cls, reason: str, message: str) -> "Finding":
        """Return a finding of which nothing is known, which keeps the database from being ready too."""
        return cls(None, reason, message, blocks_ready=True)

    @classmethod
    def of(cls, cause: DashdbError | Blocked) -> "Finding":
        """Return the finding for a reason that prevents an action."""
        return cls.bad(cause.reason, cause.message, cause.recovery)


Findings: TypeAlias = Mapping[Aspect, Finding]

READY = Finding.good("Ready", "Connected; schema and templates are as wanted.")


def find(desired: Desired, observed: Observed, memory: Memory) -> Findings:
    """Return one finding for each aspect, after everything that can be done now has been done."""
    if observed.connection_error is not None:
        return _not_connected(observed.connection_error)
    schema = _schema(desired, observed, memory)
    return {
        Aspect.CONNECTED: Finding.good("Connected", f"Connected to {observed.database}."),
        Aspect.SCHEMA_CURRENT: schema,
        Aspect.TEMPLATES_SEEDED: _templates(desired, observed, memory, schema),
        Aspect.HEALTHY: _healthy(observed),
    }


def summary(findings: Findings) -> Finding:
    """Return the finding about the database as a whole: ready, or the first that keeps it from being so."""
    return next((each for each in findings.values() if each.blocks_ready), READY)


def _not_connected(error: DashdbError) -> Findings:
    unknown = Finding.unknown("NotConnected", "Not known while there is no connection.")
    return {
        Aspect.CONNECTED: Finding.of(error),
        Aspect.SCHEMA_CURRENT: unknown,
        Aspect.TEMPLATES_SEEDED: unknown,
        Aspect.HEALTHY: Finding.of(error),
    }


def _schema(desired: Desired, observed: Observed, memory: Memory) -> Finding:
    answer = decide_schema(desired, observed, memory)
    if isinstance(answer, Blocked):
        return Finding.unknown(answer.reason, answer.message) if observed.schema is None else Finding.of(answer)
    if isinstance(answer, Migrate):
        failed = memory.failure(answer.key)
        if failed is not None:
            return Finding.of(failed.error)
        return Finding.bad("MigrationPending", f"{pending(answer.plan)}.", Recovery.TRANSIENT)
    return _current_schema(desired, observed, memory)


def _current_schema(desired: Desired, observed: Observed, memory: Memory) -> Finding:
    """Return the finding about a schema that is at the wanted version, or is only reported."""
    schema = observed.schema
    if not isinstance(schema, ObservedSchema):  # only reported: no reason to be not ready
        reason = "NotObserved" if schema is None else schema.reason
        return Finding(None, reason, "" if schema is None else schema.message)
    if isinstance(schema.plan, DashdbError):
        return Finding(False, schema.plan.reason, schema.plan.message)
    if not schema.plan.empty and desired.schema.policy is SchemaPolicy.REPORT:
        return Finding(False, "MigrationPending", f"{pending(schema.plan)}.")
    version = schema.summary.version
    if memory.damage:
        affects = desired.schema.policy is not SchemaPolicy.REPORT
        return Finding(False, "Damaged", damage_text(schema, memory), Recovery.WAITING, affects)
    if schema.ahead:
        text = f"Version {version} was applied by a newer release than this one; it is left alone."
        return Finding.good("SchemaAhead", text)
    if memory.drift:  # it may be an index that somebody needed: reported, but no reason to be not ready
        changed = f"Changed by hand since version {version} was applied: {listed(memory.drift)}."
        return Finding.good("Drifted", changed)
    return Finding.good("UpToDate", f"The schema is at version {version}.")


def _templates(desired: Desired, observed: Observed, memory: Memory, schema: Finding) -> Finding:
    if not desired.seed_templates:
        return Finding.good("SeedingDisabled", "Seeding is switched off.")
    if observed.templates is None and schema.blocks_ready:
        return Finding.unknown("SchemaNotCurrent", "The table of the templates is not there yet.")
    answer = decide_templates(desired, observed, memory)
    if isinstance(answer, Blocked):
        return Finding.of(answer)
    if isinstance(answer, Seed):
        failed = memory.failure(answer.key)
        if failed is not None:
            return Finding.of(failed.error)
        return Finding.bad("SeedingPending", f"To be written: {', '.join(answer.names)}.", Recovery.TRANSIENT)
    return _seeded(observed.templates if isinstance(observed.templates, tuple) else ())


def _seeded(templates: tuple[TemplateDecision, ...]) -> Finding:
    unreadable = [each for each in templates if each.state is TemplateState.UNREADABLE]
    if unreadable:
        return Finding.bad("TemplateUnreadable", _messages(unreadable), Recovery.WAITING)
    conflicts = [each for each in templates if each.state is TemplateState.CONFLICT]
    if conflicts:
        return Finding.bad("TemplateConflict", _messages(conflicts), Recovery.WAITING)
    customized = [each for each in templates if each.state is TemplateState.CUSTOMIZED]
    if customized:
        rows = ", ".join(f"{each.template_id}{_lag(each)}" for each in customized)
        return Finding.good("Customized", f"Edited by a user and kept: {rows}.")
    return Finding.good("Seeded", f"{len(templates)} system templates are in place.")


def _lag(template: TemplateDecision) -> str:
    return f" (lags behind {template.lags_behind})" if template.lags_behind else ""


def _messages(templates: list[TemplateDecision]) -> str:
    return " ".join(f"{each.template_id}: {each.message}." for each in templates)


def _healthy(observed: Observed) -> Finding:
    verdict = observed.verdict
    match verdict.health:
        case Health.HEALTHY:
            return Finding.good("Healthy", "The database answers in time.")
        case Health.DEGRADED:  # it still serves its users: said here, and no reason to be not ready
            return Finding(False, verdict.reason, verdict.warning or "")
        case Health.UNHEALTHY:
            return Finding.bad(verdict.reason, verdict.warning or "", Recovery.TRANSIENT)
