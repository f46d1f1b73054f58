"""Perform one action; a second run of the same finds nothing to do."""

import time
from collections.abc import Callable

import structlog

from controller.database.connection import Connection
from controller.database.located_schema import LocatedSchema
from controller.database.pool.pool import Pool
from controller.database.transaction import transact
from controller.desired import Desired
from controller.errors import ChangeNotPermitted, DashdbError, InternalError
from controller.migrate.files.migration import Migrations
from controller.migrate.history.session import RunSettings
from controller.migrate.plan.model import Plan, Step, shown_version
from controller.migrate.run.log_progress import LoggedProgress
from controller.migrate.sql.lexer import Statement
from controller.reconcile.decide import Action, Maintain, Migrate, Seed
from controller.reconcile.result import Event, MigrationProgress, OnProgress
from controller.runtime.fence import Fence
from controller.templates.merge import TemplateAction
from controller.templates.seeding import seed_under_lock, table_in
from controller.templates.shipped import shipped_templates

log = structlog.get_logger(__name__)

_COUNTS = ("update_template_usage_stats", "update_share_token_usage")
"""Functions that count once, in each round of maintenance."""
MAINTENANCE_TRIES = 3
"""Tries of each function, if it deadlocks with a user's transaction."""
REMOVAL_SECONDS = 60.0
"""Time in which a round works part by part; the next round goes on where it stopped."""


async def act(  # noqa: PLR0917 - what an action works with
    action: Action,
    desired: Desired,
    schema: LocatedSchema | None,
    pool: Pool,
    migrations: Callable[[], Migrations],
    on_progress: OnProgress,
    fence: Fence,
) -> Event | None:
    """Perform `action`; return what it changed, None where there was nothing to change.

    Args:
        schema: as the observation found it a moment ago; a migration checks it anew where it is None.
        fence: asked before anything is changed; a migration asks again before each file.

    Raises:
        DashdbError: it did not succeed; nothing of it is half done, unless the error says that the schema is dirty.
    """
    match action:
        case Migrate():
            return await _migrate(action, desired, schema, pool, migrations(), on_progress, fence)
        case Seed():
            await fence()
            return await _seed(_located(schema), pool)
        case Maintain(retention):
            await _maintain(_located(schema), pool, retention, fence)
            return None


def _located(schema: LocatedSchema | None) -> LocatedSchema:
    if schema is None:
        raise InternalError("An action was decided on without a schema.")
    return schema


async def _migrate(  # noqa: PLR0917 - as above
    action: Migrate,
    desired: Desired,
    schema: LocatedSchema | None,
    pool: Pool,
    migrations: Migrations,
    on_progress: OnProgress,
    fence: Fence,
) -> Event | None:
    wanted = desired.schema
    settings = RunSettings(runner_wait=wanted.runner_wait, lock_timeout_ms=wanted.lock_timeout_ms, schema=wanted.name)
    try:
        # Loaded by the first migration: a process that only watches does without it, and its memory.
        from controller.migrate.run.runner import Runner  # noqa: PLC0415

        async with pool.connection() as connection:
            runner = Runner(connection, settings, _ReportedProgress(on_progress), pool.connection, fence)
            agreed = action.plan.sha256 if action.approved else None
            done = await runner.run(migrations, action.plan.target, agreed=agreed, located=schema)
    finally:
        on_progress(None)
    message = _describe(done)
    return Event("SchemaMigrated", message) if message else None


def _describe(plan: Plan) -> str:
    """Return what a run did, in words; empty where another runner had done it all."""
    verb = "Reverted" if plan.reverts else "Applied"
    done = [f"{verb} {', '.join(step.label for step in plan.steps)}"] if plan.steps else []
    if plan.adopts:
        done.insert(0, f"Adopted the history of golang-migrate at version {shown_version(plan.current)}")
    return f"{'; '.join(done)}; the schema is at version {shown_version(plan.target)}." if done else ""


async def _seed(schema: LocatedSchema, pool: Pool) -> Event | None:
    async with pool.connection() as connection:
        results = await seed_under_lock(connection, table_in(schema), shipped_templates())
    written = [each.template_id for each in results if each.performed is not TemplateAction.NONE]
    return Event("TemplatesWritten", f"Wrote {', '.join(written)}.") if written else None


async def _maintain(schema: LocatedSchema, pool: Pool, audit_retention_days: int | None, fence: Fence) -> None:
    """Run each function of maintenance, whatever came of the others; those that do a part at a time until none is left.

    Raises:
        DashdbError: the first that failed; ChangeNotPermitted, where nothing more may be done now, at once.
    """
    until = time.monotonic() + REMOVAL_SECONDS
    stepwise: dict[str, tuple[int, ...]] = {"cleanup_expired_tokens": ()}
    if audit_retention_days is not None:
        stepwise |= {"partition_audit_log": (), "purge_audit_log": (audit_retention_days,)}
    counts: dict[str, int] = {}
    failures: list[DashdbError] = []
    for function, arguments in {**stepwise, **dict.fromkeys(_COUNTS, ())}.items():
        counts[function] = 0
        try:
            while count := await _call(schema, pool, function, arguments, fence):
                counts[function] += count
                if function not in stepwise or time.monotonic() > until:
                    break
        except ChangeNotPermitted:
            raise
        except DashdbError as error:
            failures.append(error)
    log.info("maintenance done", database=pool.target.description, failures=len(failures), **counts)
    if failures:
        raise failures[0]


async def _call(schema: LocatedSchema, pool: Pool, function: str, arguments: tuple[int, ...], fence: Fence) -> int:
    """Call a function of the schema in a transaction of its own, and return its count."""
    parameters = ", ".join(f"${number}::integer" for number in range(1, len(arguments) + 1))
    query = f"SELECT {schema.qualified(function)}({parameters})"

    async def once(connection: Connection) -> int:
        count: int = await connection.fetchval(query, *arguments)
        return count

    await fence()
    return await transact(pool.connection, once, tries=MAINTENANCE_TRIES)


class _ReportedProgress(LoggedProgress):
    """Progress of the engine, logged and handed on."""

    def __init__(self, on_progress: OnProgress) -> None:
        super().__init__()
        self._on_progress = on_progress

    def started(self, step: Step) -> None:
        super().started(step)
        self._on_progress(MigrationProgress(f"Running {step.label}.", self.since))

    def statement(self, step: Step, number: int, statement: Statement) -> None:
        total = len(step.script.statements)
        message = f"Running {step.label}, statement {number} of {total}, line {statement.line}."
        self._on_progress(MigrationProgress(message, self.since, leaves_part=not step.transactional))

    def waiting(self, what: str, why: str) -> None:
        super().waiting(what, why)
        self._on_progress(MigrationProgress(f"{what} waits for {why}.", self.since, waits=True))
