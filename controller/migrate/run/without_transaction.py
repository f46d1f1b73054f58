"""Running of a file without a transaction: statement by statement, with a journal from which it can be resumed.

The journal is the file's row in the history. A statement that may run in a transaction shares one with its journal
entry, and runs exactly once. One that may not (VACUUM, CREATE INDEX CONCURRENTLY ...) is followed by its entry: if the
process dies between the two, it runs a second time. These statements allow that, and a CALL or DO in such a file has
to; for a concurrent index, the existing index is checked first. In a file with `-- dashdb:no-transaction`, every
statement runs by itself like those.
"""

import asyncio
import hashlib
import time
from typing import TypedDict

import asyncpg

from controller.database.connection import Connection, behind_pooler, forget_statements
from controller.database.failures import DRIVER_ERRORS, ends_connection
from controller.database.transaction import OWN_NAMES, roll_back
from controller.errors import ConfigurationError, DashdbError, MigrationFailed, SchemaDirty
from controller.migrate.history import write
from controller.migrate.history.lock import LOCKED, MOVED, describe_holder, keep_session_lock, lock_only, session_guard
from controller.migrate.history.lock_retry import HISTORY_LOCK, LockedByRunner, LockedByTable
from controller.migrate.history.session import (
    BEGIN,
    BEGIN_FOR_FILE,
    DISCARD_ALL,
    NO_LIMIT,
    NO_LOCK,
    RESET,
    ROLLBACK_TIMEOUT,
)
from controller.migrate.plan.make_plan import describe_dirty
from controller.migrate.plan.model import Step
from controller.migrate.run import concurrent_index as index
from controller.migrate.run.attempt import MigrationAttempt
from controller.migrate.run.in_transaction import closing
from controller.migrate.run.sql_error import nothing_applied, sql_error
from controller.migrate.sql.lexer import Statement
from controller.migrate.sql.statements import (
    concurrent_index,
    discards_all,
    may_be_of_partitions,
    may_commit,
    may_stay_in_part,
    runs_alone,
    waits_for_others,
)

PATIENT_LOCK_TIMEOUT_MS = 3_600_000
"""Milliseconds that a concurrent statement may wait for older transactions to end. It is long, since it blocks nobody
while it waits, and its work is lost if it gives up."""
_BEFORE_IT_BEGINS = ("0A", "42")
"""Classes of SQLSTATE: feature not supported; syntax error or access rule violation."""
_INTERRUPTED = ": interrupted"
# A file may have used SET ROLE for its statements; the journal is written with our own role and names.
_AS_OURSELVES = f"SET LOCAL SESSION AUTHORIZATION DEFAULT;\nSET LOCAL role TO DEFAULT;\n{OWN_NAMES}"


async def run_without_transaction(run: MigrationAttempt) -> bool:
    """Apply or revert a file from `run.step.resume_at` on; return False if the version is not the expected one.

    Raises:
        SchemaDirty: the file stopped half-way; the message says where, why, and how to continue.
        MigrationFailed: PostgreSQL refused its first statement; nothing of the file remains.
        LockedByRunner, LockedByTable: a lock is held, and the file can be tried again; what is done stays done.
    """
    try:
        await run.execute(run.limits(scope="SESSION"))
        if not await _begin(run):
            return False
        await _Journal(run).run()
        return True
    finally:
        await _leave(run)


async def _begin(run: MigrationAttempt) -> bool:
    """Take the lock for the session; return False if the version is not the expected one."""
    try:
        await run.connection.execute(f"{BEGIN}{session_guard(run.location, run.step, run.expected)}COMMIT;")
    except asyncpg.PostgresError as error:
        await roll_back(run.connection, seconds=ROLLBACK_TIMEOUT)
        if error.sqlstate == LOCKED:
            raise LockedByRunner(await describe_holder(run.connection, run.location)) from None
        if error.sqlstate == MOVED or isinstance(error, asyncpg.UndefinedTableError):
            return False
        raise
    return True


