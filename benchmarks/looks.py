"""CPU time of a look at a database that is ready, which is nearly all that an operator does at rest.

    python -m benchmarks.looks [--databases N] [--seconds S] [--json]

The loops of as many databases run in this process, with the operator's limits and without Kubernetes, on simulated
servers (see `benchmarks.simulated_scale`). More databases than connections share a server, so each look is a login. The
floor of the same run is a login by asyncpg alone, at the same pace (`benchmarks.bare_login`).
"""

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from datetime import datetime

import click
from rich.console import Console
from rich.table import Table

from benchmarks.simulated.record import record
from benchmarks.simulated.scram import password_of
from benchmarks.simulated.servers import SimulatedServers, simulated_servers
from controller.database.pool.server_places import Servers
from controller.database.target import SslMode, Target
from controller.desired import Desired
from controller.errors import ConfigurationError
from controller.health.store import ReportStore
from controller.migrate.files.folder import packaged_folder, read_folder
from controller.reconcile.loop import ReconcileLoop
from controller.reconcile.result import MigrationProgress, ReconcileResult
from controller.reconcile.turns import Turns
from controller.runtime.gc_tuning import keep_latency_low
from tests.support.postgres import clean_environ

SERVERS = 5
USER = "owner"
CONNECTIONS = 5
"""Connections to each server, the operator's default."""
INTERVAL_SECONDS = 2.0
SETTLE_SECONDS = 120.0
"""Limit of the first looks at all databases."""
LOGINS = 500
"""Logins of which the floor is the mean."""


@dataclass(frozen=True)
class Figures:
    """Milliseconds of CPU time: of a look, and of a bare login; and the first by the second."""

    databases: int
    looks: int
    look: float
    login: float
    ratio: float


class _Adapter:
    """Adapter of a database whose desired state never changes; counts its looks."""

    def __init__(self, desired: Desired) -> None:
        self.changed = asyncio.Event()
        self.settled = asyncio.Event()
        self.looks = 0
        self._desired = desired

    async def read_desired(self, *, due: bool) -> Desired:  # noqa: ARG002
        return self._desired

    def still_wanted(self, *, dialling: bool = False) -> bool:  # noqa: ARG002
        return True

    async def inputs_changed(self) -> bool:
        return False

    def is_ready(self, result: ReconcileResult) -> bool:
        return result.ready

    def unchanged_since(self, *, ready: bool) -> datetime | None:  # noqa: ARG002
        return None

    async def report(self, result: ReconcileResult) -> None:
        if not result.ready:
            raise RuntimeError(f"not ready: {result.summary}")
        self.looks += 1
        if self.looks == 3:  # the first one reads everything, and what it changed itself is looked at once more
            self.settled.set()

    async def report_progress(self, progress: MigrationProgress) -> None:
        pass

    async def reject(self, error: ConfigurationError) -> None:
        raise error


async def look_for(adapters: list[_Adapter], seconds: float) -> tuple[int, float]:
    """Run a loop for each adapter; return the looks of SECONDS after the first ones, and their CPU time in seconds."""
    files, store = read_folder(packaged_folder()), ReportStore()
    turns, servers = Turns(on_a_server=CONNECTIONS), Servers(CONNECTIONS)
    loops = [
        ReconcileLoop(
            adapter, key=("team", f"many-{n}"), store=store, migrations=lambda: files, turns=turns, servers=servers
        )
        for n, adapter in enumerate(adapters)
    ]
    running = [asyncio.create_task(loop.run()) for loop in loops]
    async with asyncio.timeout(SETTLE_SECONDS):  # the loop of one that is not ready logs that, and goes on
        for each in adapters:
            await each.settled.wait()
    before, began = sum(each.looks for each in adapters), time.process_time()
    await asyncio.sleep(seconds)
    found = sum(each.looks for each in adapters) - before, time.process_time() - began
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    return found


def bare_login(port: int, pause: float) -> float:
    """Return the milliseconds of CPU time of a login by asyncpg alone, PAUSE seconds after the one before."""
    command = [sys.executable, "-m", "benchmarks.bare_login", str(LOGINS), str(pause)]
    where = {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGDATABASE": "bare"}
    login = {"PGUSER": USER, "PGPASSWORD": password_of(USER)}
    answer = subprocess.run(command, env=clean_environ() | where | login, check=True, capture_output=True, text=True)
    return float(answer.stdout)


def measure(databases: int, seconds: float) -> Figures:
    recording = record()
    with simulated_servers(recording, SERVERS) as simulated:
        adapters = [
            _Adapter(Desired(target, interval_seconds=INTERVAL_SECONDS)) for target in _targets(databases, simulated)
        ]
        keep_latency_low()
        looks, used = asyncio.run(look_for(adapters, seconds))
        if unknown := simulated.unknown():
            raise click.ClickException(f"asked what was not recorded: {unknown[0]}")
        look, login = used / looks * 1000, bare_login(simulated.ports[0], seconds / looks)
    return Figures(databases, looks, look, login, look / login)


def _targets(count: int, simulated: SimulatedServers) -> list[Target]:
    ports = simulated.ports
    return [
        Target(
            "127.0.0.1", ports[n % len(ports)], f"many-{n:04}", USER, password_of(USER), SslMode.DISABLE, tenant="team"
        )
        for n in range(count)
    ]


@click.command()
@click.option("--databases", default=100, show_default=True, type=click.IntRange(min=30), help="Number of databases.")
@click.option("--seconds", default=20.0, show_default=True, type=click.FloatRange(min=1), help="Duration.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
def main(*, databases: int, seconds: float, as_json: bool) -> None:
    """Measure the CPU time of a look."""
    found = measure(databases, seconds)
    if as_json:
        print(json.dumps(asdict(found)))
        return
    table = Table("what", "CPU, each", title=f"{found.looks} looks at {databases} simulated databases")
    table.add_row("look at a database", f"{found.look:.2f} ms")
    table.add_row("login by asyncpg alone", f"{found.login:.2f} ms")
    table.add_row("  ratio", f"{found.ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
