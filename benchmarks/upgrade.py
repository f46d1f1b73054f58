"""Upgrade of the operator from an older release, and the way back, while resources are at work.

    python -m benchmarks.upgrade --from v0.1.0 [--resources 10] [--json]

The manifests and the operator of the older release, a revision of git or a folder with its source, bring databases to
Ready on real parts; its Python packages are those of this release. Then the manifests of this release are applied, and
its operator stands by until the older one ends, as a Deployment does it. The way back leaves the newer CRD in place.
After each of both, the databases, the status and the events are searched for changes, and a new resource has to become
Ready. `crdify` judges what has changed in the CRD. Exits with 1 if anything was lost, told or refused.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.folder import dump
from tests.support.controlplane import ControlPlane
from tests.support.crd_changes import CRD, incompatible_changes
from tests.support.database import Database
from tests.support.installation import ROOT, install_operator
from tests.support.postgres import PostgresServer
from tests.support.processes import SupportError, wait_until
from tests.support.replicas import HOME, NAME, leads
from tests.support.resources import Namespace, connection_values, resource, says_ready, secret
from tests.support.serving import OperatorProcess

LEASE_SECONDS = 3
INTERVAL_SECONDS = 1
"""Interval between two checks of a resource."""
SETTLE_SECONDS = 5.0
"""Seconds at the new leader after its first look at all, for whatever it might still write."""
PATIENCE_SECONDS = 120.0
SAMPLE_SECONDS = 0.2
WHERE = "import controller; print(controller.__file__, end='')"
HISTORY = "SELECT version, description, state, applied_at FROM schema_version ORDER BY version"


@dataclass(frozen=True)
class Step:
    """Result of a change from one release to another.

    Attributes:
        seconds: from the signal to end, until the other operator had found all databases ready.
        not_ready: resources that did not say Ready at some time.
        writes: of the operators, to the resources that were there before and their events.
        events: reasons of the events that were posted, without those of the new resource.
        warnings: lines of its log at warning or above.
        changed: databases whose schema or history is another one than before.
        new_ready: seconds until a new resource was Ready.
    """

    name: str
    seconds: float
    not_ready: list[str]
    writes: int
    events: list[str]
    warnings: list[str]
    changed: list[str]
    new_ready: float

    @property
    def problems(self) -> dict[str, list[str]]:
        """Return what must be empty."""
        return {
            "not Ready meanwhile": self.not_ready,
            "events": self.events,
            "warnings": self.warnings,
            "databases changed": self.changed,
        }


def seen_not_ready(team: Namespace, ended: threading.Event) -> set[str]:
    """Read all resources again and again until ENDED; return those that did not say Ready at some time."""
    found: set[str] = set()
    while not ended.wait(SAMPLE_SECONDS):
        found |= {each["metadata"]["name"] for each in team.all() if not says_ready(each)}
    return found


@dataclass(frozen=True)
class Rehearsal:
    """Parts of the rehearsal.

    Attributes:
        databases: by the name of their resource.
    """

    team: Namespace
    server: PostgresServer
    folder: Path
    databases: dict[str, Database]

    def create(self, name: str) -> float:
        """Apply a resource with a database of its own; return the seconds until it is Ready."""
        database = self.databases[name] = self.server.create_database()
        wanted = resource(name, secret_name=name, health={"intervalSeconds": INTERVAL_SECONDS})
        began = time.monotonic()
        self.team.apply(secret(name, connection_values(database)), wanted)
        self.team.wait_for(name, "Ready", "True", seconds=PATIENCE_SECONDS)
        return time.monotonic() - began

    def install(self, release: Path, name: str, *, crd: bool = True) -> OperatorProcess:
        """Apply the manifests of RELEASE; return its operator, which does not run yet."""
        there = ("sh", "-c", 'cd "$0" && exec "$@"', str(release))
        where = subprocess.run([*there, sys.executable, "-c", WHERE], capture_output=True, text=True, check=True).stdout
        if not Path(where).is_relative_to(release):
            raise SupportError(f"Python takes the operator of {where}, not that of {release}")
        kubeconfig = install_operator(self.team.cluster, release / "manifests", crd=crd)
        lease = ["--lease", NAME, "--lease-namespace", HOME, "--lease-duration", str(LEASE_SECONDS)]
        log = self.folder / f"{name}.log"
        return OperatorProcess(kubeconfig, log, namespace=self.team.name, log_level="info", options=lease, within=there)

    def change(self, name: str, leader: OperatorProcess, successor: OperatorProcess) -> Step:
        """Let SUCCESSOR take over from LEADER, and return what came of it."""
        names, before, told = set(self.databases), self._stored(), self._events()
        began, ended = datetime.now(UTC), threading.Event()
        with ThreadPoolExecutor(1) as threads:
            observing = threads.submit(seen_not_ready, self.team, ended)
            try:
                successor.start()
                signalled = time.monotonic()
                leader.stop()
                what = "all are seen ready"
                wait_until(lambda: self._all_seen(successor, names), what=what, seconds=PATIENCE_SECONDS)
                seconds = time.monotonic() - signalled
                if not leads(successor):
                    raise SupportError("all is ready, and nobody leads")
                time.sleep(SETTLE_SECONDS)
            finally:
                ended.set()
        not_ready = sorted(observing.result())
        writes = len(self.team.writes(began))
        events = sorted(event["reason"] for key, event in self._events().items() if key not in told)
        after = self._stored()
        changed = sorted(each for each in names if before[each] != after[each])
        new_ready = self.create(f"after-the-{name}")
        return Step(name, seconds, not_ready, writes, events, _warnings(successor), changed, new_ready)

    def _all_seen(self, operator: OperatorProcess, names: set[str]) -> bool:
        return all(operator.get(f"/ready/{self.team.name}/{name}")[0] == 200 for name in names)

    def _stored(self) -> dict[str, str]:
        """Return schema and history of each database."""
        ask = self.server.psql
        return {
            name: dump(self.server, database) + ask(database, sql=HISTORY) for name, database in self.databases.items()
        }

    def _events(self) -> dict[str, Any]:
        return {event["metadata"]["uid"]: event for event in self.team.events()}


def _warnings(operator: OperatorProcess) -> list[str]:
    records = [json.loads(line) for line in operator.log.splitlines() if line.startswith("{")]
    return [record["message"] for record in records if record["level"] in ("warning", "error", "critical")]


def rehearse(older: Path, resources: int, say: Callable[[str], None]) -> list[Step]:
    """Return what came of the upgrade from OLDER to this release, and of the way back."""
    say("starting the control plane and PostgreSQL")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dashdb-upgrade-")))
        server, cluster = stack.enter_context(PostgresServer(18)), stack.enter_context(ControlPlane())
        rehearsal = Rehearsal(Namespace(cluster, cluster.namespace()), server, folder, {})
        say(f"{resources} resources with the older release")
        first = stack.enter_context(rehearsal.install(older, "older"))
        for number in range(resources):
            rehearsal.create(f"before-{number}")
        say("upgrade")
        newer = rehearsal.install(ROOT, "newer")
        stack.callback(newer.kill)
        upgrade = rehearsal.change("upgrade", first, newer)
        say("downgrade")
        again = rehearsal.install(older, "older-again", crd=False)
        stack.callback(again.kill)
        return [upgrade, rehearsal.change("downgrade", newer, again)]


@contextmanager
def source_of(release: str) -> Iterator[Path]:
    """Yield a folder with the source of a release, which is a folder already or a revision of git.

    Raises:
        ClickException: it is neither.
    """
    if Path(release).is_dir():
        yield Path(release).resolve()
        return
    archived = subprocess.run(["git", "archive", release], cwd=ROOT, capture_output=True, check=False)
    if archived.returncode != 0:
        raise click.ClickException(f"{release} is neither a folder nor a revision: {archived.stderr.decode().strip()}")
    with tempfile.TemporaryDirectory(prefix="dashdb-release-") as folder:
        with tarfile.open(fileobj=BytesIO(archived.stdout)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


@click.command()
@click.option("--from", "release", required=True, help="Older release: a revision of git, or a folder with its source.")
@click.option("--resources", default=10, show_default=True, type=click.IntRange(min=1), help="Resources at work.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
def main(*, release: str, resources: int, as_json: bool) -> None:
    """Rehearse an upgrade from an older release, and the way back."""
    console = Console(stderr=True)
    with source_of(release) as older:
        crd, steps = incompatible_changes(older / CRD, ROOT / CRD), rehearse(older, resources, console.print)
    if as_json:
        print(json.dumps({"crd": crd, "steps": [asdict(step) for step in steps]}))
    else:
        Console().print(table_of(steps, resources))
    problems = {"incompatible in the CRD": crd} if crd else {}
    problems |= {f"{step.name}: {what}": found for step in steps for what, found in step.problems.items() if found}
    for what, found in problems.items():
        print(f"{what}: {'; '.join(found)}", file=sys.stderr)
    sys.exit(1 if problems else 0)


def table_of(steps: list[Step], resources: int) -> Table:
    table = Table("what", *(step.name for step in steps), title=f"Change of the release with {resources} resources")
    table.add_row("until all are seen ready", *(f"{step.seconds:.1f} s" for step in steps))
    table.add_row("writes to them and their events", *(str(step.writes) for step in steps))
    for what in steps[0].problems:
        table.add_row(what, *(str(len(step.problems[what])) for step in steps))
    table.add_row("a new resource, Ready after", *(f"{step.new_ready:.1f} s" for step in steps))
    return table


if __name__ == "__main__":
    main()
