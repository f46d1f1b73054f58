"""Time of each statement of docs/reference/schema.md on a million dashboards and ten million audit rows.

    python -m benchmarks.queries [--scale F] [--only WORD]... [--plan-cache-mode MODE] [--plans FILE] [--writes]
                                 [--one-partition]

One durable PostgreSQL 18, all rows in its cache. asyncpg prepares statements as it does by default; each execution
gets a plan for its own values, as the page advises (`plan_cache_mode`). Audit rows have a partition for each month, as
with a retention. Milliseconds at p50, p95, p99, with 1 and with 16 clients. Half of all questions about a project are
about the largest, which has a tenth of all dashboards. The promise holds for p95 with one client; the aim is a tenth of
it above `SELECT 1` of the same run. The plans, for known and for unknown parameters, are written into a file.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import asyncpg
import click
from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn
from rich.table import Table

from benchmarks.migration_tools import environment
from benchmarks.parts import DURABLE
from benchmarks.queries.fill import Sizes, fill
from benchmarks.queries.measure import PlansFound, Times, time_statement, write_plans
from benchmarks.queries.statements import AIM, PROMISED_MS, STATEMENTS, Statement
from benchmarks.queries.writes import ROWS, IndexCost, measure_writes
from tests.support.database import Database, quoted
from tests.support.postgres import PostgresServer, clean_environ

SETTINGS = {**DURABLE, "shared_buffers": "2GB", "max_wal_size": "8GB", "track_io_timing": "on"}
CLIENTS = (1, 16)
FLOOR = Statement("floor", "SELECT 1", "SELECT 1")


@dataclass(frozen=True)
class Result:
    """Times of one statement, by number of clients."""

    statement: Statement
    times: dict[int, Times]


def make_database(server: PostgresServer) -> Database:
    """Return a migrated database in which PostgreSQL knows the letters of every alphabet."""
    plain = server.create_database()
    unicode = "TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_CTYPE 'C.UTF-8'"
    database = replace(plain, name="dashboards")
    server.psql(server.superuser, sql=f"CREATE DATABASE dashboards OWNER {quoted(plain.user)} {unicode}")
    # In a process of its own: this one is to have asyncpg as a service has it, without the limits of ours.
    command = [sys.executable, "-m", "controller", "migrate", "up"]
    subprocess.run(command, env=clean_environ() | environment(database), check=True, capture_output=True)
    return database


async def measure(
    dsn: str, statements: Sequence[Statement], sizes: Sizes, mode: str, progress: Progress
) -> list[Result]:
    """Measure the floor and each of STATEMENTS, first by one client, then by all.

    Args:
        mode: value of `plan_cache_mode`.
    """
    settings = {"plan_cache_mode": mode}
    connections = [await asyncpg.connect(dsn, server_settings=settings) for _ in range(max(CLIENTS))]
    results = []
    try:
        for statement in progress.track((FLOOR, *statements), description="statements"):
            times = {count: await time_statement(connections[:count], statement, sizes) for count in CLIENTS}
            results.append(Result(statement, times))
    finally:
        await asyncio.gather(*(connection.close() for connection in connections))
    return results


async def look_at_plans(dsn: str, statements: Sequence[Statement], sizes: Sizes, file: Path) -> PlansFound:
    connection = await asyncpg.connect(dsn)
    try:
        return await write_plans(connection, statements, sizes, file)
    finally:
        await connection.close()


async def look_at_writes(dsn: str, sizes: Sizes) -> tuple[list[IndexCost], dict[str, float]]:
    connection = await asyncpg.connect(dsn)
    try:
        return await measure_writes(connection, sizes)
    finally:
        await connection.close()


def results_table(results: Sequence[Result], sizes: Sizes) -> Table:
    """Return a table with the promise and the aim beside each p95 with one client."""
    table = Table(title=f"Milliseconds on {sizes.dashboards:,} dashboards and {sizes.audit:,} audit rows")
    for column in (
        "statement",
        *(f"{count}: p50\t p95\t p99".replace("\t", "") for count in CLIENTS),
        "promise",
        "aim",
    ):
        table.add_column(column, justify="left" if column == "statement" else "right")
    floor = results[0].times[1].p95
    for result in results:
        cells = [f"{t.p50:.2f} {t.p95:.2f} {t.p99:.2f}" for t in result.times.values()]
        table.add_row(result.statement.title, *cells, *_judge(result, floor))
    return table


def _judge(result: Result, floor: float) -> tuple[str, str]:
    promised = PROMISED_MS.get(result.statement.kind)
    if promised is None:
        return "", ""
    p95 = result.times[1].p95
    return ("held" if p95 < promised else "MISSED"), ("held" if p95 < floor + AIM * promised else "missed")


def costs_table(costs: Sequence[IndexCost], rows: int) -> Table:
    """Return a table of what an index costs."""
    table = Table(title=f"Writes of {rows:,} rows with all indexes, as a multiple of those without")
    table.add_column("without the index; without all of a table's", no_wrap=True)
    for column in ("MB", "insert", "update"):
        table.add_column(column, justify="right")
    for cost in costs:
        update = "" if cost.update is None else f"{cost.update:.2f}"
        table.add_row(cost.index, f"{cost.megabytes:.0f}", f"{cost.insert:.2f}", update)
    return table


@click.command()
@click.option("--scale", default=1.0, type=click.FloatRange(min=0.01), help="Millions of dashboards; by default 1.")
@click.option("--only", multiple=True, help="Only statements whose name has this word; repeatable.")
@click.option("--plans", "plan_file", default="queries-plans.txt", type=click.Path(path_type=Path), help="Where to.")
@click.option("--plan-cache-mode", default="force_custom_plan", type=click.Choice(["auto", "force_custom_plan"]))
@click.option("--one-partition", is_flag=True, help="Audit rows in one partition, as without a retention.")
@click.option("--writes", is_flag=True, help="Measure what each index costs, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the tables.")
def main(
    scale: float,
    only: tuple[str, ...],
    plan_file: Path,
    plan_cache_mode: str,
    *,
    one_partition: bool,
    writes: bool,
    as_json: bool,
) -> None:
    """Measure the everyday statements on many rows."""
    sizes = Sizes.of_scale(scale)
    chosen = [s for s in STATEMENTS if not only or any(word in s.title for word in only)]
    columns = (*Progress.get_default_columns(), TimeElapsedColumn())
    console = Console(stderr=True)
    with PostgresServer(18, settings=SETTINGS) as server, Progress(*columns, console=console) as progress:
        database = make_database(server)
        asyncio.run(fill(replace(server.superuser, name=database.name).dsn, sizes, progress, months=not one_partition))
        found = asyncio.run(look_at_plans(database.dsn, chosen, sizes, plan_file))
        results = asyncio.run(measure(database.dsn, chosen, sizes, plan_cache_mode, progress))
        costs, hot = asyncio.run(look_at_writes(database.dsn, sizes)) if writes else ([], {})
    if as_json:
        times = {r.statement.title: {n: asdict(t) for n, t in r.times.items()} for r in results}
        figures = {
            "scale": scale,
            "times": times,
            "plans": asdict(found),
            "indexes": list(map(asdict, costs)),
            "hot": hot,
        }
        print(json.dumps(figures))
        return
    out = Console(width=max(console.width, 130))
    out.print(results_table(results, sizes))
    for title, faults in found.faults.items():
        print(f"{title}: {', '.join(faults)}")
    if not only:
        print(f"indexes that no statement uses: {', '.join(found.unused) or 'none'}")
    if writes:
        out.print(costs_table(costs, min(ROWS, sizes.dashboards // 10)))
        print("share of updates that are HOT:", ", ".join(f"{table} {share:.0%}" for table, share in hot.items()))
    console.print(f"plans: {plan_file}")


if __name__ == "__main__":
    main()
