"""Cost of thousands of databases: those of `benchmarks.scale`, with simulated servers in the place of PostgreSQL.

The operator, the API server and etcd are real; what is simulated is all that the operator sees of the databases. One
real database is brought to Ready, and its answers to whatever the operator asks it then are recorded. One other process
gives these answers again, on as many ports as there are servers, for a database of any name: bytes and messages are
those of PostgreSQL 18, the login is SCRAM as there, and each database has an identity of its own.

What this leaves out: the databases are at the wanted schema already, so nothing is migrated and no template is written,
and each is Ready after one observation. No answer changes, none is slow, and no server ever runs out of connections. So
CPU and time until all are Ready are those of taking up a database that is in order; `benchmarks.scale` without
--simulated measures the work on new ones. A request without a recorded answer ends the benchmark with an error.

All databases of a server have one user, as in `benchmarks.scale`. With --own-logins each has a user and a password of
its own, so that the operator computes one hash for each, again and again where there are more than it keeps.

Two figures are not those of days: memory for each resource includes what the first ones cost once, so the figure of few
resources is too high; and reads at rest are those of the first minutes, in which no Secret is old enough to be read
again (see `controller.operator.secrets`).
"""

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
from rich.table import Table

from benchmarks.footprint import MEBIBYTE
from benchmarks.many_databases import create_secrets, kubectl_create
from benchmarks.observers import Memory
from benchmarks.operator_figures import INTERVAL_SECONDS, PAGES, at_rest, restarted, shown, stopped
from benchmarks.parts import Parts, ReadyWatch, real_parts
from benchmarks.simulated.record import record
from benchmarks.simulated.scram import password_of
from benchmarks.simulated.servers import SimulatedServers, simulated_servers
from tests.support.database import Database
from tests.support.resources import resource

SIMULATED_SERVERS = 20
LOOK_SECONDS = 5.0
"""Seconds between two looks for requests without an answer, while resources become Ready."""


@dataclass(frozen=True)
class SimulatedFigures:
    """Figures of one run; memory in MiB.

    Attributes:
        created: seconds in which kubectl created the resources; until then the operator waits for it.
        cpu_each: milliseconds for each resource, from the first `kubectl create` until all were Ready.
        memory_none: before there was any resource.
        memory_each: KiB for each resource, of what the operator has at rest beyond `memory_none`.
        idle_cpu: percent of one core.
        idle_cpu_each: milliseconds for each resource in the default interval.
        reads, writes: requests to the API server a second at rest, and in all at rest.
        told: events by reason.
    """

    resources: int
    servers: int
    created: float
    ready: float
    cpu_each: float
    memory_none: float
    memory_peak: float
    memory_idle: float
    memory_each: float
    memory_restart: float
    idle_cpu: float
    idle_cpu_each: float
    reads: float
    writes: int
    metrics: float
    metrics_bytes: float
    live_most: float
    stop: float
    restart: float
    restart_writes: int
    told: dict[str, int]


ROWS: dict[str, tuple[str, str]] = {
    "ready": ("all Ready", "{:.1f} s"),
    "created": ("  kubectl create of the resources alone", "{:.1f} s"),
    "cpu_each": ("  CPU of the operator, each", "{:.1f} ms"),
    "memory_none": ("resident memory without a resource", "{:.0f} MiB"),
    "memory_peak": ("  most until all were Ready", "{:.0f} MiB"),
    "memory_idle": ("  at rest", "{:.0f} MiB"),
    "memory_each": ("  at rest, each", "{:.1f} KiB"),
    "memory_restart": ("  at rest after a restart", "{:.0f} MiB"),
    "idle_cpu": ("CPU at rest, of one core", "{:.1f} %"),
    "idle_cpu_each": (f"  each, in {INTERVAL_SECONDS} s", "{:.2f} ms"),
    "reads": ("reads of the API at rest, a second", "{:.1f}"),
    "writes": ("writes to the API at rest", "{}"),
    "restart": ("restart until all were seen", "{:.1f} s"),
    "restart_writes": ("  writes to the API until an interval later", "{}"),
    "metrics": (f"/metrics, worst of {PAGES}", "{:.0f} ms"),
    "metrics_bytes": ("  size", "{:.2f} MB"),
    "live_most": ("  /live meanwhile, slowest", "{:.0f} ms"),
    "stop": ("SIGTERM until the end", "{:.1f} s"),
    "told": ("events", "{}"),
}
"""Text and format of each attribute of `SimulatedFigures`."""


