"""Faults of the operator, the API server, the network and the database; one row for each.

    python -m benchmarks.chaos [--short] [--runs N] [--only TEXT]... [--json]

Two replicas of the real operator share a Lease of 3 s. In each run, one resource with a fresh database is migrated by
several files, each of which records in a table that it ran, and the fault strikes at a random moment of it. What is
measured is the time until the status says Ready, and until it says so for a change of the resource that follows; from
the fault itself where a replica is lost, else from its end.
After each run the database, the status, the events and the logs are searched for losses. With --short each fault
strikes once. Exits with 1 if a promise was broken or anything was lost.
"""

import json
import sys
from dataclasses import asdict, astuple

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.chaos.faults import Fault, all_faults
from benchmarks.chaos.losses import Logs, Losses
from benchmarks.chaos.run import Run, lost_in, run_once
from benchmarks.chaos.stage import a_stage

WIDTH = 140
"""Width of the table in characters, whatever the terminal has."""


def measure(faults: list[Fault], runs: int | None) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    with a_stage() as stage, Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=sum(runs or fault.runs for fault in faults))
        logs = Logs()
        for fault in faults:
            progress.update(task, description=fault.name)
            for _ in range(runs or fault.runs):
                found.setdefault(fault.name, []).append(run_once(stage, fault, logs))
                progress.advance(task)
    return found


def table_of(faults: list[Fault], found: dict[str, list[Run]]) -> Table:
    table = Table(title="Seconds until Ready after a fault, and what was lost")
    table.add_column("fault", no_wrap=True)
    headings = ("runs", "while files\nran", "promised,\nseconds", "worst,\nseconds")
    for heading in (*headings, "ran\ntwice", "told\ntwice", "half\ndone", "status\nlost", "passwords\nseen"):
        table.add_column(heading, justify="right", no_wrap=True)
    for fault in faults:
        runs = found[fault.name]
        lost, worst = lost_in(runs), max(run.seconds for run in runs)
        met = "at rest" if fault.at_rest else str(sum(run.met for run in runs))
        table.add_row(
            fault.name, str(len(runs)), met, f"{fault.promised:.0f}", f"{worst:.1f}", *map(str, astuple(lost))
        )
    return table


def problems(faults: list[Fault], found: dict[str, list[Run]]) -> list[str]:
    """Return a sentence for each broken promise."""
    said = []
    for fault in faults:
        runs = found[fault.name]
        if (worst := max(run.seconds for run in runs)) > fault.promised:
            said.append(f"{fault.name}: Ready after {worst:.1f} s, promised were {fault.promised:.0f} s")
        if (lost := lost_in(runs)) != Losses():
            said.append(f"{fault.name}: {lost}")
        if not any(run.met for run in runs) and len(runs) > 1:
            said.append(f"{fault.name}: no run met a migration")
    return said


@click.command()
@click.option("--short", is_flag=True, help="One run of each fault.")
@click.option("--runs", type=click.IntRange(min=1), help="Runs of each fault; each has its own number by default.")
@click.option("--only", "wanted", multiple=True, help="Text in the name of a fault; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print every run as one JSON object instead of the table.")
def main(*, short: bool, runs: int | None, wanted: tuple[str, ...], as_json: bool) -> None:
    """Measure what faults cost, and whether anything is lost."""
    faults = [fault for fault in all_faults(short=short) if not wanted or any(text in fault.name for text in wanted)]
    found = measure(faults, 1 if short else runs)
    broken = problems(faults, found)
    if as_json:
        rows = {name: [asdict(run) for run in each] for name, each in found.items()}
        print(json.dumps({"faults": rows, "problems": broken}))
    else:
        Console(width=WIDTH).print(table_of(faults, found))
    for problem in broken:
        print(problem, file=sys.stderr)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