async def refuse_pooler(connection: Connection, step: Step) -> None:
    """Refuse a pooler: each statement could reach another backend, and the session's lock would outlive its client.

    Raises:
        ConfigurationError: the connection goes through a pooler.
    """
    if await behind_pooler(connection):
        raise ConfigurationError(
            f"{step.label} runs without a transaction, which needs a session of its own and so cannot go through "
            "PgBouncer. Connect to PostgreSQL itself for migrations.",
            reason="DirectConnectionNeeded",
        )


async def _leave(run: MigrationAttempt) -> None:
    """Reset the session and release its lock; close the connection if that fails, which has the same effect."""
    await roll_back(run.connection, seconds=ROLLBACK_TIMEOUT)
    if run.connection.is_closed():
        return
    forget_statements(run.connection)
    try:
        await run.connection.execute(RESET, timeout=ROLLBACK_TIMEOUT)
    except DRIVER_ERRORS:
        run.connection.terminate()


class _Entry(TypedDict):
    done: int
    done_sha256: str
    error: str


class _Journal:
    """Run of one file, which keeps its position in memory and in the database."""

    def __init__(self, run: MigrationAttempt) -> None:
        self.file = run
        self.connection = run.connection
        self.script = run.step.script
        self.done = run.step.resume_at or 0
        self.interrupted = False
        self.digest = hashlib.sha256()
        for statement in self.script.statements[: self.done]:
            self.digest.update(statement.normalised)

    async def run(self) -> None:
        run, started = self.file, time.monotonic()
        run.progress.started(run.step)
        try:
            await self._begin()
            for number, statement in enumerate(self.script.statements[self.done :], start=self.done + 1):
                run.progress.statement(run.step, number, statement)
                await self._advance(statement)
            milliseconds = round((time.monotonic() - started) * 1000)
            # RESET releases the session's lock, so the lock of the transaction is taken before it.
            ending = lock_only(run.location) + closing(run, duration_ms=milliseconds)
            await self._write(run.limits() + ending)
        except asyncio.CancelledError:
            self._report_half_done()
            raise
        run.progress.finished(run.step, time.monotonic() - started)

    async def _begin(self) -> None:
        run = self.file
        if run.step.resume_at is not None:
            query = f"SELECT error FROM {run.location.detail} WHERE version = {run.step.migration.version}"
            error = await self.connection.fetchval(query)
            self.interrupted = str(error).endswith(_INTERRUPTED)
        host, retries = run.settings.host, run.retries
        begin = write.begin_journal(run.location, run.step, **self._entry(), host=host, retries=retries)
        await self._write(write.create_tables(run.location) + begin)
        await self.connection.execute(f"SET SESSION search_path = {run.location.search_path}")

    async def _write(self, text: str) -> None:
        """Execute SQL that changes the history in a transaction of its own."""
        try:
            lock = keep_session_lock(self.file.location)
            await self.file.execute(f"{BEGIN}{_AS_OURSELVES}{lock}{text}COMMIT;")
        except NO_LOCK:
            await roll_back(self.connection, seconds=ROLLBACK_TIMEOUT)
            raise LockedByTable(HISTORY_LOCK) from None

    def _report_half_done(self) -> None:
        statements = self.script.statements
        if statements:  # at the end, where only the history is left to write, report the last one
            number = min(self.done + 1, len(statements))
            self.file.progress.left_half_done(self.file.step, number, statements[number - 1])

    async def _advance(self, statement: Statement) -> None:
        """Run one statement and write its journal entry."""
        alone = self._runs_by_itself(statement)
        before, self.done = self.done, self.done + 1
        self.digest.update(statement.normalised)
        entry = write.advance_journal(self.file.location, self.file.step, **self._entry())
        opening = "" if alone else BEGIN_FOR_FILE + self.file.limits()
        try:
            if alone:
                await self._run_alone(statement, may_be_done=self.interrupted and before == self.file.step.resume_at)
                await self._write(self.file.limits(lock_timeout_ms=PATIENT_LOCK_TIMEOUT_MS) + entry)
            else:
                lock = keep_session_lock(self.file.location)
                text = f"{opening}{statement.text}\n;\n{_AS_OURSELVES}{lock}{entry}COMMIT;"
                await self.file.execute(text, timeout=NO_LIMIT)
        except asyncio.CancelledError:
            self.done = before
            raise
        except NO_LOCK:
            await self._stop(before, half=may_stay_in_part(statement))
            raise LockedByTable(f"a lock that another session holds (line {statement.line})") from None
        except (asyncpg.PostgresError, MigrationFailed) as error:
            if ends_connection(error):
                raise
            why = error if isinstance(error, MigrationFailed) else self._explain(statement, error, len(opening))
            half = _may_have_begun(statement, error)
            raise await self._refusal(why, before, half=half) from None
        finally:
            forget_statements(self.connection)

    def _runs_by_itself(self, statement: Statement) -> bool:
        kinds = (runs_alone, may_commit, may_be_of_partitions)
        return self.script.asks_for_none or any(kind(statement) for kind in kinds)

    async def _run_alone(self, statement: Statement, *, may_be_done: bool) -> None:
        """Run a statement outside a transaction.

        Args:
            may_be_done: True if an earlier run was interrupted during the statement or just after it.
        """
        lock_timeout_ms = PATIENT_LOCK_TIMEOUT_MS if waits_for_others(statement) else None
        await self.connection.execute(self.file.limits(lock_timeout_ms=lock_timeout_ms, scope="SESSION"))
        wanted = concurrent_index(statement, file=self.script.name)
        if discards_all(statement):
            path = f"SET SESSION search_path = {self.file.location.search_path};"
            await self.connection.execute(DISCARD_ALL + path, timeout=NO_LIMIT)
        elif wanted is None:
            await self.file.execute(statement.text, timeout=NO_LIMIT)
        elif not (may_be_done and await index.is_valid(self.connection, wanted)):
            await index.drop_invalid(self.connection, wanted)
            await self.file.execute(statement.text, timeout=NO_LIMIT)
            await index.check(self.connection, wanted, at=statement.position(self.script.name))

    def _explain(self, statement: Statement, error: asyncpg.PostgresError, ours: int) -> MigrationFailed:
        """Return the error to show; `ours` is the number of characters of our own SQL before the statement."""
        position = int(error.position or 0) - ours
        inside = 0 < position <= len(statement.text) + 1  # the position after the last character is the end of input
        return sql_error(self.file.step, statement, statement.offset + (position - 1 if inside else 0), error)

    async def _refusal(self, why: MigrationFailed, done: int, *, half: bool) -> DashdbError:
        """Write why the file stopped into the journal, and return the error to raise; see `_stop`."""
        await self._stop(done, half=half, why=why.message)
        if done == 0 and not half:
            return nothing_applied(why)
        step = self.file.step
        message = describe_dirty(step.migration.version, step.direction, self._where(done, why.message))
        return SchemaDirty(message, at=why.at, report=why.report, recovery=why.recovery)

    async def _stop(self, done: int, *, half: bool, why: str | None = None) -> None:
        """Write the position into the journal, or remove the journal if nothing of the file is in the database.

        Args:
            half: True if a part of the statement after those that are done may be in the database.
        """
        await roll_back(self.connection, seconds=ROLLBACK_TIMEOUT)
        location, step = self.file.location, self.file.step
        if done or half:
            digest = self.script.digest_of_first(done)
            where = self._where(done, why)
            entry = write.advance_journal(location, step, done=done, done_sha256=digest, error=where)
        else:
            entry = write.undo_journal(location, step) if location.has_history else write.drop_tables(location)
        await self._write(self.file.limits() + entry)

    def _entry(self) -> _Entry:
        return {"done": self.done, "done_sha256": self.digest.hexdigest(), "error": self._where(self.done)}

    def _where(self, done: int, why: str | None = None) -> str:
        statements = self.script.statements
        if done == len(statements):
            return f"the end of {self.script.name}{_INTERRUPTED}"
        location = f"{self.script.name}:{statements[done].line}"
        return f"statement {done + 1} of {len(statements)}: {why or location + _INTERRUPTED}"


def _may_have_begun(statement: Statement, error: asyncpg.PostgresError | MigrationFailed) -> bool:
    """Return whether a part of a refused statement may be in the database.

    What PostgreSQL refuses for its syntax, names or rights has not begun, unless a function says so (with a context).
    """
    if isinstance(error, MigrationFailed) or not may_stay_in_part(statement):
        return False
    return bool(error.context) or not (error.sqlstate or "").startswith(_BEFORE_IT_BEGINS)
