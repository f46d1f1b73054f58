"""Faults of hostile servers, of a real PostgreSQL and of a real PgBouncer; one row for each.

    python -m benchmarks.faults [--json] [--runs N] [--timeout SECONDS]

Every row is a check of health, or a query, over the product's own pool, which is closed while the fault lasts. The pool
promises a connection within the connect timeout, an answer within the query timeout, and a close within
`CLOSE_TIMEOUT`. Exits with 1 if a promise was broken or anything was left over.

A ticker runs at the same time, every 5 ms: `pause` is the longest time that the event loop delayed it, `busy` the most
CPU time that the loop used between two ticks. A busy machine adds to the first; the first row shows how much.
"""

import asyncio
import dataclasses
import json
import sys
from collections import Counter

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.faults.fault import Fault, Run, run_once
from benchmarks.faults.rows import all_faults
from controller.database.connection import CLOSE_TIMEOUT

WIDTH = 150
"""Width of the table in characters, whatever the terminal has."""


async def measure(faults: list[Fault], runs: int) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(faults) * runs)
        for fault in faults:
            progress.update(task, description=fault.name)
            for _ in range(runs):
                found.setdefault(fault.name, []).append(await run_once(fault))
                progress.advance(task)
    return found


def row(name: str, runs: list[Run]) -> tuple[str, ...]:
    real = [run.connections for run in runs if run.connections is not None]
    left = (max(real) if real else "-", max(run.sockets for run in runs), max(run.tasks for run in runs))
    return (
        name,
        "\n".join(dict.fromkeys(run.reason for run in runs)),
        f"{runs[0].promised:.1f}",
        f"{max(run.answer for run in runs):.2f}",
        f"{max(run.gone for run in runs):.2f}",
        f"{max(run.pause_ms for run in runs):.1f}",
        f"{max(run.busy_ms for run in runs):.1f}",
        ", ".join(map(str, left)),
    )


def table_of(found: dict[str, list[Run]], runs: int) -> Table:
    table = Table(title=f"Faults, the worst of {runs} runs; closing is promised within {CLOSE_TIMEOUT:g} s")
    table.add_column("fault", no_wrap=True)
    table.add_column("reason", no_wrap=True)
    for heading in (
        "promised,\nseconds", "answered,\nseconds", "closed,\nseconds", "pause,\nms", "busy,\nms",
        "left over: server,\nsockets, tasks",
    ):  # fmt: skip
        table.add_column(heading, justify="right", no_wrap=True)
    for name, each in found.items():
        table.add_row(*row(name, each))
    return table


def wrong(faults: list[Fault], found: dict[str, list[Run]]) -> Counter[str]:
    """Return each wrong reason and leftover with the number of runs in which it was found."""
    return Counter(
        f"{fault.name}: {each}" for fault in faults for run in found[fault.name] for each in run.wrong(fault)
    )


def late(found: dict[str, list[Run]]) -> Counter[str]:
    """Return each exceeded time with the number of runs in which it was exceeded."""
    return Counter(f"{name}: {each}" for name, runs in found.items() for run in runs for each in run.late())


@click.command()
@click.option("--runs", default=20, show_default=True, type=click.IntRange(min=1), help="Runs of each fault.")
@click.option("--timeout", default=0.5, show_default=True, help="Connect and query timeout of the product, in seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print every run as one JSON object instead of the table.")
def main(runs: int, timeout: float, *, as_json: bool) -> None:
    """Measure checks while their server is faulty or hostile."""
    with all_faults(timeout) as faults:
        found = asyncio.run(measure(faults, runs))
    wrongly, too_late = wrong(faults, found), late(found)
    if as_json:
        rows = {name: [dataclasses.asdict(run) for run in each] for name, each in found.items()}
        print(json.dumps({"runs": runs, "faults": rows, "wrong": wrongly, "late": too_late}))
    else:
        Console(width=WIDTH).print(table_of(found, runs))
    for problem, count in (wrongly + too_late).items():
        print(f"{problem} (in {count} of {runs} runs)", file=sys.stderr)
    sys.exit(1 if wrongly or too_late else 0)


if __name__ == "__main__":
    main()
