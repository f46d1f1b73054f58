"""Running of a file in one transaction with its history row, in one round trip if no statement takes long."""

import time
from typing import NoReturn

import asyncpg

from controller.database.connection import forget_statements
from controller.database.failures import ends_connection
from controller.database.transaction import OWN_NAMES, roll_back
from controller.errors import FilePosition, MigrationFailed, Recovery
from controller.migrate.catalog.snapshot import record_statements
from controller.migrate.history import write
from controller.migrate.history.lock import LOCKED, MOVED, describe_holder, guard, guard_in_batch
from controller.migrate.history.lock_retry import HISTORY_LOCK, LockedByRunner, LockedByTable
from controller.migrate.history.session import BEGIN, NO_LIMIT, NO_LOCK, RESET, ROLLBACK_TIMEOUT
from controller.migrate.plan.model import EMPTY
from controller.migrate.run.attempt import MigrationAttempt
from controller.migrate.run.sql_error import (
    ACTIVE_TRANSACTION,
    NOTHING_APPLIED,
    deferred_error,
    nothing_applied,
    sql_error,
)
from controller.migrate.run.statement_batch import StatementBatch, statement_batches
from controller.migrate.sql.statements import may_be_of_partitions

# Only the last commit of a run waits for the disk, which writes all commits before it. A server that crashes in between
# may lose the last files, each with its history row, and the next run applies them again.
# https://www.postgresql.org/docs/current/wal-async-commit.html
_ASYNCHRONOUS_COMMIT = "SET LOCAL synchronous_commit = off;\n"


class _Unlocated(Exception):
    """One of several statements failed or got no lock, and PostgreSQL does not say which."""


class TransactionRefused(Exception):
    """PostgreSQL refuses a statement of the file inside a transaction, which its text does not tell."""


class _Moved(Exception):
    """Another runner changed the version of the database."""


async def run_in_transaction(run: MigrationAttempt) -> bool:
    """Apply or revert a file; return False if the database is not at the version that the plan expects.

    Raises:
        MigrationFailed: PostgreSQL refused a statement; nothing of the file remains.
        TransactionRefused: nothing of the file remains, and it has to run without a transaction.
        LockedByRunner, LockedByTable: a lock is held, and the file can be tried again.
    """
    try:
        try:
            return await _Transaction(run, one_by_one=run.retries > 0).run()
        except _Unlocated:  # again, one by one, to find the statement that fails or waits
            return await _Transaction(run, one_by_one=True).run()
    except _Moved:
        return False


def opening(run: MigrationAttempt) -> str:
    """Return SQL that begins the transaction of a file, and fails if the database is not as the plan expects.

    What is sent after it looks names up in the schemas of the files.
    """
    first = run.previous is None
    guarded = guard(run.location, run.step, run.expected) if first else guard_in_batch(run.location, run.expected)
    path = f"SET LOCAL search_path = {run.location.search_path};\n"
    return BEGIN + run.limits() + guarded + write.create_tables(run.location) + path


def ending(run: MigrationAttempt, *, before_commit: str = "", reset: str = RESET) -> str:
    """Return SQL that checks deferred constraints, writes the history, executes `before_commit`, and commits."""
    return f"SET CONSTRAINTS ALL IMMEDIATE;\n{closing(run, reset=reset)}{before_commit}COMMIT;"


def closing(run: MigrationAttempt, *, duration_ms: int | None = None, reset: str = RESET) -> str:
    """Return SQL that resets the session and writes the history, and at the end of a plan the catalog."""
    text = reset + OWN_NAMES + run.limits()  # a RESET also removes our settings
    if run.leads_to == EMPTY and not run.location.keeps_history:
        return text + write.drop_tables(run.location)
    if run.prepared is not None:
        text += write.write_prepared(run.location, run.step, run.prepared, retries=run.retries, since=run.previous)
    else:
        text += write.write_step(
            run.location, run.step, host=run.settings.host, retries=run.retries, duration_ms=duration_ms
        )
    recorded = run.last and not run.settings.scratch
    return text + (record_statements(run.location.schema) if recorded else _ASYNCHRONOUS_COMMIT)


