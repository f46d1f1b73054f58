"""Delays of the checks of healthy databases, without and with two bad servers beside theirs."""

import itertools
import re
import socket
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.table import Table

from benchmarks.footprint import p99
from benchmarks.many_databases import apply_resources, create_secrets, spread_databases
from benchmarks.parts import Parts, ReadyWatch, real_parts
from tests.support.database import Database
from tests.support.processes import free_port

POLL_SECONDS = 2.0
BACKLOG = 4096
"""Connections that the kernel takes for the silent server, which never looks at one."""
CHECKED = re.compile(
    r'^dashdb_database_(last_check_timestamp|response)_seconds\{name="good-(\d+)".*\} (\S+)$', re.MULTILINE
)
ROWS = {
    "checks": ("checks", "{:.0f}"),
    "late_median": ("late by, median", "{:.2f} s"),
    "late_p99": ("  p99", "{:.2f} s"),
    "late_most": ("  most", "{:.2f} s"),
    "response_p99": ("answer of the database, p99", "{:.1f} ms"),
    "cpu": ("CPU of the operator, of one core", "{:.1f} %"),
}
"""Text and format of each attribute of `Lateness`."""


@dataclass(frozen=True)
class Lateness:
    """Delays of the checks of the healthy databases in seconds, and their answers in milliseconds.

    A check is late by the time since the one before, less the interval.
    """

    checks: int
    late_median: float
    late_p99: float
    late_most: float
    response_p99: float
    cpu: float


def observe(parts: Parts, interval: int, seconds: int) -> Lateness:
    """Return what the operator's own metrics say of the checks in SECONDS."""
    checked: defaultdict[str, list[float]] = defaultdict(list)
    responses: list[float] = []
    cpu, until = parts.operator.cpu_seconds, time.monotonic() + seconds
    while time.monotonic() < until:
        for what, name, value in CHECKED.findall(parts.operator.get("/metrics")[1]):
            if what == "response":
                responses.append(float(value) * 1000)
            elif float(value) not in checked[name][-1:]:
                checked[name].append(float(value))
        time.sleep(min(POLL_SECONDS, interval / 4))
    gaps = [after - before for moments in checked.values() for before, after in itertools.pairwise(moments)]
    late = [gap - interval for gap in gaps]
    share = (parts.operator.cpu_seconds - cpu) / seconds * 100
    return Lateness(len(gaps), statistics.median(late), p99(late), max(late), p99(responses), share)


def measure_lateness(
    count: int, servers: int, interval: int, seconds: int, say: Callable[[str], None]
) -> dict[str, Lateness]:
    """Return the delays of nine tenths of COUNT databases, alone, and with the last tenth on two bad servers."""
    bad = max(2, count // 10)
    good_names = [f"good-{number}" for number in range(count - bad)]
    bad_names = [f"bad-{number}" for number in range(bad)]
    health = {"intervalSeconds": interval}
    say(f"starting the control plane and {servers} PostgreSQL")
    with real_parts(servers=servers, settings={}) as parts, silent_port() as silent:
        databases = spread_databases(parts.servers, good_names)
        create_secrets(parts, databases)
        watch = ReadyWatch(parts)
        apply_resources(parts, good_names, health=health)
        watch.wait_for(set(good_names), seconds=120 + count)
        watch.close()
        time.sleep(interval)
        say(f"{len(good_names)} databases alone, for {seconds} s")
        alone = observe(parts, interval, seconds)
        ports = itertools.cycle((free_port(), silent))
        broken = {name: Database("127.0.0.1", next(ports), name, "ann", "secret") for name in bad_names}
        create_secrets(parts, broken)
        apply_resources(parts, bad_names, health=health)
        time.sleep(interval)
        say(f"with {bad} more on a server that is gone and a silent one, for {seconds} s")
        return {"alone": alone, "with bad servers": observe(parts, interval, seconds)}


@contextmanager
def silent_port() -> Iterator[int]:
    """Yield a port at which connections are taken and never answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listening:
        yield int(listening.getsockname()[1])


def table_of_lateness(found: dict[str, Lateness], count: int, servers: int) -> Table:
    title = f"Checks of healthy databases, of {count} on {servers} servers, and on 2 bad ones"
    table = Table("what", *found, "ratio", title=title)
    alone, beside = found.values()
    for name, (what, form) in ROWS.items():
        before, after = getattr(alone, name), getattr(beside, name)
        ratio = f"{after / before:.2f}" if before > 0 else ""
        table.add_row(what, form.format(before), form.format(after), ratio)
    return table
