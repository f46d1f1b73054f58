"""Effect of hundreds of hanging databases on the healthy ones of the same operator.

    python -m benchmarks.hung [--json] [--databases N] [--seconds N]

The real operator runs on a real control plane. The servers that hang are scripts: mute after the login, or in the
middle of it; besides, one asks for billions of rounds of SCRAM, and two send notices without end. Separate processes
request `/live` and `/metrics`: at rest, with the healthy databases alone; with those that hang at the default
interval; and with those that hang checked as often as a resource may ask for, once a second. The floor is the same
page for all these databases from a process that does nothing else, requested in turn with the operator: the cost of
the machine and of the library that writes the metrics. The delay of a check is the time between two checks, as
`/metrics` says, above the interval.
"""

import http.client
import itertools
import json
import multiprocessing
import re
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

import click
from rich.console import Console
from rich.table import Table

from benchmarks.footprint import p99
from benchmarks.idle_pages import idle_pages
from benchmarks.parts import Parts, ReadyWatch, real_parts
from benchmarks.scripted import servers_of
from tests.support.processes import wait_until
from tests.support.resources import connection_values, resource, secret

HEALTHY = 5
INTERVAL_SECONDS = 1
BUSIEST: dict[str, Any] = {
    "health": {"intervalSeconds": INTERVAL_SECONDS},
    "pool": {"connectTimeoutSeconds": 1, "queryTimeoutSeconds": 1},
}
"""Largest load that resources may ask of the operator."""
SETTLE_SECONDS = 30.0
"""Seconds to wait after hundreds were applied at once; each at the default interval is checked once more."""
HANG = ("mute after the login", "mute in the middle of SCRAM")
HOSTILE = (
    "a SCRAM bomb: 2,000,000,000 rounds",
    "endless notices before the login",
    "endless notices after the login",
)
ROWS = {
    "live_p99": ("/live, p99", "ms", "20 ms"),
    "live_floor": ("/live, p99, floor", "ms", "-"),
    "metrics_p99": ("/metrics, p99", "ms", "100 ms"),
    "metrics_floor": ("/metrics, p99, floor", "ms", "-"),
    "late_p99": ("check of a healthy one, late by, p99", "ms", "-"),
    "late_most": ("the latest of them", "ms", "-"),
    "cpu": ("the operator, of one CPU", "%", "-"),
}
"""Text, unit and aim of each attribute of `Figures`."""
LIVE_EVERY, METRICS_EVERY = 0.02, 0.5
"""Seconds between an answer and the next request."""
CHECKED = re.compile(r'^dashdb_database_last_check_timestamp_seconds\{name="(healthy-\d+)".*\} (\S+)$', re.MULTILINE)
RECONCILED = re.compile(r'^dashdb_reconcile_total\{name="(healthy-\d+)".*\} (\S+)$', re.MULTILINE)
FAILED = re.compile(r'^dashdb_reconcile_total\{name="(?:hung|hostile)-\d+".*result="not_ready"\} [1-9]', re.MULTILINE)

_context = multiprocessing.get_context("spawn")


class Scraper:
    """Process that requests one path from the operator and the floor in turn, for the duration of a `with`.

    Attributes:
        milliseconds, floor: time of each answer of the operator, and of the floor.
        late: delay in seconds of each check of a healthy database, from the operator's answers.
    """

    def __init__(self, ports: tuple[int, int], path: str, every: float) -> None:
        self.milliseconds: list[float] = []
        self.floor: list[float] = []
        self.late: list[float] = []
        self._pipe, theirs = _context.Pipe()
        self._process = _context.Process(target=_scrape, args=(ports, path, every, theirs), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pipe.send("stop")
        self.milliseconds, self.floor, self.late = self._pipe.recv()
        self._process.join()


def _scrape(ports: tuple[int, int], path: str, every: float, stop: Connection) -> None:
    operator, floor = (http.client.HTTPConnection("127.0.0.1", port, timeout=60) for port in ports)
    milliseconds: list[float] = []
    floors: list[float] = []
    checked: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)  # moments, and checks until then
    while not stop.poll(every):
        page = _timed(operator, path, milliseconds)
        counts: Counter[str] = Counter()
        for name, count in RECONCILED.findall(page):
            counts[name] += int(float(count))
        for name, moment in CHECKED.findall(page):
            if checked[name][-1:] == [] or checked[name][-1][0] != float(moment):
                checked[name].append((float(moment), counts[name]))
        _timed(floor, path, floors)
    pairs = (pair for moments in checked.values() for pair in itertools.pairwise(moments))
    # A page may be a second old, so that a check may not have been seen by itself.
    late = [after[0] - before[0] - max(1, after[1] - before[1]) * INTERVAL_SECONDS for before, after in pairs]
    stop.send((milliseconds, floors, late))


