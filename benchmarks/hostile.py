"""Attacks on the operator, one after another, and what they do to it and to the databases of other tenants.

    python -m benchmarks.hostile [--runs N] [--only TEXT] [--json]

The real operator runs on a real control plane, beside healthy databases that are checked every second. An attack is
held if each of its resources ends in the reason that is promised, nothing of the attacker's ran with the rights of the
owner, and the limits below were kept in every run. Servers that no real PostgreSQL can be made to be are scripts, in a
process of their own.
"""

import itertools
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.footprint import p99
from benchmarks.hung import BUSIEST, LIVE_EVERY, METRICS_EVERY, Scraper, apply_healthy
from benchmarks.other_process import in_another_process
from benchmarks.parts import Parts, real_parts
from tests.database.targets import role
from tests.support import hostile
from tests.support.certificates import issue_certificates
from tests.support.database import Database, quoted
from tests.support.hostile import ANSWERS, LOGINS, Script, hostile_server
from tests.support.processes import wait_until
from tests.support.resources import connection_values, resource, secret
from tests.support.serving import OperatorProcess
from tests.trust.planting import BEFORE, MAY_CREATE, TAKES_OVER, TRIGGERS

PLAIN_PASSWORD = "a server that asks for the password in plain text, over TLS that nobody checked"
MEBIBYTE = 1024 * 1024
MOST_MEMORY, MOST_LIVE, MOST_LATE = 150.0, 50.0, 1000.0
"""Limits that are promised: MiB of the operator; milliseconds of `/live` at p99; milliseconds by which the check of a
neighbour is late."""
HOLD_SECONDS = 1.0
"""Seconds for which an attack goes on after it has shown its effect."""
LEAST_SECONDS = 8.0
"""Least seconds for all runs of an attack, so that neighbours are checked several times."""
END_SECONDS = 60.0
"""Limit of the seconds until each resource of an attack ends in its reason."""
SILENT_CLIENTS = 300

SERVERS: dict[str, tuple[Script, str]] = {
    "asks for 2,000,000,000 rounds of SCRAM": (hostile.scram_bomb, "LoginTooCostly"),
    "asks for 100,000 rounds of SCRAM, ten times at once": (hostile.scram_challenge(100_000), "Timeout"),
    "sends notices without end before the login": (hostile.talks_before_login, "NotPostgreSQL"),
    "speaks HTTP": (hostile.speaks_http, "NotPostgreSQL"),
    "sends one byte at a time": (hostile.slow, "Timeout"),
    **{f"logs in with {name}": script for name, script in LOGINS.items()},
    **{f"answers with {name}": script for name, script in ANSWERS.items()},
}
"""Scripts with the reason in which each ends."""


@dataclass(frozen=True)
class Arena:
    """Parts, ports of SERVERS and unused numbers, for an attack."""

    parts: Parts
    ports: dict[str, int]
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def name(self) -> str:
        return f"attack-{next(self.numbers)}"


Start = Callable[[Arena], AbstractContextManager[bool]]


@dataclass(frozen=True)
class Attack:
    """One attack.

    Attributes:
        section: A the database, B Secrets and TLS, C servers, D endpoints, files and the cluster.
        promise: what is to come of it.
        start: begins it; yields whether the promise was kept, for the duration of a `with`.
    """

    section: str
    name: str
    promise: str
    start: Start


@dataclass(frozen=True)
class Figures:
    """Worst figures of all runs of one attack, and whether the promise was kept each time."""

    memory: float
    live: float
    descriptors: int
    late: float
    kept: bool

    @property
    def held(self) -> bool:
        return self.kept and self.memory < MOST_MEMORY and self.live < MOST_LIVE and self.late < MOST_LATE


def _ends_in(arena: Arena, names: list[str], reason: str) -> bool:
    """Return whether each resource is not Ready for REASON, before `END_SECONDS` are over."""

    def all_ended() -> bool:
        return all(arena.parts.team.condition(name, "Ready").get("reason") == reason for name in names)

    try:
        wait_until(all_ended, what=f"all end in {reason}", seconds=END_SECONDS, interval=0.1)
    except Exception:  # noqa: BLE001 - the row says that the promise was not kept
        return False
    return True


def _create(arena: Arena, *manifests: dict[str, Any]) -> None:
    """Create objects; `kubectl apply` would repeat a large Secret in an annotation, which has a limit."""
    documents = "\n---\n".join(json.dumps(manifest) for manifest in manifests)
    arena.parts.cluster.kubectl("create", "-n", arena.parts.team.name, "-f", "-", input=documents)


@contextmanager
def _resources(arena: Arena, values: dict[str, str], reason: str, *, count: int = 1) -> Iterator[bool]:
    """Apply COUNT resources with a Secret of VALUES each; yield whether all ended in REASON, and delete them."""
    names = [arena.name() for _ in range(count)]
    team = arena.parts.team
    for name in names:
        _create(arena, secret(name, values), resource(name, secret_name=name, **BUSIEST))
    yield _ends_in(arena, names, reason)
    arena.parts.cluster.kubectl("delete", "dashboarddatabase,secret", *names, "-n", team.name, "--wait=false")


