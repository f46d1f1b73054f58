"""Brings a database to a version: one transaction a file, its history row in the same one."""

import socket
import time
from dataclasses import dataclass
from importlib.metadata import version as package_version
from typing import Protocol

import asyncpg
import tenacity

from controller.database.connection import Connection
from controller.database.failures import BROKEN_CONNECTION, DRIVER_ERRORS
from controller.errors import MigrationFailed, MigrationLocked
from controller.migrate import history as history_table
from controller.migrate.batches import Batch, batches
from controller.migrate.files import Migrations
from controller.migrate.lexer import Statement
from controller.migrate.lock import describe_holder, try_lock
from controller.migrate.plan import Plan, Step, make_plan
from controller.migrate.refusal import explain, explain_deferred

ENGINE_VERSION = package_version("dashboard-database-operator")
NO_LIMIT = 24 * 3600.0
"""Seconds; migrations may take as long as they take, and asyncpg has no way to say none."""
ROLLBACK_TIMEOUT = 5.0
"""Seconds for a ROLLBACK, with the cancellation of what ran before it."""
FIRST_WAIT, LONGEST_WAIT = 0.05, 1.0
"""Seconds between two tries for a lock: from this, doubling up to that, with full jitter."""

# Whatever the role's default is: what another runner committed before it let go of the lock has to be seen.
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED;"
_LIMITS = """
SET LOCAL lock_timeout = '{lock_timeout_ms}ms';
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL client_connection_check_interval = '500ms';
SELECT set_config(name, '0', true) FROM pg_settings WHERE name = 'transaction_timeout'; -- since PostgreSQL 17
"""
# A file may have said SET ROLE or SET search_path, made a temporary table or taken a lock: the next one, and the
# history row, see none of it. RESET ROLE goes back to what ALTER ROLE ... SET role asks for.
_RESET = """
SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; RESET ALL; DISCARD TEMP; SELECT pg_advisory_unlock_all();
"""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How patient a run is.

    Attributes:
        runner_wait: seconds to wait for another runner to finish.
        lock_timeout_ms: milliseconds that one statement may queue for a table's lock, and hold up all others
            that queue behind it.
        lock_budget: seconds over which a file that ran into that limit is tried again.
    """

    runner_wait: float = 15.0
    lock_timeout_ms: int = 1000
    lock_budget: float = 60.0


class Progress(Protocol):
    """What a run tells while it goes; every method returns at once."""

    def started(self, step: Step) -> None: ...
    def statement(self, step: Step, number: int, statement: Statement) -> None: ...
    def finished(self, step: Step, seconds: float) -> None: ...
    def waiting(self, step: Step, why: str) -> None: ...


class _LockedByRunner(Exception):
    pass


class _LockedByTable(Exception):
    pass


class _Unlocated(Exception):
    """One statement of a batch was refused, and PostgreSQL does not say which."""


_NO_LOCK = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)


@dataclass(frozen=True, slots=True)
class Runner:
    """Applies files over one connection; others may run at the same time, each file is applied by one of them."""

    connection: Connection
    settings: RunSettings
    progress: Progress

    async def run(self, migrations: Migrations, target: int | None) -> Plan:
        """Brings the database to `target` (None: the newest).

        Returns:
            What this runner did: the steps that it ran itself, and as target the version at the end.

        Raises:
            MigrationFailed: a statement was refused; nothing of its file remains, the files before it stay.
            MigrationLocked: another runner, or another session's lock on a table, outlasted our patience; or
                another runner took the database elsewhere while this one was to revert.
            and what `make_plan` raises.
        """
        done: list[Step] = []
        first = plan = make_plan(migrations, await history_table.read_history(self.connection), target)
        _read_all(first)
        while plan.steps:
            expected = plan.current
            for step in plan.steps:
                if not await self._run_step(step, expected):
                    break  # another runner was faster: look again where things stand
                done.append(step)
                expected = _version_after(step, plan)
            plan = make_plan(migrations, await history_table.read_history(self.connection), target)
            if not _is_rest_of(first, plan):
                break
        return Plan(first.current, plan.current, tuple(done))

    async def _run_step(self, step: Step, expected: int) -> bool:
        """Runs one file; False where the database is no longer at version `expected`."""
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type((_LockedByRunner, _LockedByTable)),
            wait=tenacity.wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT),
            stop=self._patience_is_over,
            before_sleep=lambda state: self.progress.waiting(step, str(state.outcome and state.outcome.exception())),
        )
        try:
            async for attempt in retrying:
                with attempt:
                    return await self._try_step(step, expected, retries=attempt.retry_state.attempt_number - 1)
        except tenacity.RetryError as error:
            raise MigrationLocked(
                f"{step.label}: gave up waiting for {error.last_attempt.exception()}. Nothing of it was applied."
            ) from None
        raise AssertionError("unreachable: the loop returns or raises")

    def _patience_is_over(self, state: tenacity.RetryCallState) -> bool:
        by_runner = state.outcome is not None and isinstance(state.outcome.exception(), _LockedByRunner)
        limit = self.settings.runner_wait if by_runner else self.settings.lock_budget
        return (state.seconds_since_start or 0.0) >= limit

    async def _try_step(self, step: Step, expected: int, *, retries: int) -> bool:
        try:
            return await self._run_in_transaction(step, expected, retries=retries)
        except _Unlocated:  # once more, one by one, to tell the statement that is refused
            return await self._run_in_transaction(step, expected, retries=retries, one_by_one=True)

    async def _run_in_transaction(self, step: Step, expected: int, *, retries: int, one_by_one: bool = False) -> bool:
        limits = _LIMITS.format(lock_timeout_ms=self.settings.lock_timeout_ms)
        await self.connection.execute(_BEGIN + limits)
        try:
            return await self._run_files_statements(step, expected, limits, retries=retries, one_by_one=one_by_one)
        except _NO_LOCK:
            raise _LockedByTable("a lock on schema_version that another session holds") from None
        finally:
            await _roll_back(self.connection)

    async def _run_files_statements(
        self, step: Step, expected: int, limits: str, *, retries: int, one_by_one: bool
    ) -> bool:
        connection = self.connection
        started = time.monotonic()
        if not await try_lock(connection):
            raise _LockedByRunner(await describe_holder(connection))
        if await history_table.read_current(connection) != expected:
            return False
        self.progress.started(step)
        await history_table.create_table(connection)
        for batch in batches(step.script, one_by_one=one_by_one):
            self.progress.statement(step, batch.number, batch.statements[0])
            await _execute(connection, step, batch)
        await _check_deferred_constraints(connection, step)
        await connection.execute(_RESET + limits)  # a RESET takes our limits too
        seconds = time.monotonic() - started
        await history_table.record(
            connection, step, host=socket.gethostname(), engine=ENGINE_VERSION, seconds=seconds, retries=retries
        )
        await connection.execute("COMMIT", timeout=NO_LIMIT)
        self.progress.finished(step, time.monotonic() - started)
        return True


async def _roll_back(connection: Connection) -> None:
    """In bounded time: a statement that its cancellation has missed ends with the connection instead."""
    if connection.is_closed() or not connection.is_in_transaction():
        return
    try:
        await connection.execute("ROLLBACK", timeout=ROLLBACK_TIMEOUT)
    except DRIVER_ERRORS:
        connection.terminate()


def _read_all(plan: Plan) -> None:
    """Cuts every file before anything is begun: a bad one touches nothing, and none of those before it runs."""
    for step in plan.steps:
        _ = step.migration.up.statements, step.migration.down.statements


def _is_rest_of(first: Plan, plan: Plan) -> bool:
    """False where another runner went past our target: an `up` never reverts what someone else applied.

    Raises:
        MigrationLocked: reverting would now undo, or bring back, more than was asked for.
    """
    if not first.reverts:
        return not plan.reverts
    asked = {(step.migration.version, step.direction) for step in first.steps}
    if any((step.migration.version, step.direction) not in asked for step in plan.steps):
        raise MigrationLocked(
            f"Another runner took the database to version {plan.current} in the meantime. Look at it, and run again.",
            reason="MigrationOvertaken",
        )
    return True


def _version_after(step: Step, plan: Plan) -> int:
    index = plan.steps.index(step)
    if not plan.reverts:
        return step.migration.version
    return plan.steps[index + 1].migration.version if index + 1 < len(plan.steps) else plan.target


async def _execute(connection: Connection, step: Step, batch: Batch) -> None:
    try:
        await connection.execute(batch.text, timeout=NO_LIMIT)
    except _NO_LOCK:
        raise _LockedByTable(f"a lock that another session holds (line {batch.statements[0].line})") from None
    except asyncpg.QueryCanceledError as error:  # by a limit that the file set itself, or by an administrator
        raise _refused(step, batch, error) from None
    except BROKEN_CONNECTION:
        raise
    except asyncpg.PostgresError as error:
        raise _refused(step, batch, error) from None


def _refused(step: Step, batch: Batch, error: asyncpg.PostgresError) -> MigrationFailed | _Unlocated:
    position = int(error.position) if error.position else None
    statement = batch.statement_at(position)
    if statement is None:
        return _Unlocated()
    offset = batch.statements[0].offset + position - 1 if position else statement.offset
    return MigrationFailed(explain(step, statement, offset, error))


async def _check_deferred_constraints(connection: Connection, step: Step) -> None:
    """What COMMIT would check, while it can still be said which file broke it."""
    try:
        await connection.execute("SET CONSTRAINTS ALL IMMEDIATE", timeout=NO_LIMIT)
    except asyncpg.IntegrityConstraintViolationError as error:
        raise MigrationFailed(explain_deferred(step, error)) from None