class _Transaction:
    """One try of a file in a transaction.

    Attributes:
        one_by_one: True to send each statement by itself, so that an error names its statement.
    """

    def __init__(self, run: MigrationAttempt, *, one_by_one: bool) -> None:
        self.file = run
        self.one_by_one = one_by_one
        self.connection = run.connection
        self._reported = False

    async def run(self) -> bool:
        run, started = self.file, time.monotonic()
        try:
            await self._send(opening(run), ending(run))
        finally:
            await roll_back(self.connection, seconds=ROLLBACK_TIMEOUT)
            forget_statements(self.connection)
        run.progress.finished(run.step, time.monotonic() - started)
        return True

    async def _send(self, before: str, ending: str) -> None:
        """Send the file; `before` and `ending` are sent with the first and the last batch if those take no time."""
        todo = statement_batches(self.file.step.script, one_by_one=self.one_by_one)
        batch = next(todo, None)
        while batch is not None:
            following = next(todo, None)
            quick = (batch.quick or self.file.settings.scratch) and not self.one_by_one
            if before and not quick:
                await self._execute(before)
                self._report_started()
                before = ""
            after = ending if quick and following is None else ""
            if before:
                self.file.progress.sent_with_lock((self.file.step,))
            else:
                self.file.progress.statement(self.file.step, batch.number, batch.statements[0])
            await self._execute(before, batch, after)
            self._report_started()
            if after:
                return
            before, batch = "", following
        if before and not self.one_by_one:
            await self._execute(before + ending)
            self._report_started()
            return
        if before:
            await self._execute(before)
            self._report_started()
        await self._finish(ending)

    def _report_started(self) -> None:
        """Tell once that the file is started, when an answer has shown that this run holds the lock."""
        if not self._reported:
            self._reported = True
            self.file.progress.started(self.file.step)

    async def _finish(self, ending: str) -> None:
        """Check deferred constraints before COMMIT, while an error can still be assigned to the file, and commit."""
        step = self.file.step
        try:
            await self.file.execute(ending, timeout=NO_LIMIT)
        except asyncpg.PostgresError as error:
            if isinstance(error, NO_LOCK) or ends_connection(error):
                await self._raise_for(error, 0, None, combined=True)
            if isinstance(error, asyncpg.IntegrityConstraintViolationError) or error.context:  # of a trigger
                raise nothing_applied(deferred_error(step, error)) from None
            if isinstance(error, asyncpg.UndefinedTableError):  # by this file: the transaction holds the lock
                text = f"{step.label} drops or moves a table in which the history of migrations is kept."
                at = FilePosition(step.label)
                raise MigrationFailed(text + NOTHING_APPLIED, recovery=Recovery.STALLED, at=at) from None
            raise

    async def _execute(self, before: str, batch: StatementBatch | None = None, after: str = "") -> None:
        text = before if batch is None else before + batch.text + ("\n;\n" + after if after else "")
        try:
            await self.file.execute(text, timeout=NO_LIMIT)
        except asyncpg.PostgresError as error:
            await self._raise_for(error, len(before), batch, combined=bool(before or after))

    async def _raise_for(
        self, error: asyncpg.PostgresError, offset: int, batch: StatementBatch | None, *, combined: bool
    ) -> NoReturn:
        """Raise the exception that `error` means.

        Args:
            offset: number of characters of our own SQL before the batch.
            combined: True if SQL of our own was sent with the batch.
        """
        if error.sqlstate == MOVED:
            raise _Moved from None
        if error.sqlstate == LOCKED:
            await roll_back(self.connection, seconds=ROLLBACK_TIMEOUT)
            raise LockedByRunner(await describe_holder(self.connection, self.file.location)) from None
        if isinstance(error, NO_LOCK):
            if batch is not None and (combined or len(batch.statements) > 1):
                raise _Unlocated from None
            lock = f"a lock that another session holds (line {batch.statements[0].line})" if batch else HISTORY_LOCK
            raise LockedByTable(lock) from None
        if ends_connection(error):
            raise error
        if batch is None:
            if isinstance(error, asyncpg.UndefinedTableError):  # the history is gone: another runner has reverted all
                raise _Moved from None
            raise error
        position = int(error.position) - offset if error.position else None
        statement = batch.statement_at(position) if position is not None or not combined else None
        if statement is None:
            raise _Unlocated from None
        if error.sqlstate == ACTIVE_TRANSACTION and may_be_of_partitions(statement):
            raise TransactionRefused from None
        at = batch.statements[0].offset + position - 1 if position else statement.offset
        self._report_started()  # the lock was free: a statement of the file was refused
        raise nothing_applied(sql_error(self.file.step, statement, at, error)) from None