def _login(port: int) -> dict[str, str]:
    return {
        "host": "127.0.0.1", "port": str(port), "dbname": "perses", "user": "ann", "password": "secret",
        "sslmode": "disable",
    }  # fmt: skip


def server(name: str, reason: str, *, count: int = 3) -> Start:
    def start(arena: Arena) -> AbstractContextManager[bool]:
        return _resources(arena, _login(arena.ports[name]), reason, count=count)

    return start


def secret_values(reason: str, *, count: int = 1, **values: str) -> Start:
    def start(arena: Arena) -> AbstractContextManager[bool]:
        login = _login(1) | {"sslmode": "verify-full"} | {key.replace("_", "."): text for key, text in values.items()}
        return _resources(arena, login, reason, count=count)

    return start


def planted(statements: str, *, after: str | None = None) -> Start:
    """Let another role plant STATEMENTS before the first migration; or a trigger, AFTER it was granted everything."""

    @contextmanager
    def start(arena: Arena) -> Iterator[bool]:
        postgres = arena.parts.postgres
        database = postgres.create_database()
        grants = MAY_CREATE.replace("CURRENT", quoted(database.name))
        attacker = role(postgres, database=database, grants=grants)
        names = [arena.name()]
        team = arena.parts.team
        manifests = secret(names[0], connection_values(database)), resource(names[0], secret_name=names[0], **BUSIEST)
        if after is None:
            postgres.psql(attacker, sql=TAKES_OVER + statements)
            _create(arena, *manifests)
        else:
            _create(arena, *manifests)
            team.wait_for(names[0], "Ready", "True")
            postgres.psql(database, sql=f"GRANT ALL ON {after} TO {quoted(attacker.user)}")
            postgres.psql(attacker, sql=f"{TAKES_OVER} CREATE TRIGGER fires BEFORE UPDATE ON {after} {statements}")
        ended = _ends_in(arena, names, "ForeignObject")
        yield ended and not _taken_over(arena, database)
        arena.parts.cluster.kubectl("delete", "dashboarddatabase,secret", *names, "-n", team.name, "--wait=false")

    return start


def _taken_over(arena: Arena, database: Database) -> bool:
    query = f"SELECT count(*) FROM pg_class WHERE relname = 'taken_over_by_{database.user}'"
    return arena.parts.postgres.psql(database, sql=query, args=("-At",)).strip() != "0"


@contextmanager
def silent_clients(arena: Arena) -> Iterator[bool]:
    """Open connections to the endpoints, and say nothing."""
    with ExitStack() as stack:
        for _ in range(SILENT_CLIENTS):
            client = stack.enter_context(socket.socket())
            client.settimeout(2)
            client.connect(("127.0.0.1", arena.parts.operator.port))
        yield arena.parts.operator.is_alive()


def many_that_fail(arena: Arena) -> AbstractContextManager[bool]:
    return _resources(arena, _login(1), "ConnectionRefused", count=50)


def plain_password(arena: Arena) -> AbstractContextManager[bool]:
    return _resources(
        arena, _login(arena.ports[PLAIN_PASSWORD]) | {"sslmode": "require"}, "PlaintextPasswordRefused", count=3
    )


def forbidden_address(arena: Arena) -> AbstractContextManager[bool]:
    return _resources(arena, _login(80) | {"host": "169.254.169.254"}, "AddressNotAllowed")


def folder(make: Callable[[Path], None]) -> Start:
    """Give the command line a folder of migrations with something in it that is no migration file."""

    @contextmanager
    def start(_: Arena) -> Iterator[bool]:
        with tempfile.TemporaryDirectory(prefix="dashdb-bench-") as path:
            make(Path(path))
            command = [sys.executable, "-m", "controller", "migrate", "lint", "--path", path]
            ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
            yield ended.returncode == 2 and len(ended.stderr) < 1000

    return start


def _many_files(path: Path) -> None:
    for number in range(100_000):
        (path / f"V{number}_a.up.sql").touch()


def _large_file(path: Path) -> None:
    with (path / "V1_a.up.sql").open("wb") as file:
        file.truncate(2**30)


ENCRYPTED = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"

