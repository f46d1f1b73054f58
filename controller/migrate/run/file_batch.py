"""Several short files in one message to the server; each is still a transaction of its own, with its history row.

A file that only writes the catalog takes less time than a round trip to the server. The server runs the statements of a
message up to the first error, and what was committed before it stays:
https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
"""

import asyncio
import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import asyncpg

from controller.database.connection import Connection
from controller.database.failures import ends_connection
from controller.database.transaction import roll_back
from controller.migrate.history.session import BEGIN, NO_LIMIT, NO_LOCK, QUICK_RESET, ROLLBACK_TIMEOUT
from controller.migrate.history.write import prepare_steps
from controller.migrate.plan.model import Direction
from controller.migrate.run.attempt import MigrationAttempt
from controller.migrate.run.in_transaction import ending, opening
from controller.migrate.run.statement_batch import LARGEST_STATEMENT_BATCH, statement_batches

MOST_FILES = 32
"""Limit of files in a batch; more would save little time, and delay progress."""
LONGEST = 100_000
"""Limit in characters of all files of a batch, down migrations included; client and server hold it in memory."""

_NOTE = "dashdb.done"
"""Setting of ours that counts the files that are done; a rollback restores it:
https://www.postgresql.org/docs/current/runtime-config-custom.html."""
_ASK = f"""ROLLBACK; DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_prepared_statements WHERE name = '{{name}}') THEN
        DEALLOCATE {{name}};
    END IF;
    RAISE EXCEPTION USING DETAIL = coalesce(pg_catalog.current_setting('{_NOTE}', true), '');
END $$"""


@dataclass(frozen=True)
class FileBatch:
    """Files that are sent together: several short ones, or a single one.

    Attributes:
        token: value that marks the session's notes of this batch.
    """

    runs: tuple[MigrationAttempt, ...]
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def single(self) -> bool:
        """True for a single file, which is run by itself."""
        return len(self.runs) == 1

    @property
    def label(self) -> str:
        return f"{self.runs[0].step.label} to {self.runs[-1].step.label}"

    @cached_property
    def message(self) -> str:
        """SQL that applies or reverts all files, and notes in the session how many are done."""
        name, last = self.prepared_name, self.runs[-1]
        # A statement stays prepared after a ROLLBACK, and the commits of a message are counted to tell its files apart.
        prepare = f"{BEGIN}{prepare_steps(last.location, name, host=last.settings.host)}ROLLBACK;\n"
        parts: list[str] = []
        previous: int | None = None
        for done, run in enumerate(self.runs, start=1):
            prepared = name if run.location.has_history else None  # the first file of all makes the tables
            if prepared and prepare:
                parts.append(prepare)
                prepare = ""
            parts.append(self._whole(replace(run, previous=previous, prepared=prepared), done))
            previous = run.step.migration.version
        return "".join(parts) + ("" if prepare else f"DEALLOCATE {name};")

    @property
    def prepared_name(self) -> str:
        """Name of the statement that writes the history of each file."""
        return f"dashdb_{self.token}"

    def _whole(self, run: MigrationAttempt, done: int) -> str:
        note = f"SET SESSION {_NOTE} = '{self.token} {done}';\n"
        # Statements that only write the catalog leave nothing in the session, so one reset for all of them will do.
        reset = QUICK_RESET if done == len(self.runs) else ""
        return f"{opening(run)}{run.step.script.body}\n;\n{ending(run, before_commit=note, reset=reset)}\n"


def file_batches(runs: Iterable[MigrationAttempt]) -> Iterator[FileBatch]:
    """Yield all files in order, grouped into batches."""
    together: list[MigrationAttempt] = []
    length = 0
    for run in runs:
        more = _length(run)
        short = more <= LONGEST and _is_short(run)
        if together and (not short or length + more > LONGEST or len(together) == MOST_FILES):
            yield FileBatch(tuple(together))
            together, length = [], 0
        if short:
            together.append(run)
            length += more
        else:
            yield FileBatch((run,))
    if together:
        yield FileBatch(tuple(together))


async def run_file_batch(file_batch: FileBatch, following: FileBatch | None) -> tuple[MigrationAttempt, ...]:
    """Apply or revert the files of a batch; return those that are not done.

    The first of those failed and was rolled back; the caller runs it by itself to find the cause.

    Args:
        following: next batch, whose message is prepared while the server works.
    """
    connection, started = file_batch.runs[0].connection, time.monotonic()
    message, loop = file_batch.message, asyncio.get_running_loop()
    others_follow = following is not None and not following.single
    if others_follow:
        loop.call_soon(getattr, following, "message")
    done, retries = len(file_batch.runs), 0
    file_batch.runs[0].progress.sent_with_lock([run.step for run in file_batch.runs])
    try:
        await file_batch.runs[0].execute(message, timeout=NO_LIMIT)
    except asyncpg.PostgresError as error:
        if ends_connection(error):
            raise
        done, retries = await _done_before(connection, file_batch), int(isinstance(error, NO_LOCK))
    finally:
        await roll_back(connection, seconds=ROLLBACK_TIMEOUT)
    seconds = (time.monotonic() - started) / max(1, done)
    if others_follow and done == len(file_batch.runs):  # report while the server works on the next batch
        loop.call_soon(_report_done, file_batch.runs, seconds)
    else:
        _report_done(file_batch.runs[:done], seconds)
    return (
        tuple(replace(run, retries=retries) for run in file_batch.runs[done : done + 1]) + file_batch.runs[done + 1 :]
    )


def _report_done(done: Iterable[MigrationAttempt], seconds: float) -> None:
    for run in done:
        run.progress.started(run.step)
        run.progress.finished(run.step, seconds)


async def _done_before(connection: Connection, file_batch: FileBatch) -> int:
    """Return the number of files done before one failed, from the note of this session.

    The history cannot answer that, since other runners write it as well. The query is in one message with the ROLLBACK,
    since behind PgBouncer the session belongs to another client after it; so is the end of the prepared statement.
    """
    try:
        await connection.execute(_ASK.format(name=file_batch.prepared_name))
    except asyncpg.RaiseError as answer:
        noted_token, _, done = (answer.detail or "").partition(" ")
        return int(done) if noted_token == file_batch.token else 0
    raise AssertionError("unreachable: the statement raises its answer")


def _is_short(run: MigrationAttempt) -> bool:
    """Return whether no statement of the file takes long.

    A file that is out of order is never short: `guard_in_batch` cannot detect that another runner applied it.
    """
    step = run.step
    late = step.direction is Direction.UP and step.migration.version < run.expected
    if late or not step.transactional or len(step.script.statements) > LARGEST_STATEMENT_BATCH:
        return False
    return all(batch.quick for batch in statement_batches(step.script))


def _length(run: MigrationAttempt) -> int:
    return sum(len(script.text) for script in run.step.migration.scripts)
