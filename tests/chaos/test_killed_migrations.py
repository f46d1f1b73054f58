"""`kill -9` of `dashdb migrate up` at random moments over a hundred files: each is applied once, nothing is left over.

Every file records itself, at its beginning and at its end, in a table without a key: what ran twice shows twice. The
short ones, which travel together, cannot; a second run of one would find its table there, and fail.
"""

import random
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg
import pytest

from tests.database.programs import DASHDB, environ, write_migrations
from tests.support.database import Database
from tests.support.effort import rounds
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until_async

KILLS = rounds(short=15, long=100)
"""Each way: direct, and through PgBouncer."""
EARLY = 5
"""Every so many kills, one may come before a process has done anything."""
FILES = 100
MOST_FILES_BETWEEN = 12
LATEST_SECONDS = 0.8
"""Latest moment of an early kill, in seconds after the start of the process."""

BEGIN, END = ("INSERT INTO ran VALUES ({n}, " + part + ");\n" for part in ("'begin'", "'end'"))
TRANSACTIONAL = BEGIN + "CREATE TABLE t{n} (n int);\nSELECT pg_sleep(0.004);\nCREATE INDEX i{n} ON t{n} (n);\n" + END
STEPWISE = BEGIN + "CREATE INDEX CONCURRENTLY IF NOT EXISTS i{n} ON first (n);\nVACUUM first;\n" + END
SHORT = "CREATE TABLE short{n} (n int);\nCREATE INDEX i{n} ON short{n} (n);\n"
FIRST = "CREATE TABLE ran (version int, part text); CREATE TABLE first (n int); INSERT INTO first VALUES (1);\n"

