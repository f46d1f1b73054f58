"""Cost of 1,000, 10,000 and 100,000 databases, computed from measured figures, as Markdown.

    python -m benchmarks.scale --resources 100 --resources 1000 --json > FIGURES.json
    python -m benchmarks.other_shards --json > OTHERS.json
    python -m benchmarks.cost FIGURES.json --others OTHERS.json

Each figure is a straight line through the smallest and the largest run: a fixed part, and a part for each database.
What the program itself limits, such as how many Secrets it reads a second, is computed from those limits. Resources of
other shards cost what OTHERS.json says; without it, they are taken for free.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, Self

import click

from controller.operator.client import PAGE
from controller.operator.lease import LeaseTimes
from controller.operator.secrets import RATE
from controller.operator.service import HEARTBEAT_CALLS, HEARTBEAT_SECONDS
from controller.operator.shard import MOST_SHARDS
from controller.operator.work import LIST_SECONDS

TOTALS = (1_000, 10_000, 100_000)
INTERVAL_SECONDS = 30
"""The default interval between two checks of a resource."""
CONNECTIONS_PER_SERVER = 5
"""The default of --connections-per-server, which each process has for itself."""
REPLICAS = 2
"""Replicas of each shard: one acts, and the other stands by."""
MOST_IN_ONE = 10_000_000
"""Number of databases at which the search for the first limit ends."""


@dataclass(frozen=True)
class Line:
    """Straight line: FIXED, and EACH for one database."""

    fixed: float
    each: float

    @classmethod
    def through(cls, small: tuple[int, float], large: tuple[int, float]) -> Self:
        """Return the line through two figures, each with its number of databases; level where they fall by noise."""
        each = max(0.0, (large[1] - small[1]) / (large[0] - small[0]))
        return cls(large[1] - each * large[0], each)

    def at(self, databases: int) -> float:
        return self.fixed + self.each * databases


@dataclass(frozen=True)
class Costs:
    """Costs of one process, by the number of its databases.

    Attributes:
        idle_cpu: percent of one core at rest.
        memory: MiB at rest, also after a restart.
        ready: seconds until all are Ready for the first time, restart: until all were seen after a start.
        metrics: MB of one page of /metrics.
        other_cpu, other_memory, other_start: percent, MiB and seconds of CPU at a start, for each database of another
            shard.
    """

    idle_cpu: Line
    memory: Line
    ready: Line
    restart: Line
    metrics: Line
    other_cpu: float = 0.0
    other_memory: float = 0.0
    other_start: float = 0.0


def costs_of(runs: Sequence[Mapping[str, Any]], others: Mapping[str, Any] | None) -> Costs:
    """Return the costs that figures of `benchmarks.scale`, and of `benchmarks.other_shards`, show.

    Raises:
        ValueError: the runs are all of one size.
    """
    small, large = min(runs, key=_size), max(runs, key=_size)
    if _size(small) == _size(large):
        raise ValueError("runs of one size show no cost of each database; measure two, such as 100 and 1000")

    def line(read: Callable[[Mapping[str, Any]], float]) -> Line:
        return Line.through((_size(small), read(small)), (_size(large), read(large)))

    def other(name: str) -> float:
        if others is None:
            return 0.0
        more = float(others["with_others"][name] - others["without"][name])
        return max(0.0, more / int(others["resources"]))

    return Costs(
        idle_cpu=line(lambda run: run["idle_cpu"]),
        memory=line(lambda run: max(run["memory_idle"], run["memory_restart"])),
        ready=line(lambda run: run["ready"]),
        restart=line(lambda run: run["restart"]),
        metrics=line(lambda run: run["metrics_bytes"]),
        other_cpu=other("idle_cpu"),
        other_memory=other("memory"),
        other_start=other("start_cpu"),
    )


def _size(run: Mapping[str, Any]) -> int:
    return int(run["resources"])


@dataclass(frozen=True)
class Estimate:
    """Cost of TOTAL databases in SHARDS, of which one process has OWN."""

    costs: Costs
    total: int
    shards: int = 1

    @property
    def own(self) -> int:
        return ceil(self.total / self.shards)

    @property
    def others(self) -> int:
        return self.total - self.own

    @property
    def idle_cpu(self) -> float:
        return self.costs.idle_cpu.at(self.own) + self.costs.other_cpu * self.others

    @property
    def memory(self) -> float:
        return self.costs.memory.at(self.own) + self.costs.other_memory * self.others

    @property
    def restart(self) -> float:
        return self.costs.restart.at(self.own) + self.costs.other_start * self.others

    @property
    def secret_delay(self) -> float:
        """Seconds until a changed Secret that breaks no connection is read, at most."""
        return max(INTERVAL_SECONDS, self.own / RATE)

    @property
    def reads(self) -> float:
        """Reads of the API server a second by all replicas: Secrets, lists, whether it answers, and the Lease."""
        secrets = min(self.own / INTERVAL_SECONDS, RATE)
        lists = max(1, ceil(self.total / PAGE)) / LIST_SECONDS
        lease = (REPLICAS - 1) / LeaseTimes().look
        return self.shards * (secrets + lists + HEARTBEAT_CALLS * REPLICAS / HEARTBEAT_SECONDS + lease)

    @property
    def writes(self) -> float:
        """Writes to the API server a second with nothing to do: each leader renews its Lease."""
        return self.shards / LeaseTimes().renewal

    @property
    def connections(self) -> int:
        """Connections to one server that holds databases of every shard, at most."""
        return self.shards * CONNECTIONS_PER_SERVER


@dataclass(frozen=True)
class Limit:
    """Limit of one process, and why it is that much."""

    what: str
    read: Callable[[Estimate], float]
    most: float
    unit: str
    why: str


LIMITS = (
    Limit("CPU at rest", lambda e: e.idle_cpu, 50, "% of one core", "the other half is for what there is to do"),
    Limit("memory at rest", lambda e: e.memory, 768, "MiB", "three quarters of 1 GiB"),
    Limit("restart until all were seen", lambda e: e.restart, 300, "s", "a database may be down for as long unseen"),
    Limit("a changed Secret is read", lambda e: e.secret_delay, 3600, "s", "both passwords are valid for an hour"),
)


def holds(estimate: Estimate) -> bool:
    """Return whether each process stays within all limits."""
    return all(limit.read(estimate) <= limit.most for limit in LIMITS)


def shards_for(costs: Costs, total: int) -> int | None:
    """Return the least number of shards that holds the limits; None where none does."""
    return next((n for n in range(1, MOST_SHARDS + 1) if holds(Estimate(costs, total, n))), None)


def most_in_one(costs: Costs, limit: Limit) -> int:
    """Return how many databases one process can have, without other shards, within LIMIT; MOST_IN_ONE where more."""
    low, high = 0, MOST_IN_ONE
    while low < high:
        middle = (low + high + 1) // 2
        within = limit.read(Estimate(costs, middle)) <= limit.most
        low, high = (middle, high) if within else (low, middle - 1)
    return low


ROWS: tuple[tuple[str, Callable[[Estimate], str]], ...] = (
    ("CPU at rest, of one core", lambda e: f"{e.idle_cpu:.0f} %"),
    ("memory at rest", lambda e: f"{e.memory:,.0f} MiB"),
    ("first apply until all are Ready", lambda e: f"{e.costs.ready.at(e.own):,.0f} s"),
    ("restart until all were seen", lambda e: f"{e.restart:,.0f} s"),
    ("a changed Secret is read, at most", lambda e: f"{e.secret_delay:,.0f} s"),
    ("`/metrics`", lambda e: f"{e.costs.metrics.at(e.own):,.1f} MB"),
    ("reads of the API a second, all replicas", lambda e: f"{e.reads:.1f}"),
    ("writes to the API a second", lambda e: f"{e.writes:.1f}"),
    ("connections to one server, most", lambda e: str(e.connections)),
)
"""Text and value of each row about one or several processes."""


def markdown(costs: Costs, sizes: Sequence[int], others: Mapping[str, Any] | None) -> str:
    """Return the tables, with where their figures come from."""
    measured = " and ".join(f"{size:,}" for size in (min(sizes), max(sizes)))
    free = "" if others else " Resources of other shards are not counted."
    recommended = {total: shards_for(costs, total) for total in TOTALS}
    sharded = [Estimate(costs, total, shards) if shards else None for total, shards in recommended.items()]
    parts = (
        f"From runs with {measured} databases.{free}",
        "One process:",
        _table([Estimate(costs, total) for total in TOTALS]),
        "The least shards within the limits below:",
        _table(sharded, with_shards=True),
        "Limits, that which breaks first at the top:",
        _table_of_limits(costs),
    )
    return "\n\n".join(parts)


def _table(estimates: Sequence[Estimate | None], *, with_shards: bool = False) -> str:
    rows = [("databases", [f"{total:,}" for total in TOTALS]), ("---", ["---"] * len(TOTALS))]
    if with_shards:
        rows.append(("shards", [str(each.shards) if each else f"none up to {MOST_SHARDS}" for each in estimates]))
        rows.append(("databases of a shard", [f"{each.own:,}" if each else "" for each in estimates]))
    rows += [(what, [text(each) if each else "" for each in estimates]) for what, text in ROWS]
    return "\n".join(f"| {what} | {' | '.join(values)} |" for what, values in rows)


def _table_of_limits(costs: Costs) -> str:
    rows = ["| limit of one process | is | because | reached with databases |", "|---|---|---|---|"]
    for limit in sorted(LIMITS, key=lambda limit: most_in_one(costs, limit)):
        most = most_in_one(costs, limit)
        reached = f"more than {most:,}" if most == MOST_IN_ONE else f"{most:,}"
        rows.append(f"| {limit.what} | {limit.most:g} {limit.unit} | {limit.why} | {reached} |")
    return "\n".join(rows)


@click.command()
@click.argument("figures", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--others",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What `python -m benchmarks.other_shards --json` printed. Default: resources of other shards cost nothing.",
)
def main(figures: Path, others: Path | None) -> None:
    """Print what many databases cost, computed from FIGURES, which `python -m benchmarks.scale --json` printed."""
    runs = json.loads(figures.read_text())
    of_others = json.loads(others.read_text()) if others else None
    try:
        costs = costs_of(runs, of_others)
    except ValueError as error:
        raise click.UsageError(f"{figures}: {error}.") from None
    print(markdown(costs, [_size(run) for run in runs], of_others))


if __name__ == "__main__":
    main()
