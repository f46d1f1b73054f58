"""Our engine and its peers as processes: golang-migrate reads our files as they are, goose its own."""

import subprocess
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import asyncpg
import psutil

from tests.database.programs import DASHDB, environ, sleepers, write_migrations
from tests.support.binaries import golang_migrate, goose
from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until

Ended: TypeAlias = "subprocess.CompletedProcess[str]"
Process: TypeAlias = "subprocess.Popen[str]"
THREE = 3
AT_THE_GATE = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'gate'::regclass"


@dataclass(frozen=True)
class Peers:
    """One folder of migrations, a database for us and one for a peer."""

    server: PostgresServer
    folder: Path
    ours: Database
    theirs: Database

    def write(self, contents: Mapping[str, str]) -> None:
        """Write the up files in CONTENTS, which maps names to texts, each with a down migration that does nothing."""
        write_migrations(self.folder, contents)

    def dashdb(self, *arguments: str) -> list[str]:
        """`dashdb migrate` with ARGUMENTS."""
        return [*DASHDB, "migrate", *arguments, "--path", str(self.folder)]

    def golang_migrate(self, *arguments: str, url: str | None = None) -> list[str]:
        """`migrate` with ARGUMENTS; another URL than that of their database says how to get there."""
        return [str(golang_migrate()), "-path", str(self.folder), "-database", url or self.theirs.dsn, *arguments]

    def goose(self, *arguments: str) -> list[str]:
        """Return the command line of goose with ARGUMENTS, on the files of the folder `goose` in ours."""
        return [str(goose()), self.theirs.dsn, str(self.folder / "goose"), *arguments]

    def write_goose(self, contents: Mapping[str, str], *, head: str = "") -> None:
        """Write the files of goose in CONTENTS, which maps names to up statements; each begins with HEAD."""
        (self.folder / "goose").mkdir(exist_ok=True)
        for name, text in contents.items():
            (self.folder / "goose" / name).write_text(f"{head}-- +goose Up\n{text}\n")

    def run(self, command: list[str]) -> Ended:
        """COMMAND until it ends; ours finds our database in its environment."""
        return subprocess.run(
            command, env=environ(self.ours.environ), capture_output=True, text=True, check=False, timeout=60
        )

    def both(self, verb: str) -> tuple[Ended, Ended]:
        """VERB by us and by golang-migrate, in this order."""
        return self.run(self.dashdb(verb)), self.run(self.golang_migrate(verb))

    @contextmanager
    def begun(self, command: list[str]) -> Iterator[Process]:
        """COMMAND while it works; killed at the end."""
        process = subprocess.Popen(
            command, env=environ(self.ours.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    @contextmanager
    def asleep(self, command: list[str], database: Database) -> Iterator[Process]:
        """COMMAND in the middle of a `pg_sleep` in DATABASE; what is left of it there ends with it."""
        with self.begun(command) as process:
            wait_until(lambda: sleepers(self.server, database.name) == 1, what="the migration sleeps", seconds=20)
            yield process
        self.end_sessions(database)

    def end_sessions(self, database: Database) -> None:
        """Those of DATABASE's owner, as an administrator would."""
        ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database()"
        self.asked(database, f"{ended} AND usename = '{database.user}'")

    def asked(self, database: Database, sql: str) -> str:
        """Return the answer to a query of the superuser in DATABASE, as one bare value."""
        superuser = replace(self.server.superuser, name=database.name)
        return self.server.psql(superuser, sql=sql, args=("-At",)).strip()

    def tables(self, database: Database) -> set[str]:
        """Those of the migrations, without the tools' own."""
        own = "('schema_version', 'schema_version_detail', 'schema_migrations', 'goose_db_version')"
        listed = f"SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN {own}"
        return set(self.asked(database, listed).split())

    @asynccontextmanager
    async def gate_closed(
        self, database: Database, *, by: str = "LOCK TABLE gate"
    ) -> AsyncIterator[asyncpg.Connection]:
        """A transaction in DATABASE that has run BY: until it ends, a file that needs the table `gate` waits."""
        superuser = replace(self.server.superuser, name=database.name)
        connection = await asyncpg.connect(superuser.dsn)
        await connection.execute(f"BEGIN; {by}")
        try:
            yield connection
        finally:
            await connection.close(timeout=5)

    async def at_once(
        self, command: list[str], database: Database, *, until: Callable[[list[Process]], bool]
    ) -> list[Ended]:
        """THREE processes of COMMAND, held up at the gate of DATABASE until UNTIL holds of them."""
        with ExitStack() as stack:
            async with self.gate_closed(database):
                processes = [stack.enter_context(self.begun(command)) for _ in range(THREE)]
                wait_until(lambda: until(processes), what="all are there", seconds=20)
            return [_ended(process) for process in processes]


def all_connected(processes: Iterable[Process]) -> bool:
    """Return True if each process has a connection; sessions cannot be counted, since a runner may have two."""
    connections = (psutil.Process(process.pid).net_connections("tcp") for process in processes)
    return all(any(each.status == psutil.CONN_ESTABLISHED for each in found) for found in connections)


def _ended(process: Process) -> Ended:
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
