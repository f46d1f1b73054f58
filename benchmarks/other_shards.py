"""Cost of resources that belong to another shard: the operator sees them in its watch and its lists, and no more.

    python -m benchmarks.other_shards [--resources N] [--idle-seconds N] [--json]

The real operator runs on a real control plane as the second of two shards, first without a resource and then with many
of the first shard, which has no operator. They have no status: one would make the lists that the operator reads
longer, and not what it keeps of them.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import count, islice

import click
from rich.console import Console
from rich.table import Table

from benchmarks.footprint import MEBIBYTE
from benchmarks.many_databases import kubectl_create
from benchmarks.parts import Parts, real_parts
from controller.operator.shard import Shard
from controller.operator.work import LIST_SECONDS
from tests.support.processes import wait_until
from tests.support.resources import resource

OTHER, OURS = Shard(1, 2), Shard(2, 2)
SETTLE_SECONDS = 15.0
"""Seconds after a start until what it needed is given back."""


@dataclass(frozen=True)
class AtRest:
    """Figures of one operator.

    Attributes:
        start_cpu: seconds of CPU from the start until it has settled.
        memory: MiB in RAM.
        idle_cpu: percent of one core at rest.
    """

    start_cpu: float
    memory: float
    idle_cpu: float


@dataclass(frozen=True)
class OtherShards:
    """Figures without a resource, and with RESOURCES of another shard."""

    resources: int
    without: AtRest
    with_others: AtRest


def names_of(shard: Shard, namespace: str, prefix: str, number: int) -> list[str]:
    """Return NUMBER names of resources in NAMESPACE that begin with PREFIX and belong to SHARD."""
    names = (f"{prefix}-{each:06}" for each in count())
    return list(islice((name for name in names if shard.holds((namespace, name))), number))


def observed(parts: Parts, idle_seconds: int) -> AtRest:
    """Start the operator anew, wait until it has seen all resources, let it settle, and observe it at rest."""
    parts.operator.stop()
    parts.operator.start()
    # The last in the list, which has no Secret: once it is known, the watch is through.
    wait_until(lambda: _known(parts) == 1, what="the watch is through", seconds=300, interval=0.5)
    time.sleep(SETTLE_SECONDS)
    started = parts.operator.cpu_seconds
    time.sleep(idle_seconds)
    cpu = parts.operator.cpu_seconds - started
    memory = parts.operator.resident_bytes / MEBIBYTE
    return AtRest(started, memory, cpu / idle_seconds * 100)


def _known(parts: Parts) -> int:
    lines = parts.operator.get("/metrics")[1].splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith("dashdb_databases{"))


def measure(resources: int, idle_seconds: int, say: Callable[[str], None]) -> OtherShards:
    with real_parts(options=("--shard", str(OURS))) as parts:
        ours = names_of(OURS, parts.team.name, "last", 1)
        kubectl_create(parts, [resource(name, secret_name="none") for name in ours])
        say("without other resources")
        without = observed(parts, idle_seconds)
        say(f"creating {resources} resources of another shard")
        others = names_of(OTHER, parts.team.name, "first", resources)
        kubectl_create(parts, [resource(name, secret_name="none") for name in others])
        say("with them")
        return OtherShards(resources, without, observed(parts, idle_seconds))


def table_of(found: OtherShards) -> Table:
    table = Table("what", "without", f"with {found.resources} of another shard", "each")
    for what, name, unit, small in (
        ("CPU of a start", "start_cpu", "s", "ms"),
        ("memory at rest", "memory", "MiB", "KiB"),
        ("CPU at rest, of one core", "idle_cpu", "%", ""),
    ):
        before, after = getattr(found.without, name), getattr(found.with_others, name)
        factor = {"ms": 1000, "KiB": 1024, "": 1}[small]
        each = (after - before) / found.resources * factor
        table.add_row(what, f"{before:.2f} {unit}", f"{after:.2f} {unit}", f"{each:.4f} {small or unit}")
    return table


@click.command()
@click.option("--resources", default=1000, show_default=True, type=click.IntRange(min=2), help="Of another shard.")
@click.option(
    "--idle-seconds",
    default=2 * int(LIST_SECONDS),
    show_default=True,
    type=click.IntRange(min=1),
    help="Duration of the measurement at rest: whole minutes, since all resources are listed once a minute.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for benchmarks.cost, instead.")
def main(*, resources: int, idle_seconds: int, as_json: bool) -> None:
    """Measure what resources of another shard cost."""
    console, began = Console(stderr=True), time.monotonic()

    def say(what: str) -> None:
        console.print(f"{time.monotonic() - began:5.0f} s  {what}")

    found = measure(resources, idle_seconds, say)
    if as_json:
        print(json.dumps(asdict(found)))
    else:
        Console(width=120).print(table_of(found))


if __name__ == "__main__":
    main()
