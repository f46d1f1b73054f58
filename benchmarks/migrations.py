"""Time of dashdb and other tools to apply and revert migrations, and to find nothing to do.

    python -m benchmarks.migrations [--json] [--runs N]

Each migration creates one table with a key and a text column; the down migration drops it. Every figure is a median of
whole processes on a fresh database of one durable server, the tools in turn. The floor keeps no history: psql runs all
files in one transaction. alembic has its default, one transaction for all; the others use one for each migration, and
golang-migrate three. dashdb and golang-migrate read the same files. A second table has the checks inside a process.
"""

import asyncio
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, track
from rich.table import Table

from benchmarks.migration_tools import DASHDB, FLOOR, GOOSE, TOOLS, Command, Tool, environment
from benchmarks.parts import DURABLE
from controller.database.connection import Connection, answer_limit, connected
from controller.database.target import SslMode, Target
from controller.migrate.files.source import CHECK_SECONDS, MigrationSource
from controller.migrate.history.location import HistoryLocation
from controller.migrate.history.read import HISTORY_BYTES, history_query, read_history
from controller.migrate.plan.make_plan import make_plan
from controller.migrate.plan.model import Plan
from tests.support.database import Database
from tests.support.postgres import PostgresServer, clean_environ

COUNTS = (1, 100, 1000)
MOST = COUNTS[-1]
NO_OP, DOWN = f"no-op of {MOST}", f"{MOST} down"
COLUMNS = (*(f"{count} up" for count in COUNTS), NO_OP, DOWN)
CHECKS = 200
TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename ~ '^t[0-9]'"

Seconds = dict[str, dict[str, list[float]]]
"""Figures of all runs, by tool and column."""


