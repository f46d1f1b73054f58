"""`kill -9` of `dashdb migrate up` at random moments: what is left is whole, and the next run goes on from there."""

import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chaos.files import COUNT, write_hundred
from tests.database.programs import DASHDB, environ
from tests.support.database import Database
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until

KILLS = 100
"""For each way to the database."""
EARLIEST_SECONDS, LATEST_SECONDS = 0.1, 0.7
"""After the start of the process: from before it has connected until after a hundred files."""
ORPHAN_SECONDS = 5
"""Promised: then no statement of a dead client runs any more, and no lock of one is held."""

_ALIVE = """
SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND usename = '{user}' AND state <> 'idle')
     + (SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database
         WHERE locktype = 'advisory' AND d.datname = '{name}')
"""
_PARTS = "SELECT file, count(*) FROM ran GROUP BY file"
_HISTORY = "SELECT version FROM schema_version WHERE direction = 'up' AND error IS NULL"
_INVALID = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"


@dataclass
class Victim:
    """One database, whose migration is killed again and again until a run comes to its end."""

    postgres: PostgresServer
    database: Database
    through: Database
    folder: Path
    kills: int = 0

    def run_until_whole(self) -> None:
        while not self._killed_once():
            self.kills += 1
            if random.random() < 0.5:  # else the next run comes while the last one's backend may still be there
                self._check_what_is_left()

    def _killed_once(self) -> bool:
        """True where the run came to its end before it was its turn."""
        pooler = "none" if self.through == self.database else "pgbouncer"
        command = [*DASHDB, "migrate", "up", "--path", str(self.folder), "--lock-timeout", "30s", "--pooler", pooler]
        with subprocess.Popen(command, env=environ(self.through.environ), stderr=subprocess.PIPE, text=True) as process:
            try:
                _, said = process.communicate(timeout=random.uniform(EARLIEST_SECONDS, LATEST_SECONDS))
            except subprocess.TimeoutExpired:
                process.kill()
                return False
        assert process.returncode == 0, said
        return True

    def _check_what_is_left(self) -> None:
        alive = _ALIVE.format(name=self.database.name, user=self.database.user)
        wait_until(
            lambda: self._ask(self.postgres.superuser, alive) == ["0"],
            what="nothing of the dead client is left",
            seconds=ORPHAN_SECONDS,
        )
        tables = self._ask(self.database, "SELECT relname FROM pg_class WHERE relname IN ('ran', 'schema_version')")
        if len(tables) < 2:
            assert tables == [], "the first file is there as a whole, with its history, or not at all"
            return
        parts = {int(line.split("|")[0]): int(line.split("|")[1]) for line in self._ask(self.database, _PARTS)}
        done = {int(version) for version in self._ask(self.database, _HISTORY)}
        halves = {file for file, count in parts.items() if count != 2}
        transactional = {file for file in parts if "CONCURRENTLY" not in self._text(file)}
        assert halves & transactional == set()
        assert set(parts) & transactional == done & transactional

    def check_the_end(self) -> None:
        assert self._ask(self.database, _HISTORY + " ORDER BY 1") == [str(n) for n in range(1, COUNT + 1)]
        parts = self._ask(self.database, "SELECT file || ' ' || part FROM ran ORDER BY file, part")
        assert parts == [f"{n} {part}" for n in range(1, COUNT + 1) for part in ("first", "last")]
        assert self._ask(self.database, "SELECT count(*) FROM schema_version WHERE error IS NOT NULL") == ["0"]
        assert self._ask(self.database, _INVALID) == ["0"]
        rows = " UNION ALL ".join(f"SELECT count(*) AS rows FROM t{n}" for n in range(1, COUNT + 1))
        assert self._ask(self.database, f"SELECT DISTINCT rows FROM ({rows}) AS all_of_them") == ["200"]
        self._check_what_is_left()

    def _text(self, file: int) -> str:
        return (self.folder / f"V{file:03}_t{file}.up.sql").read_text()

    def _ask(self, database: Database, sql: str) -> list[str]:
        return self.postgres.psql(database, args=("-At",), sql=sql).split("\n")[:-1]


@contextmanager
def way(postgres: PostgresServer, *, pooled: bool) -> Iterator[PgBouncer | None]:
    if not pooled:
        yield None
        return
    with PgBouncer(postgres, pool_size=2) as pooler:
        yield pooler


@pytest.mark.timeout(900)
@pytest.mark.parametrize("pooled", [False, True], ids=["directly", "through PgBouncer"])
def test_a_hundred_kills_leave_each_file_applied_once_and_none_half_applied(
    postgres: PostgresServer, tmp_path: Path, *, pooled: bool
) -> None:
    folder = write_hundred(tmp_path / "migrations", mixed=not pooled)
    kills, most_in_one = 0, 0
    with way(postgres, pooled=pooled) as pooler:
        while kills < KILLS:
            database = postgres.create_database()
            through = pooler.before(database) if pooler else database
            victim = Victim(postgres, database, through, folder)
            victim.run_until_whole()
            victim.check_the_end()
            kills, most_in_one = kills + victim.kills, max(most_in_one, victim.kills)
    assert most_in_one >= 2, "no run was killed in the middle of what an earlier one had begun"