TWICE = "SELECT version FROM ran GROUP BY version, part HAVING count(*) > 1"
RAN = r"""(
    SELECT version, part FROM ran
    UNION ALL
    SELECT substr(relname, 6)::int, part
      FROM pg_class, (VALUES ('begin'), ('end')) AS p(part) WHERE relname ~ '^short\d+$'
) AS r"""
# One statement sees one moment: whatever is running beside it, a file is there as a whole with its history, or not.
HALF = f"""
SELECT version FROM {RAN} FULL JOIN schema_version AS h USING (version)
 WHERE NOT version = ANY ($1::text::bigint[]) AND version > 1
 GROUP BY version, h.state HAVING count(part) <> 2 OR h.state IS DISTINCT FROM 'applied'
"""
AT_WORK = """
SELECT query FROM pg_stat_activity WHERE usename = $1 AND state <> 'idle'
UNION ALL
SELECT 'advisory lock' FROM pg_locks WHERE locktype = 'advisory'
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def text_of(version: int, *, mixed: bool) -> str:
    """Return the text of the file VERSION; with MIXED, some files have no transaction."""
    if 40 < version <= 80:
        return SHORT
    return STEPWISE if mixed and version % 7 == 0 else TRANSACTIONAL


@dataclass
class Kills:
    """Counts of kills: those that hit a process, and of these the ones after its first file and before its last."""

    hit: int = 0
    at_work: int = 0


class Migrated:
    """A database over which processes are killed, seen by its superuser."""

    def __init__(self, observer: asyncpg.Connection, database: Database, command: list[str], mixed: bool) -> None:
        self.observer = observer
        self.database = database
        self.command = command
        self.stepwise = [n for n in range(2, FILES + 1) if text_of(n, mixed=mixed) == STEPWISE]

    def start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.command,
            env=environ(self.database.environ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    async def check(self) -> None:
        """Check the invariants that hold at every moment: no file ran twice, and none is half applied."""
        if await self.observer.fetchval("SELECT to_regclass('ran') IS NOT NULL"):
            assert await self.observer.fetch(TWICE) == []
            assert await self.observer.fetch(HALF, f"{{{','.join(map(str, self.stepwise))}}}") == []

    async def check_nothing_is_at_work(self) -> None:
        """Wait until no statement and no lock of a dead client is left."""

        async def idle() -> bool:
            return not await self.observer.fetch(AT_WORK, self.database.user)

        await wait_until_async(idle, what="nothing of a dead client is left", seconds=5)

    async def check_whole(self) -> None:
        await self.check_nothing_is_at_work()
        await self.check()
        rows = await self.observer.fetch(f"SELECT version, part FROM {RAN} ORDER BY version, part")
        assert [tuple(row) for row in rows] == [(n, part) for n in range(1, FILES + 1) for part in ("begin", "end")]
        done = "SELECT version FROM schema_version WHERE state = 'applied' ORDER BY 1"
        assert [row[0] for row in await self.observer.fetch(done)] == list(range(1, FILES + 1))
        indexes = "SELECT count(*), bool_and(indisvalid) FROM pg_index JOIN pg_class c ON c.oid = indexrelid"
        built = await self.observer.fetchrow(rf"{indexes} WHERE relname ~ '^i\d+$'")
        assert tuple(built) == (FILES - 1, True)


def killed(process: "subprocess.Popen[str]", kills: Kills) -> bool:
    """Kills PROCESS at a random moment; False where it had ended by itself, with all that was pending applied."""
    assert process.stderr is not None
    applied = 0
    if kills.hit % EARLY == EARLY - 1:
        time.sleep(random.uniform(0, LATEST_SECONDS))
    else:
        most = random.randint(1, MOST_FILES_BETWEEN)
        for line in process.stderr:
            applied += line.startswith("applied")
            if applied == most:
                time.sleep(random.uniform(0, 0.02))
                break
    process.kill()
    _, told = process.communicate(timeout=20)
    if process.returncode >= 0:
        assert process.returncode == 0, told
        return False
    kills.hit += 1
    kills.at_work += applied > 0
    return True


@pytest.fixture(params=[False, True], ids=["direct", "through PgBouncer"])
def pooler(request: pytest.FixtureRequest, postgres: PostgresServer) -> Iterator[PgBouncer | None]:
    if not request.param:
        yield None
        return
    with PgBouncer(postgres, pool_size=3) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, pooler: PgBouncer | None) -> Path:
    """Files without a transaction are among them where they can be: behind PgBouncer they are refused."""
    texts = {f"V{n}_f.up.sql": text_of(n, mixed=pooler is None).format(n=n) for n in range(2, FILES + 1)}
    return write_migrations(tmp_path, {"V1_f.up.sql": FIRST + (BEGIN + END).format(n=1), **texts})


@asynccontextmanager
async def migrated(postgres: PostgresServer, pooler: PgBouncer | None, folder: Path) -> AsyncIterator[Migrated]:
    database = postgres.create_database()
    observer = await asyncpg.connect(replace(postgres.superuser, name=database.name).dsn)
    command = [*DASHDB, "migrate", "up", "--path", str(folder)]
    if pooler is None:
        yield Migrated(observer, database, command, mixed=True)
    else:
        yield Migrated(observer, pooler.before(database), [*command, "--pooler", "pgbouncer"], mixed=False)
    await observer.close()
    postgres.drop_database(database)


@pytest.mark.repeats
@pytest.mark.timeout(600)
async def test_kills_leave_each_file_applied_once(
    postgres: PostgresServer, pooler: PgBouncer | None, folder: Path
) -> None:
    kills = Kills()
    while kills.hit < KILLS:
        async with migrated(postgres, pooler, folder) as database:
            while killed(database.start(), kills) and kills.hit < KILLS:
                await database.check()
                if random.random() < 0.5:  # else the next one meets what the dead one left
                    await database.check_nothing_is_at_work()
            last = database.start()
            _, told = last.communicate(timeout=60)
            assert last.returncode == 0, told
            await database.check_whole()
    assert kills.at_work > KILLS / 2, "most kills have to meet a process in the middle of its work"
