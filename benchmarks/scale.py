"""Cost of many databases: until all are Ready, at rest, at a restart and at the end.

    python -m benchmarks.scale [--resources N]... [--servers N] [--runs N] [--json]
    python -m benchmarks.scale --bad-servers [--resources N]
    python -m benchmarks.scale --simulated [--own-logins] [--resources N]... [--servers N]

The real operator runs on a real control plane; each resource has a real database. The databases lie in memory, where
there is room, and are not flushed: what is measured is the operator, and not the disk. The floor of the same run is
the least possible work: one `kubectl apply` of as many ConfigMaps, and at the same time `psql -1 -f` of the same
migration on as many fresh databases, two at a time. Requests are counted in the API server's audit log, where those of
the operator's account stand alone. All the while a user logs in to each server, ten times a second, and connections of
the operator are counted. In the end the servers are stopped until the operator has noticed it for all databases, and
started. With --bad-servers: how late checks of healthy databases are, without and with one server that is gone and one
that is silent. With --simulated: more databases than fit on a machine, on servers that only give recorded answers; see
`benchmarks.simulated_scale`.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.bad_servers import measure_lateness, table_of_lateness
from benchmarks.footprint import MEBIBYTE
from benchmarks.many_databases import apply_resources, create_secrets, floor_seconds, spread_databases
from benchmarks.observers import Memory, Users
from benchmarks.operator_figures import INTERVAL_SECONDS, PAGES, at_rest, came_back, restarted, shown, stopped
from benchmarks.parts import Parts, ReadyWatch, real_parts
from benchmarks.simulated_scale import SIMULATED_SERVERS, measure_simulated, table_of_simulated

GOOD_SERVERS = 18
"""Servers beside the two bad ones, so that these are a tenth."""


@dataclass(frozen=True)
class Figures:
    """Figures of one run; memory in MiB.

    Attributes:
        reads, writes: requests to the API server a second at rest, and in all at rest.
        told: events by reason.
    """

    resources: int
    servers: int
    floor: float
    ready: float
    ratio: float
    cpu_each: float
    memory_peak: float
    memory_idle: float
    idle_cpu: float
    reads: float
    writes: int
    metrics: float
    metrics_bytes: float
    live_most: float
    stop: float
    restart: float
    restart_writes: int
    memory_restart: float
    back: float
    connections_peak: int
    connections_idle: int
    logins: int
    logins_refused: int
    login_slowest: float
    told: dict[str, int]


ROWS: dict[str, tuple[str, str, str]] = {
    "floor": ("floor", "{:.1f} s", ""),
    "ready": ("all Ready", "{:.1f} s", ""),
    "ratio": ("  of the floor", "{:.2f}", "1.3"),
    "cpu_each": ("  CPU of the operator, each", "{:.1f} ms", "20 ms"),
    "memory_peak": ("resident memory, most until all were Ready", "{:.0f} MiB", ""),
    "memory_idle": ("  at rest", "{:.0f} MiB", "150 MiB"),
    "memory_restart": ("  at rest after a restart", "{:.0f} MiB", "150 MiB"),
    "idle_cpu": ("CPU at rest, of one core", "{:.1f} %", "5 %"),
    "reads": ("reads of the API at rest, a second", "{:.1f}", "6"),
    "writes": ("writes to the API at rest", "{}", "0"),
    "restart": ("restart until all were seen", "{:.1f} s", "20 s"),
    "restart_writes": ("  writes to the API until an interval later", "{}", "0"),
    "back": ("servers stopped and started, until all answer", "{:.1f} s", "10 s for 100"),
    "connections_peak": ("connections of the operator to one server, most", "{}", "5"),
    "connections_idle": ("  at rest", "{}", "5"),
    "logins": ("logins of users", "{}", ""),
    "logins_refused": ("  refused", "{}", "0"),
    "login_slowest": ("  slowest", "{:.0f} ms", ""),
    "metrics": (f"/metrics, worst of {PAGES}", "{:.0f} ms", "150 ms"),
    "metrics_bytes": ("  size", "{:.2f} MB", ""),
    "live_most": ("  /live meanwhile, slowest", "{:.0f} ms", ""),
    "stop": ("SIGTERM until the end", "{:.1f} s", "1 s"),
    "told": ("events", "{}", ""),
}
"""Text, format and aim for 1000 resources of each attribute of `Figures`."""


def become_ready(parts: Parts, names: list[str], floor: float) -> dict[str, Any]:
    """Apply the resources, and wait until all are Ready."""
    watch, memory, cpu = ReadyWatch(parts), Memory(parts.operator), parts.operator.cpu_seconds
    started = time.monotonic()
    apply_resources(parts, names)
    watch.wait_for(set(names), seconds=120 + len(names))
    ready = max(watch.seen[name] for name in names) - started
    used = parts.operator.cpu_seconds - cpu
    watch.close()
    figures = {"floor": floor, "ready": ready, "ratio": ready / floor, "cpu_each": used / len(names) * 1000}
    return {**figures, "memory_peak": memory.stop() / MEBIBYTE}


def measure(parts: Parts, count: int, idle_seconds: int, say: Callable[[str], None]) -> Figures:
    names = [f"many-{number:04}" for number in range(count)]
    settle = min(INTERVAL_SECONDS, idle_seconds)
    say("the floor")
    floor = floor_seconds(parts, count)
    say(f"creating {count} databases and their Secrets")
    create_secrets(parts, spread_databases(parts.servers, names))
    with Users(parts) as users:
        say("applying the resources until all are Ready")
        figures = become_ready(parts, names, floor)
        say(f"settling for {settle} s, then {idle_seconds} s at rest")
        time.sleep(settle)
        figures |= at_rest(parts, idle_seconds) | {"connections_idle": users.connections}
        say(f"SIGTERM, a start, and {settle} s more for what may be written")
        figures |= restarted(parts, count, settle)
    told = dict(Counter(event["reason"] for event in parts.team.events()))
    say("the servers stopped until no database is ready, and started")
    figures["back"] = came_back(parts, count)
    figures["stop"] = max(figures["stop"], stopped(parts))
    figures |= {"logins": users.logins, "logins_refused": len(users.refused), "login_slowest": users.slowest}
    return Figures(resources=count, servers=len(parts.servers), connections_peak=users.most, told=told, **figures)


def table_of(found: list[Figures]) -> Table:
    load = f"load of the machine at the end {os.getloadavg()[0]:.1f}"
    title = f"Many databases ({load})"
    table = Table("what", *(f"{each.resources} on {each.servers}" for each in found), "aim, 1000", title=title)
    for name, (what, form, aim) in ROWS.items():
        table.add_row(what, *(shown(getattr(each, name), form) for each in found), aim)
    return table


@click.command()
@click.option(
    "--resources",
    "counts",
    multiple=True,
    default=(100,),
    show_default=True,
    type=click.IntRange(min=2),
    help="Number of resources, each with its database; may be repeated.",
)
@click.option(
    "--servers",
    show_default=f"1, {GOOD_SERVERS} with --bad-servers, {SIMULATED_SERVERS} with --simulated",
    type=click.IntRange(min=1),
    help="Number of PostgreSQL servers that hold the databases.",
)
@click.option(
    "--max-connections",
    default=100,
    show_default=True,
    type=click.IntRange(min=20),
    help="Limit of each server; --resources 150 with the default are more databases than connections.",
)
@click.option(
    "--idle-seconds",
    default=2 * INTERVAL_SECONDS,
    show_default=True,
    type=click.IntRange(min=1),
    help="Duration of the measurement at rest: whole intervals of 30 s.",
)
@click.option("--runs", default=1, show_default=True, type=click.IntRange(min=1), help="Runs of each number.")
@click.option("--bad-servers", is_flag=True, help="Measure what bad servers do to the databases of others instead.")
@click.option("--simulated", is_flag=True, help="Measure with simulated databases instead, thousands of them.")
@click.option(
    "--own-logins",
    is_flag=True,
    help="With --simulated: a user for each database. Default: one for all databases of a server, as without it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
def main(
    *,
    counts: tuple[int, ...],
    servers: int | None,
    max_connections: int,
    idle_seconds: int,
    runs: int,
    bad_servers: bool,
    simulated: bool,
    own_logins: bool,
    as_json: bool,
) -> None:
    """Measure what many databases cost."""
    console, began = Console(stderr=True), time.monotonic()

    def say(what: str) -> None:
        console.print(f"{time.monotonic() - began:5.0f} s  {what}")

    if own_logins and not simulated:
        raise click.UsageError("--own-logins needs --simulated: real databases of one server have one owner.")
    data: Any
    if bad_servers:
        interval = max(1, min(INTERVAL_SECONDS, idle_seconds // 2))
        good = servers or GOOD_SERVERS
        late = measure_lateness(counts[0], good, interval, 2 * idle_seconds, say)
        data, table = {when: asdict(each) for when, each in late.items()}, table_of_lateness(late, counts[0], good)
    elif simulated:
        counted = counts * runs
        costs = measure_simulated(counted, servers or SIMULATED_SERVERS, idle_seconds, say, own_logins=own_logins)
        data, table = [asdict(each) for each in costs], table_of_simulated(costs)
    else:
        found = []
        for count in counts * runs:
            say(f"starting the control plane and {servers or 1} PostgreSQL")
            with real_parts(servers=servers or 1, settings={"max_connections": str(max_connections)}) as parts:
                found.append(measure(parts, count, idle_seconds, say))
        data, table = [asdict(each) for each in found], table_of(found)
    if as_json:
        print(json.dumps(data))
    else:
        Console(width=140).print(table)


if __name__ == "__main__":
    main()