def _timed(connection: http.client.HTTPConnection, path: str, milliseconds: list[float]) -> str:
    started = time.perf_counter()
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
    except (ConnectionError, http.client.HTTPException):  # an idle connection gave way to a new client
        connection.close()
        connection.request("GET", path)
        answer = connection.getresponse()
    body = answer.read()
    milliseconds.append((time.perf_counter() - started) * 1000)
    return body.decode()


@dataclass(frozen=True)
class Figures:
    """Figures of one measurement, in milliseconds and per cent of one CPU."""

    live_p99: float
    live_floor: float
    metrics_p99: float
    metrics_floor: float
    late_p99: float
    late_most: float
    cpu: float


def measure(parts: Parts, floor: int, seconds: float) -> Figures:
    ports = (parts.operator.port, floor)
    cpu = parts.operator.cpu_seconds
    with Scraper(ports, "/live", LIVE_EVERY) as live, Scraper(ports, "/metrics", METRICS_EVERY) as metrics:
        time.sleep(seconds)
    share = (parts.operator.cpu_seconds - cpu) / seconds
    late = [value * 1000 for value in metrics.late]
    return Figures(
        live_p99=p99(live.milliseconds),
        live_floor=p99(live.floor),
        metrics_p99=p99(metrics.milliseconds),
        metrics_floor=p99(metrics.floor),
        late_p99=p99(late),
        late_most=max(late),
        cpu=share * 100,
    )


def apply_healthy(parts: Parts) -> None:
    watch = ReadyWatch(parts)
    names = [f"healthy-{number}" for number in range(HEALTHY)]
    for name in names:
        values = connection_values(parts.postgres.create_database())
        parts.team.apply(secret(name, values), resource(name, secret_name=name, **BUSIEST))
    watch.wait_for(set(names), seconds=120)
    watch.close()


def apply_secrets(parts: Parts, ports: list[int], count: int) -> list[str]:
    """Apply a Secret for each of COUNT hanging databases and each hostile one; return their names.

    Each is on a server of its own: on one server they would wait for each other's few connections.
    """
    values = {
        f"{'hung' if number < count else 'hostile'}-{number}": {"host": "127.0.0.1", "port": str(port)}
        for number, port in enumerate(ports)
    }
    login = {"dbname": "perses", "user": "ann", "password": "secret", "sslmode": "disable"}
    parts.team.apply(*(secret(name, each | login) for name, each in values.items()))
    return list(values)


def apply_hung(parts: Parts, names: list[str], spec: dict[str, Any]) -> None:
    """Apply the resources, and wait until each was checked."""
    parts.team.apply(*(resource(name, secret_name=name, **spec) for name in names))

    def all_checked() -> bool:
        return len(FAILED.findall(parts.operator.get("/metrics")[1])) == len(names)

    wait_until(all_checked, what="every hung database was checked", seconds=300, interval=1)
    time.sleep(SETTLE_SECONDS)


def measure_all(databases: int, seconds: int, console: Console) -> dict[str, Figures]:
    """Return the figures of each of the three loads."""
    found: dict[str, Figures] = {}
    scripts = [*itertools.islice(itertools.cycle(HANG), databases), *HOSTILE]
    with idle_pages(HEALTHY + len(scripts)) as floor, servers_of(scripts) as ports, real_parts() as parts:
        console.print("at rest")
        apply_healthy(parts)
        found["at rest"] = measure(parts, floor, seconds)
        names = apply_secrets(parts, ports, databases)
        for when, spec in {"by default": {}, "every second": BUSIEST}.items():
            console.print(f"with databases that hang, {when}")
            apply_hung(parts, names, spec)
            found[when] = measure(parts, floor, seconds)
    return found


def table_of(found: dict[str, Figures], count: int) -> Table:
    table = Table("what", *found, "aim", title=f"{count} databases hang, {HEALTHY} do not; in brackets / at rest")
    rest = found["at rest"]
    for name, (what, unit, aim) in ROWS.items():
        base = getattr(rest, name)
        cells = (f"{getattr(each, name):.1f} {unit} ({getattr(each, name) / base:.1f})" for each in found.values())
        table.add_row(what, *cells, aim)
    return table


@click.command()
@click.option("--databases", default=200, show_default=True, type=click.IntRange(min=1), help="Number that hang.")
@click.option(
    "--seconds", default=60, show_default=True, type=click.IntRange(min=10), help="Duration of each measurement."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
def main(databases: int, seconds: int, *, as_json: bool) -> None:
    """Measure the effect of databases that hang on those that do not."""
    found = measure_all(databases, seconds, Console(stderr=True))
    if as_json:
        print(json.dumps({"databases": databases, **{when: asdict(each) for when, each in found.items()}}))
    else:
        Console(width=120).print(table_of(found, databases))


if __name__ == "__main__":
    main()
