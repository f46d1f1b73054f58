"""Ten programs that start together, on a hundred files: each file is applied by one of them, and all succeed."""

import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.database.migrate.run.hundred_files import COUNT, SHORT, write_hundred
from tests.database.programs import DASHDB, environ
from tests.support.database import Database
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import PostgresServer

RUNNERS = 10


@pytest.fixture(params=[False, True], ids=["directly", "through PgBouncer"])
def through(request: pytest.FixtureRequest, postgres: PostgresServer, database: Database) -> Iterator[Database]:
    with PgBouncer(postgres, pool_size=4) if request.param else nullcontext() as pooler:
        yield pooler.before(database) if pooler else database


@pytest.mark.timeout(300)
def test_ten_programs_at_once_apply_each_file_once_and_all_succeed(
    postgres: PostgresServer, database: Database, through: Database, tmp_path: Path
) -> None:
    folder = write_hundred(tmp_path / "migrations", mixed=through == database)
    pooler = "none" if through == database else "pgbouncer"
    command = [*DASHDB, "migrate", "up", "--path", str(folder), "--lock-timeout", "2m", "--pooler", pooler]
    running = [
        subprocess.Popen(
            command, env=environ(through.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(RUNNERS)
    ]
    ended = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0] * RUNNERS, ended
    applied = [line.split()[1] for _, said in ended for line in said.splitlines() if line.startswith("applied")]
    assert sorted(applied) == sorted(path.name for path in folder.glob("*.up.sql"))

    def ask(sql: str) -> list[str]:
        return postgres.psql(database, args=("-At",), sql=sql).split()

    assert ask("SELECT version FROM schema_version WHERE state = 'applied' ORDER BY 1") == [
        str(number) for number in range(1, COUNT + 1)
    ]
    records = [str(2 * (COUNT - len(SHORT)))]
    assert ask("SELECT count(*) FROM ran") == records
    assert ask("SELECT count(*) FROM (SELECT DISTINCT file, part FROM ran) AS once") == records
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database "
    assert ask(f"{locks} WHERE datname = current_database())") == ["0"]