class Bench:
    """One durable server, with a folder of files for every tool."""

    def __init__(self, server: PostgresServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        for tool in TOOLS:
            for count in COUNTS:
                self.files(tool, count).mkdir(parents=True)
                tool.write(self.files(tool, count), count)

    def files(self, tool: Tool, count: int) -> Path:
        return self.folder / tool.name.replace(" ", "-") / str(count)

    def measure(self, tool: Tool, count: int) -> dict[str, float]:
        """Return the seconds for each column that COUNT migrations of TOOL fill."""
        files = self.files(tool, count)
        database = self.server.create_database()
        found = {f"{count} up": self.timed(tool.up(files, database), database, tables=count)}
        if count == MOST:
            if tool.tracks:
                found[NO_OP] = self.timed(tool.up(files, database), database, tables=count)
            found[DOWN] = self.timed(tool.down(files, database), database, tables=0)
        self.server.drop_database(database)
        return found

    def timed(self, command: Command, database: Database, *, tables: int) -> float:
        """Return the seconds that a process takes, which has to leave that many tables."""
        # The tools in Python start from compiled files, as when they are installed, and leave none in the project.
        compiled = {"PYTHONPYCACHEPREFIX": str(self.folder / "compiled"), "PYTHONDONTWRITEBYTECODE": ""}
        environ = clean_environ() | environment(database) | compiled
        self.server.psql(self.server.superuser, sql="CHECKPOINT")
        os.sync()  # flush what others wrote
        started = time.monotonic()
        done = subprocess.run(
            command, env=environ, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        seconds = time.monotonic() - started
        left = int(self.server.psql(database, sql=TABLES, args=("-At",)))
        if done.returncode != 0 or left != tables:
            raise RuntimeError(
                f"{command[0]} ended with {done.returncode} and left {left} tables:\n{done.stderr[-2000:]}"
            )
        return seconds


def measure_tools(bench: Bench, runs: int, console: Console) -> Seconds:
    """Return the figures of RUNS rounds after a warm-up; the tools take turns at being the first."""
    seconds: Seconds = {tool.name: {} for tool in TOOLS}
    with Progress(console=console) as progress:
        task = progress.add_task("", total=(runs + 1) * len(COUNTS) * len(TOOLS))
        for run in range(runs + 1):
            first = run % len(TOOLS)
            for count in COUNTS:
                for tool in TOOLS[first:] + TOOLS[:first]:
                    progress.update(task, description=f"run {run} of {runs}: {count} of {tool.name}")
                    found = bench.measure(tool, count)
                    progress.advance(task)
                    for column, value in found.items() if run else ():
                        seconds[tool.name].setdefault(column, []).append(value)
    return seconds


async def check_once(connection: Connection, source: MigrationSource) -> Plan:
    """Make a plan as a running operator does when there is nothing to do."""
    return make_plan(source.read(), await read_history(connection))


async def select(connection: Connection, rows: str) -> object:
    """Return the rows, which may be as many bytes as a history."""
    with answer_limit(connection, HISTORY_BYTES):
        return await connection.fetch(rows)


async def measure_checks(bench: Bench, console: Console) -> dict[str, float]:
    """Return median milliseconds inside this process: a SELECT of the history, and checks of two kinds."""
    database = bench.server.create_database()
    files = bench.files(DASHDB, MOST)
    bench.timed(DASHDB.up(files, database), database, tables=MOST)
    rows = history_query(HistoryLocation("public", has_history=True, has_golang_migrate=False))
    folder_only, every_file = MigrationSource(files, check_seconds=3600), MigrationSource(files, check_seconds=0)
    async with connected(target_to(database)) as connection:
        what: dict[str, Callable[[], Awaitable[object]]] = {
            f"floor: one SELECT of the {MOST} rows": lambda: select(connection, rows),
            "check the folder, read the history, plan": lambda: check_once(connection, folder_only),
            f"the same, and each of {2 * MOST} files, every {CHECK_SECONDS:g} s": lambda: check_once(
                connection, every_file
            ),
        }
        took: dict[str, list[float]] = {name: [] for name in what}
        assert not (await check_once(connection, folder_only)).steps
        for _ in track(range(CHECKS), "checks inside a process", console=console):
            for name, do in what.items():
                started = time.perf_counter()
                await do()
                took[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) * 1000 for name, values in took.items()}


def target_to(database: Database) -> Target:
    login = (database.user, database.password)
    return Target(database.host, database.port, database.name, *login, SslMode(database.sslmode))


def cell(value: float | None, *others: float | None) -> str:
    """Return a cell with the seconds and the ratio to each of OTHERS; a dash for a missing figure."""
    lines = [f"{value / other:#.3g}" if value and other else "-" for other in others]
    return "\n".join((f"{value:.3f}" if value else "-", *lines))


def tools_table(medians: dict[str, dict[str, float]], runs: int) -> Table:
    table = Table(title=f"Migrations, medians of {runs}", show_lines=True)
    table.add_column("tool", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right")
    goose, floor = medians[GOOSE.name], medians[FLOOR.name]
    for name, found in medians.items():
        cells = (cell(found.get(column), goose.get(column), floor.get(column)) for column in COLUMNS)
        table.add_row(f"{name}, seconds\n  / goose\n  / floor", *cells)
    return table


def checks_table(milliseconds: dict[str, float]) -> Table:
    table = Table(
        "what", "milliseconds", "ratio", title=f"Nothing to do, inside a running process; medians of {CHECKS}"
    )
    floor = next(iter(milliseconds.values()))
    for name, value in milliseconds.items():
        table.add_row(name, f"{value:.2f}", f"{value / floor:.2f}")
    return table


@click.command()
@click.option("--runs", default=5, show_default=True, type=click.IntRange(min=1), help="Measured runs of each cell.")
@click.option("--json", "as_json", is_flag=True, help="Print medians as one JSON object instead of the tables.")
def main(runs: int, *, as_json: bool) -> None:
    """Measure migrations: dashdb, other tools, and the floor."""
    progress = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="dashdb-bench-") as folder, PostgresServer(18, settings=DURABLE) as server:
        bench = Bench(server, Path(folder).resolve())
        seconds = measure_tools(bench, runs, progress)
        checks = asyncio.run(measure_checks(bench, progress))
    medians = {name: {c: statistics.median(v) for c, v in found.items()} for name, found in seconds.items()}
    if as_json:
        print(json.dumps({"seconds": medians, "checks_ms": checks, "runs": runs}))
        return
    console = Console()
    console.print(tools_table(medians, runs))
    console.print(checks_table(checks))


if __name__ == "__main__":
    main()
