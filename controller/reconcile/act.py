"""Performs one action; a second run of the same finds nothing to do."""

from dataclasses import dataclass

import structlog

from controller.database.connection import Connection
from controller.database.pool.pool import Pool
from controller.database.transaction import transact
from controller.migrate.files.migration import Migrations
from controller.migrate.history.session import RunSettings
from controller.migrate.plan.model import Plan, Step
from controller.migrate.run.log_progress import LoggedProgress
from controller.migrate.run.runner import Runner
from controller.migrate.sql.lexer import Statement
from controller.reconcile.decide import Action, Maintain, Migrate, Seed
from controller.reconcile.memory import Session
from controller.reconcile.observed import Work
from controller.templates.merge import TemplateAction
from controller.templates.seeding import seed
from controller.templates.shipped import shipped_templates

log = structlog.get_logger(__name__)

_MAINTENANCE = ("cleanup_expired_tokens", "update_template_usage_stats")
MAINTENANCE_TRIES = 3
"""Of each function, where it and a user's transaction wait for each other."""


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
        case Migrate():
            return await _migrate(pool, session, migrations, action, RunSettings(lock_timeout_ms=lock_timeout_ms))
        case Seed():
            return await _seed(pool)
        case Maintain(retention):
            return await _maintain(pool, retention)


async def _migrate(
    pool: Pool, session: Session, migrations: Migrations, wanted: Migrate, settings: RunSettings
) -> Done:
    try:
        async with pool.connection() as connection:
            runner = Runner(connection, settings, _Tell(session), pool.connection)
            agreed = wanted.plan.sha256 if wanted.approved else None
            carried_out = await runner.run(migrations, wanted.plan.target, agreed=agreed)
    finally:
        session.work = None
    return Done("SchemaMigrated", _what_was_done(carried_out))


def _what_was_done(plan: Plan) -> str | None:
    verb = "Reverted" if plan.reverts else "Applied"
    done = [f"{verb} {', '.join(step.label for step in plan.steps)}"] if plan.steps else []
    if plan.adopts:
        done.insert(0, f"Took over from golang-migrate at version {plan.current}")
    return f"{'; '.join(done)}; the schema is at version {plan.target}." if done else None


async def _seed(pool: Pool) -> Done:
    async with pool.connection() as connection:
        results = await seed(connection, shipped_templates())
    written = [r.template_id for r in results if r.performed is not TemplateAction.NONE]
    return Done("TemplatesWritten", f"Wrote {', '.join(written)}." if written else None)


async def _maintain(pool: Pool, audit_retention_days: int | None) -> Done:
    async def call(function: str, *arguments: int) -> int:
        async def once(connection: Connection) -> int:
            parameters = ", ".join(f"${number}" for number in range(1, len(arguments) + 1))
            count: int = await connection.fetchval(f"SELECT {function}({parameters})", *arguments)
            return count

        return await transact(pool.connection, once, tries=MAINTENANCE_TRIES)

    counts = {function: await call(function) for function in _MAINTENANCE}
    if audit_retention_days is not None:
        counts["purge_audit_log"] = await call("purge_audit_log", audit_retention_days)
    log.info("maintenance done", description=pool.target.description, **counts)
    return Done("Maintained", None)


class _Tell(LoggedProgress):
    """Keeps in the session what the migration is doing, and logs it."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    def started(self, step: Step) -> None:
        super().started(step)
        self.session.work = Work(f"Running {step.label}.", self.since)

    def statement(self, step: Step, number: int, statement: Statement) -> None:
        total = len(step.script.statements)
        message = f"Running {step.label}, statement {number} of {total}, line {statement.line}."
        self.session.work = Work(message, self.since)

    def waiting(self, what: str, why: str) -> None:
        super().waiting(what, why)
        self.session.work = Work(f"{what} waits for {why}.", self.since, waits=True)
