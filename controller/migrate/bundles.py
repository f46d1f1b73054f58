"""Several short files in one message to the server; each is still a transaction of its own, with its history row.

A file that only writes the catalog takes less time than the way to the server and back. The server works a message off
up to the first error, and what was committed before that stays:
https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import takewhile

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

Bundle = tuple[FileRun, ...]
"""Runs that follow each other: one, or several short ones."""


def bundles(runs: Iterable[FileRun]) -> Iterator[Bundle]:
    """All runs in order, short ones together. Pure."""
    together: list[FileRun] = []
    length = 0
    for run in runs:
        more = _length(run)
        short = more <= LONGEST and _is_short(run)
        if together and (not short or length + more > LONGEST or len(together) == MOST_FILES):
            yield tuple(together)
            together, length = [], 0
        if short:
            together.append(run)
            length += more
        else:
            yield (run,)
    if together:
        yield tuple(together)


async def run_bundle(bundle: Bundle) -> int:
    """Applies the files, and returns how many of them are applied, counted from the first.

    Those behind them are as they were; the next one, run by itself, tells what stopped it.
    """
    first, *others = bundle
    progress, started = first.progress, time.monotonic()
    progress.started(first.step)
    try:
        text = "".join(map(_whole, [first, *(replace(run, behind=True) for run in others)]))
        await first.connection.execute(text, timeout=NO_LIMIT)
        done = len(bundle)
    except asyncpg.PostgresError as error:
        if isinstance(error, BROKEN_CONNECTION) and not isinstance(error, asyncpg.QueryCanceledError):
            raise
        await roll_back(first.connection)
        done = await _applied_before(error, bundle)
    finally:
        await roll_back(first.connection)
    seconds = time.monotonic() - started
    for run in bundle[:done]:
        if run is not first:
            progress.started(run.step)
        progress.finished(run.step, seconds / done)
    return done


async def _applied_before(error: asyncpg.PostgresError, bundle: Bundle) -> int:
    if error.sqlstate in (LOCKED, MOVED):  # another runner may have applied the rest: only our own count
        return [str(run.step.migration.version) for run in bundle].index(error.detail)
    place = replace(bundle[0].place, has_history=True)
    applied = {row.version: row.sha256 for row in await read_history_at(bundle[0].connection, place) if row.applied}
    ours = takewhile(lambda m: applied.get(m.version) == m.up.sha256, (run.step.migration for run in bundle))
    return sum(1 for _ in ours)


def _whole(run: FileRun) -> str:
    text = "".join(batch.text for batch in batches(run.step.script))  # there is one, or none in an empty file
    return f"{opening(run)}{text}\n;\n{ending(run)}\n"


def _is_short(run: FileRun) -> bool:
    """It goes upwards, and nothing in it may take long."""
    step = run.step
    if step.direction is not Direction.UP or step.migration.version < run.expected or not step.script.transactional:
        return False
    return len(step.script.statements) <= LARGEST_BATCH and all(batch.quick for batch in batches(step.script))


def _length(run: FileRun) -> int:
    return len(run.step.migration.up.text) + len(run.step.migration.down.text)