def measure_simulated(
    counts: tuple[int, ...], servers: int, idle_seconds: int, say: Callable[[str], None], *, own_logins: bool
) -> list[SimulatedFigures]:
    """Return the figures for each number of resources.

    Args:
        servers: number of simulated servers.
        idle_seconds: duration of the measurement at rest.
        own_logins: each database has a user of its own; otherwise each server has one.

    Raises:
        click.ClickException: the operator asked what was not recorded.
    """
    say("recording the answers of a real database")
    recording, found = record(), []
    for count in counts:
        say(f"starting the control plane and {servers} simulated servers")
        with simulated_servers(recording, servers) as simulated, real_parts(servers=0) as parts:
            names = [f"many-{number:04}" for number in range(count)]
            say(f"creating {count} Secrets")
            create_secrets(parts, _databases(names, simulated.ports, own_logins=own_logins))
            found.append(_measure(parts, simulated, names, idle_seconds, say))
    return found


def table_of_simulated(found: list[SimulatedFigures]) -> Table:
    """Return the table of all runs."""
    load = f"load of the machine at the end {os.getloadavg()[0]:.1f}"
    title = f"Simulated databases, at the wanted schema already: nothing is migrated ({load})"
    table = Table("what", *(f"{each.resources} on {each.servers}" for each in found), title=title)
    for name, (what, form) in ROWS.items():
        table.add_row(what, *(shown(getattr(each, name), form) for each in found))
    return table


def _databases(names: list[str], ports: tuple[int, ...], *, own_logins: bool) -> dict[str, Database]:
    """Return databases by name, as many on each port."""
    found = {}
    for number, name in enumerate(names):
        port = ports[number % len(ports)]
        user = f"owner-{name}" if own_logins else f"owner-{port}"
        found[name] = Database("127.0.0.1", port, name, user, password_of(user))
    return found


def _measure(
    parts: Parts, simulated: SimulatedServers, names: list[str], idle_seconds: int, say: Callable[[str], None]
) -> SimulatedFigures:
    count, settle = len(names), min(INTERVAL_SECONDS, idle_seconds)
    say("creating the resources until all are Ready")
    figures = {"memory_none": parts.operator.resident_bytes / MEBIBYTE} | _become_ready(parts, simulated, names)
    say(f"settling for {settle} s, then {idle_seconds} s at rest")
    time.sleep(settle)
    figures |= at_rest(parts, idle_seconds)
    say(f"SIGTERM, a start, and {settle} s more for what may be written")
    figures |= restarted(parts, count, settle)
    figures["stop"] = max(figures["stop"], stopped(parts))
    _check(simulated)
    figures["memory_each"] = (figures["memory_idle"] - figures["memory_none"]) * 1024 / count
    figures["idle_cpu_each"] = figures["idle_cpu"] / 100 * INTERVAL_SECONDS * 1000 / count
    told = dict(Counter(event["reason"] for event in parts.team.events()))
    return SimulatedFigures(resources=count, servers=len(simulated.ports), told=told, **figures)


def _become_ready(parts: Parts, simulated: SimulatedServers, names: list[str]) -> dict[str, Any]:
    """Create the resources, and wait until all are Ready."""
    watch, memory, cpu = ReadyWatch(parts), Memory(parts.operator), parts.operator.cpu_seconds
    started = time.monotonic()
    kubectl_create(parts, [resource(name, secret_name=name) for name in names])
    created = time.monotonic() - started
    _wait_for(watch, simulated, set(names))
    ready = max(watch.seen[name] for name in names) - started
    used = parts.operator.cpu_seconds - cpu
    watch.close()
    figures = {"created": created, "ready": ready, "cpu_each": used / len(names) * 1000}
    return {**figures, "memory_peak": memory.stop() / MEBIBYTE}


def _wait_for(watch: ReadyWatch, simulated: SimulatedServers, names: set[str]) -> None:
    """Wait until all are Ready, or the operator asks what was not recorded."""
    until = time.monotonic() + 120 + len(names)
    while True:
        try:
            return watch.wait_for(names, seconds=LOOK_SECONDS)
        except TimeoutError:
            _check(simulated)
            if time.monotonic() > until:
                raise


def _check(simulated: SimulatedServers) -> None:
    """Raise click.ClickException with all requests that were not recorded."""
    if unknown := Counter(simulated.unknown()):
        listed = "\n".join(f"{times} times: {text}" for text, times in unknown.most_common())
        raise click.ClickException(f"The operator asked what was not recorded:\n{listed}")
