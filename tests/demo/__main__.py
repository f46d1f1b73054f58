"""The tour: PostgreSQL alone first, while what the cluster needs is built in the background."""

import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.demo.builds import BackgroundBuilds
from tests.demo.cluster import STEPS, operator_running
from tests.demo.engine import beside_a_backend, migrate, seed_templates
from tests.demo.stage import NotAsPromised, Stage
from tests.support.binaries import certs_program, etcd, kube_apiserver
from tests.support.postgres import PostgresServer
from tests.support.processes import SupportError

CLUSTER_PARTS = (certs_program, etcd, kube_apiserver)
"""Programs of the cluster, in the order in which they are built."""
CACHED_SECONDS = 0.5
"""Seconds within which cached programs have been found."""


@contextmanager
def postgresql(stage: Stage) -> Iterator[PostgresServer]:
    """Start a server of the latest major version; gone afterwards."""
    stage.heading("A real PostgreSQL 18")
    with ExitStack() as stack:
        with stage.waiting("PostgreSQL"):
            server = stack.enter_context(PostgresServer(18))
        yield server


def without_a_cluster(stage: Stage, postgres: PostgresServer, builds: BackgroundBuilds, folder: Path) -> None:
    """Show all that PostgreSQL alone can show, and between the steps how far the builds are."""
    database = postgres.create_database("engine")
    steps: tuple[Callable[[], None], ...] = (
        lambda: migrate(stage, postgres, database),
        lambda: seed_templates(stage, database),
        lambda: beside_a_backend(stage, postgres, folder),
    )
    for step in steps:
        step()
        if builds.progress:
            stage.aside(f"in the background: {builds.progress}")


def tour(stage: Stage, folder: Path) -> None:
    """Show everything; FOLDER takes logs."""
    with BackgroundBuilds(CLUSTER_PARTS) as builds:
        if not builds.finished(CACHED_SECONDS):
            stage.say("kube-apiserver and etcd are built in the background (once, some minutes); what needs only")
            stage.say("PostgreSQL comes first.")
        with postgresql(stage) as postgres:
            without_a_cluster(stage, postgres, builds, folder)
            if not builds.finished(0):
                stage.wait_for("The cluster's parts", builds.finished, lambda: builds.progress)
            with operator_running(stage, postgres, folder) as shown:
                for step in STEPS:
                    step(shown)


def main() -> int:
    """Return exit code 0 if every promise was kept, 130 after a Ctrl-C, 1 otherwise."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(128 + signal.SIGTERM))
    stage = Stage()
    try:
        with tempfile.TemporaryDirectory(prefix="dashdb-demo-") as folder:
            tour(stage, Path(folder))
    except (NotAsPromised, SupportError) as error:
        stage.console.print("\n[bold red]Not as promised:[/]", end=" ")
        stage.console.print(str(error), markup=False)
        return 1
    except KeyboardInterrupt:
        stage.console.print("\nInterrupted; everything is cleaned up.")
        return 130
    stage.console.print(f"\n[bold green]All of it held[/] in {stage.seconds:.0f} s, and everything is cleaned up.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
