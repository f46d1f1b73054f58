"""Several short files in one message to the server; each is still a transaction of its own, with its history row.

A file that only writes the catalog takes less time than the way to the server and back. The server works a message off
up to the first error, and what was committed before that stays:
https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
"""

import asyncio
import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import asyncpg

from controller.database.connection import Connection
from controller.database.failures import ends_connection
from controller.database.transaction import roll_back
from controller.migrate.history.session import NO_LIMIT, NO_LOCK, ROLLBACK_TIMEOUT
from controller.migrate.plan.model import Direction
from controller.migrate.run.attempt import MigrationAttempt
from controller.migrate.run.in_transaction import ending, opening
from controller.migrate.run.statement_batch import LARGEST_STATEMENT_BATCH, statement_batches

MOST_FILES = 32
"""Above this there is little to win, and progress should move."""
LONGEST = 100_000
"""Characters of the files together, their ways back included: the whole message is in memory, here and there."""

_NOTE = "dashdb.done"
"""A setting of ours, which a transaction that is rolled back leaves as it was:
https://www.postgresql.org/docs/current/runtime-config-custom.html."""
_ASK = f"ROLLBACK; DO $$ BEGIN RAISE EXCEPTION USING DETAIL = coalesce(current_setting('{_NOTE}', true), ''); END $$"


@dataclass(frozen=True)
class FileBatch:
    """Runs that follow each other: one, or several short ones.

    Attributes:
        token: by which the session's notes of this bundle are known.
    """

    runs: tuple[MigrationAttempt, ...]
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def single(self) -> bool:
        """Of one file, which goes its own way."""
        return len(self.runs) == 1

    @property
    def label(self) -> str:
        return f"{self.runs[0].step.label} to {self.runs[-1].step.label}"

    @cached_property
    def message(self) -> str:
        """SQL that applies or reverts all of them, and notes in the session how many are done."""
        others = (replace(run, behind=before.step.migration.version) for before, run in pairwise(self.runs))
        return "".join(self._whole(run, done) for done, run in enumerate([self.runs[0], *others], start=1))

    def _whole(self, run: MigrationAttempt, done: int) -> str:
        note = f"SET SESSION {_NOTE} = '{self.token} {done}';\n"
        return f"{opening(run)}{run.step.script.text}\n;\n{ending(run, last_words=note)}\n"


def file_batches(runs: Iterable[MigrationAttempt]) -> Iterator[FileBatch]:
    """All runs in order, short ones together; decides, and sends nothing."""
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
    """Applies or reverts the files; returns those that are still to be done.

    They are as they were; the first of them, run by itself, tells what stopped it.

    Args:
        following: to be made ready while the server is at work.
    """
    connection, started = file_batch.runs[0].connection, time.monotonic()
    message, loop = file_batch.message, asyncio.get_running_loop()
    others_follow = following is not None and not following.single
    if others_follow:
        loop.call_soon(getattr, following, "message")
    done, retries = len(file_batch.runs), 0
    try:
        await connection.execute(message, timeout=NO_LIMIT)
    except asyncpg.PostgresError as error:
        if ends_connection(error):
            raise
        done, retries = await _done_before(connection, file_batch.token), int(isinstance(error, NO_LOCK))
    finally:
        await roll_back(connection, seconds=ROLLBACK_TIMEOUT)
    seconds = (time.monotonic() - started) / max(1, done)
    if others_follow and done == len(file_batch.runs):  # told while the server is at work on them
        loop.call_soon(_tell, file_batch.runs, seconds)
    else:
        _tell(file_batch.runs[:done], seconds)
    return (
        tuple(replace(run, retries=retries) for run in file_batch.runs[done : done + 1]) + file_batch.runs[done + 1 :]
    )


def _tell(done: Iterable[MigrationAttempt], seconds: float) -> None:
    for run in done:
        run.progress.started(run.step)
        run.progress.finished(run.step, seconds)


async def _done_before(connection: Connection, token: str) -> int:
    """How many files were done when one was refused, by the session's own note: what others did meanwhile is theirs.

    Asked together with the ROLLBACK: behind PgBouncer the session is another client's after that.
    """
    try:
        await connection.execute(_ASK)
    except asyncpg.RaiseError as told:
        of, _, done = (told.detail or "").partition(" ")
        return int(done) if of == token else 0
    raise AssertionError("unreachable: it raises what it is asked for")


def _is_short(run: MigrationAttempt) -> bool:
    """Nothing in it may take long. One that comes late is none: `guard_behind` cannot tell that another applied it."""
    step = run.step
    late = step.direction is Direction.UP and step.migration.version < run.expected
    if late or not step.script.transactional or len(step.script.statements) > LARGEST_STATEMENT_BATCH:
        return False
    return all(batch.quick for batch in statement_batches(step.script))


def _length(run: MigrationAttempt) -> int:
    return len(run.step.migration.up.text) + len(run.step.migration.down.text)
