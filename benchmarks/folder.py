"""One row about a folder of migrations as others publish them: read, applied, reverted, compared, timed.

    python -m benchmarks.folder FOLDER [--runs N] [--replace OLD NEW]... [--json]

dashdb and golang-migrate run the same files on databases of one durable server; what they leave is compared by pg_dump
after all are applied, and dashdb's seconds by golang-migrate's: medians of whole processes, which take turns at being
the first. The server is PostgreSQL 15, whose programs come with all extensions here. The SQL files are copied, so that
nothing can be written into FOLDER; --replace does what a project's own program does before it runs them.
"""

import json
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks.migration_tools import DASHDB, GOLANG_MIGRATE, Command, Tool, environment
from benchmarks.parts import DURABLE
from controller.errors import DashdbError
from controller.migrate.files.folder import read_folder
from tests.support.database import Database
from tests.support.postgres import PostgresServer, clean_environ
from tests.support.postgres_parts import client

LONGEST = 200
"""Limit in characters of a message in the row."""
OWN_TABLES = ("schema_version", "schema_version_detail", "schema_migrations")
_RANDOM = re.compile(r"^\\(?:un)?restrict .*\n", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """Row of one folder; each text is `yes`, or why not.

    Attributes:
        files: number of files in the folder.
        read: whether all files could be read and split.
        up, down: whether dashdb applied, and then reverted, all.
        peer_up, peer_down: whether golang-migrate did.
        equal: whether both left the same schema.
        ratio: seconds of dashdb for all, by those of golang-migrate; None if one of them failed.
    """

    folder: str
    files: int
    read: str
    up: str = "-"
    down: str = "-"
    peer_up: str = "-"
    peer_down: str = "-"
    equal: str = "-"
    seconds: float | None = None
    ratio: float | None = None


@dataclass(frozen=True)
class Ended:
    """Result of one process of a tool."""

    message: str
    seconds: float


def run(command: Command, database: Database) -> Ended:
    started = time.monotonic()
    done = subprocess.run(
        command,
        env=clean_environ() | environment(database),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    seconds = time.monotonic() - started
    lines = [line for line in (done.stderr.strip() or done.stdout.strip()).splitlines() if line.strip()]
    return Ended("yes" if done.returncode == 0 else (lines or ["?"])[-1].strip()[:LONGEST], seconds)


def dump(server: PostgresServer, database: Database) -> str:
    """Return the schema of a database as pg_dump writes it, without what the tools keep themselves."""
    superuser = replace(server.superuser, name=database.name)
    command: Command = [client("pg_dump"), "-s", "--no-owner", "--no-privileges", superuser.dsn]
    done = subprocess.run(command, env=clean_environ(), capture_output=True, text=True, check=True)
    objects = _RANDOM.sub("", done.stdout).replace(database.user, "OWNER").split("\n--\n-- Name: ")
    return "\n-- Name: ".join(each for each in objects if not any(table in each for table in OWN_TABLES))


def difference(one: str, other: str) -> str:
    """Return `yes`, or the first lines that only one of the dumps has."""
    ours, theirs = one.splitlines(), other.splitlines()
    if ours == theirs:
        return "yes"
    only = [f"-{line}" for line in theirs if line not in set(ours)] + [
        f"+{line}" for line in ours if line not in theirs
    ]
    return "; ".join(only or ["another order"])[:LONGEST]


class FolderBench:
    """A server, and a folder with the files."""

    def __init__(self, server: PostgresServer, folder: Path) -> None:
        self.server = server
        self.folder = folder

    def row(self, name: str, runs: int) -> Row:
        row = Row(name, len(list(self.folder.iterdir())), readable(self.folder))
        if row.read != "yes":
            return row
        ours, theirs = self.server.create_database(), self.server.create_database()
        up, peer = (run(tool.up(self.folder, to), to) for tool, to in ((DASHDB, ours), (GOLANG_MIGRATE, theirs)))
        row = replace(row, up=up.message, peer_up=peer.message, seconds=round(up.seconds, 3))
        both = up.message == peer.message == "yes"
        if both:
            row = replace(row, equal=difference(dump(self.server, ours), dump(self.server, theirs)))
        if both:
            row = replace(row, peer_down=run(GOLANG_MIGRATE.down(self.folder, theirs), theirs).message)
        if up.message == "yes":
            row = replace(row, down=run(DASHDB.down(self.folder, ours), ours).message)
        for database in (ours, theirs):
            self.server.drop_database(database)
        return self.timed(row, runs) if both and runs else row

    def timed(self, row: Row, runs: int) -> Row:
        took: Mapping[str, list[float]] = {DASHDB.name: [], GOLANG_MIGRATE.name: []}
        for number in range(runs):
            for tool in (DASHDB, GOLANG_MIGRATE) if number % 2 else (GOLANG_MIGRATE, DASHDB):
                took[tool.name].append(self.once(tool))
        ours, theirs = (statistics.median(seconds) for seconds in took.values())
        return replace(row, seconds=round(ours, 3), ratio=round(ours / theirs, 2))

    def once(self, tool: Tool) -> float:
        """Return the seconds in which TOOL applies all to a fresh database."""
        database = self.server.create_database()
        self.server.psql(self.server.superuser, sql="CHECKPOINT")
        seconds = run(tool.up(self.folder, database), database).seconds
        self.server.drop_database(database)
        return seconds


def readable(folder: Path) -> str:
    try:
        for migration in read_folder(folder):
            for script in migration.scripts:
                _ = script.statements
    except DashdbError as error:
        return error.message[:LONGEST]
    return "yes"


def copy_of(folder: Path, to: Path, replaced: Iterable[tuple[str, str]]) -> Path:
    """Copy the SQL files of a folder, with other texts in the place of some."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and ".sql" in path.name:
            text = path.read_bytes()
            for old, new in replaced:
                text = text.replace(old.encode(), new.encode())
            (to / path.name).write_bytes(text)
    return to


def table(row: Row) -> Table:
    shown = Table("folder", "files", "read", "up", "down", "golang-migrate up", "down", "equal", "seconds", "ratio")
    shown.add_row(*("-" if value is None else str(value) for value in asdict(row).values()))
    return shown


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--runs", default=5, show_default=True, type=click.IntRange(min=0), help="Measured runs of each tool.")
@click.option("--replace", "replaced", nargs=2, multiple=True, help="Text to replace in each file.")
@click.option("--json", "as_json", is_flag=True, help="Print the row as one JSON object.")
def main(folder: Path, runs: int, replaced: tuple[tuple[str, str], ...], *, as_json: bool) -> None:
    """Say what dashdb makes of a folder of migrations, and how long it takes beside golang-migrate."""
    with (
        tempfile.TemporaryDirectory(prefix="dashdb-bench-") as copy,
        PostgresServer(15, settings=DURABLE) as server,
    ):
        row = FolderBench(server, copy_of(folder, Path(copy), replaced)).row(folder.name, runs)
    if as_json:
        print(json.dumps(asdict(row)))
    else:
        Console().print(table(row))


if __name__ == "__main__":
    main()
