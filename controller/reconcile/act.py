"""Performs one action; a second run of the same finds nothing to do."""

import time
from dataclasses import dataclass

import structlog

from controller.database.pool import Pool
from controller.migrate.files import Migrations
from controller.migrate.lexer import Statement
from controller.migrate.plan import Step
from controller.migrate.runner import Runner, RunSettings
from controller.reconcile.decide import Action, Maintain, Migrate, Seed
from controller.reconcile.observed import Work
from controller.reconcile.session import Session
from controller.templates.merge import TemplateAction
from controller.templates.seeding import seed
from controller.templates.shipped import shipped_templates

log = structlog.get_logger(__name__)

_MAINTENANCE = ("cleanup_expired_tokens()", "update_template_usage_stats()")


@dataclass(frozen=True, slots=True)
class Done:
    """What an action changed, for an event.

    Attributes:
        reason: CamelCase, stable.
        message: names what was changed; None where nothing was.
    """

    reason: str
    message: str | None


async def act(action: Action, pool: Pool, session: Session, migrations: Migrations, lock_timeout_ms: int) -> Done:
    """Does what was decided.

    Raises:
        DashdbError: it did not succeed; nothing of it is half done.
    """
    match action:
        case Migrate(plan):
            return await _migrate(pool, session, migrations, plan.target, RunSettings(lock_timeout_ms=lock_timeout_ms))
        case Seed():
            return await _seed(pool)
        case Maintain(retention):
            return await _maintain(pool, retention)


async def _migrate(pool: Pool, session: Session, migrations: Migrations, target: int, settings: RunSettings) -> Done:
    try:
        async with pool.connection() as connection:
            carried_out = await Runner(connection, settings, _Tell(session)).run(migrations, target)
    finally:
        session.work = None
    names = ", ".join(step.label for step in carried_out.steps)
    return Done("SchemaMigrated", f"Applied {names}; the schema is at version {target}." if names else None)


async def _seed(pool: Pool) -> Done:
    async with pool.connection() as connection:
        results = await seed(connection, shipped_templates())
    written = [r.template_id for r in results if r.performed is not TemplateAction.NONE]
    return Done("TemplatesWritten", f"Wrote {', '.join(written)}." if written else None)


async def _maintain(pool: Pool, audit_retention_days: int | None) -> Done:
    counts: dict[str, int] = {}
    async with pool.connection() as connection:
        for call in _MAINTENANCE:
            counts[call] = await connection.fetchval(f"SELECT {call}")
        if audit_retention_days is not None:
            counts["purge_audit_log()"] = await connection.fetchval("SELECT purge_audit_log($1)", audit_retention_days)
    log.info("maintenance done", place=pool.target.place, **counts)
    return Done("Maintained", None)


class _Tell:
    """Keeps in the session what the migration is doing, and logs it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._since = 0.0
        self._waited_for: str | None = None

    def started(self, step: Step) -> None:
        self._since = time.monotonic()
        self.session.work = Work(f"Running {step.label}.", self._since)
        log.info("migration started", file=step.label, statements=len(step.script.statements))

    def statement(self, step: Step, number: int, statement: Statement) -> None:
        total = len(step.script.statements)
        message = f"Running {step.label}, statement {number} of {total}, line {statement.line}."
        self.session.work = Work(message, self._since)

    def finished(self, step: Step, seconds: float) -> None:
        log.info("migration finished", file=step.label, duration_seconds=round(seconds, 3))

    def waiting(self, step: Step, why: str) -> None:
        self.session.work = Work(f"{step.label} waits for {why}.", self._since, waits=True)
        if why != self._waited_for:  # it is tried every second
            log.info("migration waits", file=step.label, blocked_by=why)
            self._waited_for = why
