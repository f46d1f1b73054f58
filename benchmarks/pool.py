"""Comparison of connection pools: many clients on at most fifty connections, each running `SELECT 1`.

    python -m benchmarks.pool [--json] [--seconds N]

One use is getting a connection, one round trip, and giving it back. Each contender runs alone in a fresh process on one
durable server. It opens as many connections as its clients can use, warms up for a second, and is then measured; each
cell is a median of five rounds, in which the contenders take turns at being the first. All keep what they opened, so
ours has a `max_idle` of fifty instead of ten. None uses TLS, and each prepares statements as it does by default.

The contenders do not all do the same work. asyncpg's pool resets the session after each use, which is a second round
trip; none of the others does, and ours cleans a session only if it is in doubt (an open transaction, a cancelled
statement). It compares with asyncpg without its reset, and with the same plus a limit on each wait ("bounded"), which
ours always has. Go's database/sql, with pgx's driver, spreads over all cores; the pools in Python
use one each. Clients and server share the cores, so the steadiest figure is the CPU time that a use costs the client.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.parts import DURABLE
from benchmarks.pools import of_asyncpg
from benchmarks.pools.load import Load
from tests.support.binaries import go_pool
from tests.support.database import Database
from tests.support.postgres import PostgresServer, clean_environ

CLIENTS = (1, 16, 64, 256)
CONNECTIONS = 50
ROUNDS = 5
BARE, FLOOR = "asyncpg bare", "asyncpg without its reset"
METRICS = {
    "per_second": ("Uses a second", ".0f"),
    "p50_ms": ("Milliseconds of a use, p50", ".2f"),
    "p99_ms": ("Milliseconds of a use, p99", ".2f"),
    "cpu_us": ("CPU microseconds of a use", ".0f"),
}
"""Title and format of each metric, by the name in a contender's output."""

Figures = dict[str, float]
"""Figures by metric."""
Cells = dict[str, dict[int, Figures]]
"""Figures by contender and number of clients."""


@dataclass(frozen=True)
class Contender:
    """Pool that is measured, and the command that measures it."""

    name: str
    command: Callable[[], list[str | Path]]


def python(module: str, *options: str) -> Callable[[], list[str | Path]]:
    return lambda: [sys.executable, "-m", f"benchmarks.pools.{module}", *options]


CONTENDERS = (
    Contender("dashdb", python("of_dashdb")),
    Contender(BARE, python("of_asyncpg")),
    Contender("asyncpg bounded", python("of_asyncpg", of_asyncpg.BOUNDED)),
    Contender(FLOOR, python("of_asyncpg", of_asyncpg.NO_RESET)),
    Contender("asyncpg bounded, without its reset", python("of_asyncpg", of_asyncpg.BOUNDED, of_asyncpg.NO_RESET)),
    Contender("psycopg_pool", python("of_psycopg")),
    Contender("Go database/sql, pgx", lambda: [go_pool()]),
)


def measure(contender: Contender, load: Load, database: Database) -> Figures:
    """Run CONTENDER under LOAD in a process of its own, and return its figures."""
    login = {
        "PGHOST": database.host,
        "PGPORT": str(database.port),
        "PGDATABASE": database.name,
        "PGUSER": database.user,
        "PGPASSWORD": database.password,
        "PGSSLMODE": database.sslmode,
    }
    environ = clean_environ() | login | load.environ
    done = subprocess.run(contender.command(), env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{contender.name} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    figures: Figures = json.loads(done.stdout)
    return figures


def measure_all(server: PostgresServer, seconds: float, console: Console) -> Cells:
    """Return medians of `ROUNDS` rounds; the contenders take turns at being the first."""
    database = server.create_database()
    found: dict[str, dict[int, list[Figures]]] = {c.name: {n: [] for n in CLIENTS} for c in CONTENDERS}
    with Progress(console=console) as progress:
        task = progress.add_task("", total=ROUNDS * len(CLIENTS) * len(CONTENDERS))
        for number in range(ROUNDS):
            first = number % len(CONTENDERS)
            for clients in CLIENTS:
                load = Load(clients, CONNECTIONS, seconds)
                for contender in CONTENDERS[first:] + CONTENDERS[:first]:
                    progress.update(task, description=f"round {number + 1} of {ROUNDS}: {clients} x {contender.name}")
                    found[contender.name][clients].append(measure(contender, load, database))
                    progress.advance(task)
    return {name: {n: medians(rounds) for n, rounds in cells.items()} for name, cells in found.items()}


def medians(rounds: list[Figures]) -> Figures:
    return {metric: statistics.median(figures[metric] for figures in rounds) for metric in METRICS}


def metric_table(cells: Cells, metric: str) -> Table:
    """Return a table with each figure, and its ratios to those of `BARE` and `FLOOR`."""
    title, form = METRICS[metric]
    table = Table(title=f"{title}, by number of clients; medians of {ROUNDS}", show_lines=True)
    table.add_column("pool", no_wrap=True)
    for clients in CLIENTS:
        table.add_column(str(clients), justify="right")
    for name, row in cells.items():
        figures = {clients: row[clients][metric] for clients in CLIENTS}
        lines = [[f"{figure:{form}}" for figure in figures.values()]]
        lines += [[f"{figures[n] / cells[other][n][metric]:.2f}" for n in CLIENTS] for other in (BARE, FLOOR)]
        table.add_row(f"{name}\n  / {BARE}\n  / {FLOOR}", *map("\n".join, zip(*lines, strict=True)))
    return table


@click.command()
@click.option("--seconds", default=2.0, show_default=True, type=click.FloatRange(min=0.1), help="Time of each run.")
@click.option("--json", "as_json", is_flag=True, help="Print medians as one JSON object instead of the tables.")
def main(seconds: float, *, as_json: bool) -> None:
    """Measure pools: ours, asyncpg's, psycopg's and Go's."""
    with PostgresServer(18, settings=DURABLE) as server:
        cells = measure_all(server, seconds, Console(stderr=True))
    if as_json:
        print(json.dumps({"seconds": seconds, "rounds": ROUNDS, "connections": CONNECTIONS, "pools": cells}))
        return
    console = Console()
    for metric in METRICS:
        console.print(metric_table(cells, metric))


if __name__ == "__main__":
    main()
