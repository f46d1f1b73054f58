"""Peak memory of applying large migration files to a real PostgreSQL, as a multiple of the file.

    python -m benchmarks.large_files [--json] [--megabytes N] [--statements N]

Each file is applied by a process of its own, whose peak resident memory is read at its end. The multiple is that
memory, without the memory of a process that applied one small statement, divided by the size of the file.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.migrations import target_to
from benchmarks.parts import DURABLE
from controller.database.connection import Connection, connected
from controller.migrate.files.folder import read_folder
from controller.migrate.history.session import RunSettings
from controller.migrate.plan.model import Step
from controller.migrate.run.runner import Runner
from controller.migrate.sql.lexer import Statement
from tests.support.database import Database
from tests.support.postgres import PostgresServer

MEGABYTE = 1_000_000
TABLE = "CREATE TABLE t (n bigint);\n"
SMALL = "one small statement"
FILE = "V001_large.up.sql"


class Counter:
    """Progress that is only counted."""

    def __init__(self) -> None:
        self.events = 0

    def sent_with_lock(self, steps: Sequence[Step]) -> None: ...
    def started(self, step: Step) -> None: ...
    def finished(self, step: Step, seconds: float) -> None: ...
    def waiting(self, what: str, why: str) -> None: ...
    def left_half_done(self, step: Step, number: int, statement: Statement) -> None: ...

    def statement(self, step: Step, number: int, statement: Statement) -> None:  # noqa: ARG002
        self.events += 1


def shapes(megabytes: int, statements: int) -> dict[str, Iterable[str]]:
    """Return the parts of each file, which are generated while they are written."""
    insert = "INSERT INTO t VALUES (length('" + "x" * (10_000 - 35) + "'));\n"
    million = "x" * MEGABYTE
    string = ("SELECT length('", *[million] * megabytes)
    return {
        SMALL: (TABLE,),
        "one statement": (*string, "');\n"),
        "one statement, an emoji in it": (*string, "\N{GRINNING FACE}');\n"),
        "INSERTs of 10 kB": (TABLE, *[insert] * (megabytes * MEGABYTE // 10_000)),
        f"{statements:,} statements": (TABLE, *[f"INSERT INTO t VALUES ({n});\n" for n in range(statements - 1)]),
    }


def measure(server: PostgresServer, folder: Path, pieces: Iterable[str]) -> dict[str, float]:
    """Return the size of a file, and the cost of applying it in a process of its own."""
    with (folder / FILE).open("w", encoding="utf-8") as file:
        file.writelines(pieces)
    (folder / FILE.replace(".up.", ".down.")).write_text("DROP TABLE IF EXISTS t;")
    database = server.create_database()
    command = [sys.executable, "-m", "benchmarks.large_files", "--apply", str(folder)]
    done = subprocess.run(command, input=json.dumps(vars(database)), capture_output=True, text=True, check=False)
    server.drop_database(database)
    if done.returncode != 0:
        raise RuntimeError(f"The file could not be applied:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found | {"size": (folder / FILE).stat().st_size}


def apply(folder: Path) -> None:
    """Apply the files in `folder` to the database in standard input, and print the cost."""
    target = target_to(Database(**json.load(sys.stdin)))
    counter = Counter()
    open_connection: Any = partial(connected, target)

    async def run() -> None:
        connection: Connection
        session: AbstractAsyncContextManager[Connection] = connected(target)
        async with session as connection:
            await Runner(connection, RunSettings(), counter, open_connection).run(read_folder(folder), None)

    started = time.monotonic()
    asyncio.run(run())
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) * 1024
    print(json.dumps({"peak": peak, "events": counter.events, "seconds": time.monotonic() - started}))


def table_of(found: dict[str, dict[str, float]]) -> Table:
    table = Table("file", "MB", "seconds", "peak, MB", "multiple", "progress events", title="Large files applied")
    least = found[SMALL]["peak"]
    for name, each in found.items():
        multiple = "-" if name == SMALL else f"{(each['peak'] - least) / each['size']:.1f}"
        size, peak = each["size"] / MEGABYTE, each["peak"] / MEGABYTE
        table.add_row(name, f"{size:.1f}", f"{each['seconds']:.1f}", f"{peak:.0f}", multiple, f"{each['events']:.0f}")
    return table


@click.command()
@click.option("--megabytes", default=200, show_default=True, type=click.IntRange(min=1), help="Size of a large file.")
@click.option(
    "--statements",
    default=100_000,
    show_default=True,
    type=click.IntRange(min=2),
    help="Number of statements in the last file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
@click.option("--apply", "folder", type=click.Path(path_type=Path), hidden=True)
def main(megabytes: int, statements: int, folder: Path | None, *, as_json: bool) -> None:
    """Measure the cost of large files."""
    if folder is not None:
        apply(folder)
        return
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="dashdb-bench-") as path, PostgresServer(18, settings=DURABLE) as server:
        files = shapes(megabytes, statements)
        for name in track(files, "files", console=Console(stderr=True)):
            found[name] = measure(server, Path(path).resolve(), files[name])
    if as_json:
        print(json.dumps(found))
    else:
        Console().print(table_of(found))


if __name__ == "__main__":
    main()
