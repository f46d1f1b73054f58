"""Several short files in one message to the server; each is still a transaction of its own, with its history row.

A file that only writes the catalog takes less time than the way to the server and back. The server works a message off
up to the first error, and what was committed before that stays:
https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
"""

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise, takewhile

import asyncpg

from controller.database.failures import BROKEN_CONNECTION
from controller.migrate.batches import LARGEST_BATCH, batches
from controller.migrate.file_run import NO_LIMIT, FileRun, roll_back
from controller.migrate.history import read_history_at
from controller.migrate.lock import LOCKED, MOVED
from controller.migrate.plan import Direction
from controller.migrate.transaction import ending, opening

MOST_FILES = 32
"""Above this there is little to win, and progress should move."""
LONGEST = 100_000
"""Characters of the files together, their ways back included: the whole message is in memory, here and there."""


@dataclass(frozen=True)
class Bundle:
    """Runs that follow each other: one, or several short ones."""

    runs: tuple[FileRun, ...]

    @property
    def single(self) -> bool:
        """Of one file, which goes its own way."""
        return len(self.runs) == 1

    @cached_property
    def message(self) -> str:
        """SQL that applies all of them."""
        others = (replace(run, behind=before.step.migration.version) for before, run in pairwise(self.runs))
        return "".join(map(_whole, [self.runs[0], *others]))


def bundles(runs: Iterable[FileRun]) -> Iterator[Bundle]:
    """All runs in order, short ones together. Pure."""
    together: list[FileRun] = []
    length = 0
    for run in runs:
        more = _length(run)
        short = more <= LONGEST and _is_short(run)
        if together and (not short or length + more > LONGEST or len(together) == MOST_FILES):
            yield Bundle(tuple(together))
            together, length = [], 0
        if short:
            together.append(run)
            length += more
        else:
            yield Bundle((run,))
    if together:
        yield Bundle(tuple(together))


async def run_bundle(bundle: Bundle, following: Bundle | None) -> int:
    """Applies or reverts the files, and returns how many of them are done, counted from the first.

    Those behind them are as they were; the next one, run by itself, tells what stopped it.

    Args:
        following: to be made ready while the server is at work.
    """
    connection, started = bundle.runs[0].connection, time.monotonic()
    message, loop = bundle.message, asyncio.get_running_loop()
    if following is not None and not following.single:
        loop.call_soon(getattr, following, "message")
    try:
        await connection.execute(message, timeout=NO_LIMIT)
        done = len(bundle.runs)
    except asyncpg.PostgresError as error:
        if isinstance(error, BROKEN_CONNECTION) and not isinstance(error, asyncpg.QueryCanceledError):
            raise
        await roll_back(connection)
        done = await _done_before(error, bundle)
    finally:
        await roll_back(connection)
    if done:  # told while the server is at work on what comes next
        loop.call_soon(_tell, bundle.runs[:done], (time.monotonic() - started) / done)
    return done


def _tell(done: Iterable[FileRun], seconds: float) -> None:
    for run in done:
        run.progress.started(run.step)
        run.progress.finished(run.step, seconds)


async def _done_before(error: asyncpg.PostgresError, bundle: Bundle) -> int:
    if error.sqlstate in (LOCKED, MOVED):  # another runner may have done the rest: only our own count
        return [str(run.step.migration.version) for run in bundle.runs].index(error.detail)
    first = bundle.runs[0]
    history = await read_history_at(first.connection, replace(first.place, has_history=True))
    applied = {row.version: row.sha256 for row in history if row.applied}

    def is_done(run: FileRun) -> bool:
        migration = run.step.migration
        if run.step.direction is Direction.DOWN:
            return migration.version not in applied
        return applied.get(migration.version) == migration.up.sha256

    return sum(1 for _ in takewhile(is_done, bundle.runs))


def _whole(run: FileRun) -> str:
    return f"{opening(run)}{run.step.script.text}\n;\n{ending(run)}\n"


def _is_short(run: FileRun) -> bool:
    """Nothing in it may take long. One that comes late is none: `guard_behind` cannot tell that another applied it."""
    step = run.step
    late = step.direction is Direction.UP and step.migration.version < run.expected
    if late or not step.script.transactional or len(step.script.statements) > LARGEST_BATCH:
        return False
    return all(batch.quick for batch in batches(step.script))


def _length(run: FileRun) -> int:
    return len(run.step.migration.up.text) + len(run.step.migration.down.text)