ATTACKS = (
    *(Attack("A", f"planted: {name}", "ForeignObject", planted(sql)) for name, sql in BEFORE.items()),
    *(
        Attack("A", f"a trigger with {name}", "ForeignObject", planted(sql, after="public.share_token"))
        for name, sql in TRIGGERS.items()
    ),
    Attack("B", "an encrypted client key", "SecretValueInvalid",
           secret_values("SecretValueInvalid", tls_crt=CERTIFICATE, tls_key=ENCRYPTED)),
    Attack("B", "a bundle of 1,806 authorities", "SecretValueInvalid",
           secret_values("SecretValueInvalid", ca_crt=CERTIFICATE * 1806)),
    Attack("B", "20 Secrets of 700 KiB", "SecretValueInvalid",
           secret_values("SecretValueInvalid", count=20, ca_crt="x" * 700 * 1024)),
    *(
        Attack("C", f"a server that {name}", reason,
               server(name, reason, count=10 if "ten times" in name else 3))
        for name, (_, reason) in SERVERS.items()
    ),
    Attack("C", PLAIN_PASSWORD, "PlaintextPasswordRefused", plain_password),
    Attack("D", f"{SILENT_CLIENTS} clients that say nothing", "/live answers", silent_clients),
    Attack("D", "50 resources that fail every second", "ConnectionRefused", many_that_fail),
    Attack("D", "the metadata of a cloud", "AddressNotAllowed", forbidden_address),
    Attack("D", "--path with a FIFO", "exit 2", folder(lambda path: os.mkfifo(path / "V1_a.up.sql"))),
    Attack("D", "--path with a file of a gigabyte", "exit 2", folder(_large_file)),
    Attack("D", "--path with 100,000 files", "exit 2", folder(_many_files)),
)  # fmt: skip


class Peak(threading.Thread):
    """Thread that notes the highest memory and number of descriptors of the operator, for the duration of a `with`."""

    def __init__(self, operator: OperatorProcess) -> None:
        super().__init__(daemon=True)
        self.memory = 0.0
        self.descriptors = 0
        self._operator = operator
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(0.02):
            self.memory = max(self.memory, self._operator.resident_bytes / MEBIBYTE)
            self.descriptors = max(self.descriptors, self._operator.descriptors)

    def __enter__(self) -> "Peak":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self.join()


def measure(attack: Attack, arena: Arena, runs: int) -> Figures:
    """Run an attack RUNS times, and return the worst of each figure."""
    port, kept = arena.parts.operator.port, True
    with (
        Peak(arena.parts.operator) as peak,
        Scraper((port, port), "/live", LIVE_EVERY) as live,
        Scraper((port, port), "/metrics", METRICS_EVERY) as metrics,
    ):
        until = time.monotonic() + LEAST_SECONDS
        for _ in range(runs):
            with attack.start(arena) as held:
                kept &= held
                time.sleep(HOLD_SECONDS)
        time.sleep(max(0.0, until - time.monotonic()))
    return Figures(
        peak.memory, p99(live.milliseconds), peak.descriptors, max(metrics.late, default=math.inf) * 1000, kept
    )


@asynccontextmanager
async def _servers() -> AsyncIterator[dict[str, int]]:
    async with AsyncExitStack() as stack:
        scripts = {name: script for name, (script, _) in SERVERS.items()}
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dashdb-bench-")))
        scripts[PLAIN_PASSWORD] = hostile.asks_for_plain_password_over_tls(issue_certificates(folder / "tls"))
        yield {name: await stack.enter_async_context(hostile_server(script)) for name, script in scripts.items()}


def measure_all(attacks: list[Attack], runs: int, console: Console) -> dict[str, Figures]:
    """Return the figures of each attack by its name."""
    with in_another_process(_servers) as ports, real_parts() as parts:
        apply_healthy(parts)
        arena = Arena(parts, ports)
        found: dict[str, Figures] = {}
        for number, attack in enumerate(attacks, start=1):
            found[attack.name] = figures = measure(attack, arena, runs)
            held = "held" if figures.held else f"NOT held: {figures}"
            console.print(f"{number}/{len(attacks)} {attack.section} {attack.name}: {held}")
        return found


def table_of(attacks: list[Attack], found: dict[str, Figures], runs: int) -> Table:
    title = f"worst of {runs} runs each; limits: {MOST_MEMORY:g} MiB, /live {MOST_LIVE:g} ms, late {MOST_LATE:g} ms"
    columns = ("", "attack", "promised", "memory, MiB", "/live p99, ms", "descriptors", "neighbour late by, ms", "held")
    table = Table(*columns, title=title)
    for attack in attacks:
        each = found[attack.name]
        figures = (f"{each.memory:.0f}", f"{each.live:.1f}", str(each.descriptors), f"{each.late:.0f}")
        table.add_row(attack.section, attack.name, attack.promise, *figures, "yes" if each.held else "NO")
    return table


@click.command()
@click.option("--runs", default=20, show_default=True, type=click.IntRange(min=1), help="Runs of each attack.")
@click.option(
    "--only", multiple=True, default=("",), help="Only attacks with this text in their name; may be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
def main(runs: int, only: tuple[str, ...], *, as_json: bool) -> None:
    """Attack the operator, and print what it costs it and its other tenants."""
    attacks = [attack for attack in ATTACKS if any(text in attack.name for text in only)]
    found = measure_all(attacks, runs, Console(stderr=True))
    if as_json:
        print(json.dumps({name: {**asdict(each), "held": each.held} for name, each in found.items()}))
    else:
        Console(width=160).print(table_of(attacks, found, runs))
    sys.exit(not all(each.held for each in found.values()))


if __name__ == "__main__":
    main()
