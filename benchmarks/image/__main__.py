"""Size, contents, start and memory of the image, and whether a second build is the same.

    python -m benchmarks.image [--json]

For root on Debian, with buildah, mmdebstrap and runc from its packages. The Dockerfile is built twice on a base of
Debian's packages, since no registry is asked for python:3.13-slim: the layers above the base are those of a release.
Then containers run it with the settings of the Deployment, but by a user and in a group as OpenShift chooses them, on a
real kube-apiserver and PostgreSQL: the operator with the token of its ServiceAccount, the sidecar, and a migration as
an init container. Exits with 1 where a build differs, the list of contents is wrong, or a start compiles something.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.image.build import (
    Image,
    build,
    distributions,
    listed,
    python_base,
    refuse_without_programs,
    size_of,
    storage,
    unpacked,
)
from benchmarks.image.container import Container, Limits, bundle, limits_of, new_name, output_of
from tests.support.controlplane import ControlPlane
from tests.support.installation import install_operator, manifests
from tests.support.postgres import PostgresServer
from tests.support.replicas import HOME
from tests.support.resources import Namespace, connection_values, resource, secret

OWN = "opt/dashdb"
"""Folder of the image that the Dockerfile fills."""
LOADED = "controller.operator.service, controller.sidecar.service, controller.cli.migrate, controller.cli.serve"
COMPILED = f"""
import os, sys, {LOADED}
specs = [module.__spec__ for module in list(sys.modules.values()) if getattr(module, "__spec__", None)]
sources = [spec for spec in specs if (spec.origin or "").endswith(".py")]
print(*(spec.name for spec in sources if not os.path.exists(spec.cached or "")))
"""
"""Program that prints the modules that Python compiles, since no compiled file is there."""
SETTLE_SECONDS = 5.0
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Served:
    """Figures of a container that listens.

    Attributes:
        live: seconds from its start to the first answer of /live.
        ready: seconds from its start to the first 200 of /ready.
        memory: MiB at rest, without the page cache.
        most: MiB at most, with the page cache, which the kernel gives back before the limit is reached.
    """

    live: float
    ready: float
    memory: float
    most: float


@dataclass(frozen=True)
class Figures:
    """Result of a run.

    Attributes:
        same: whether both builds have one digest.
        base, own: MiB of the layers of the base and of those above it, as a registry sends them.
        unpacked: MiB of our own folder.
        unlisted, absent: distributions that only the image, and only the list of contents has.
        compiled: modules that are compiled at each start.
        first_ready: seconds from the start of the operator until a resource, which was there before, is Ready.
        migrated: seconds of `dashdb migrate up` on an empty database.
    """

    same: bool
    base: float
    own: float
    unpacked: float
    unlisted: list[str]
    absent: list[str]
    compiled: list[str]
    operator: Served
    first_ready: float
    sidecar: Served
    migrated: float

    @property
    def problems(self) -> list[str]:
        """Sentences about what must not be."""
        found = [] if self.same else ["two builds of the same source have different digests"]
        for name in ("unlisted", "absent", "compiled"):
            found += [f"{name}: {', '.join(value)}"] if (value := getattr(self, name)) else []
        return found


@dataclass(frozen=True)
class Stage:
    """Parts that the containers run on."""

    folder: Path
    root: Path
    cluster: ControlPlane
    server: PostgresServer
    limits: Limits
    arguments: tuple[str, ...]

    def once(self, *command: str, variables: Mapping[str, str] | None = None) -> tuple[str, float]:
        """Run a command to its end in a container; return its output and the seconds."""
        path = bundle(self.folder, self.root, new_name(), command, self.limits, variables=variables)
        started = time.monotonic()
        return output_of(path), time.monotonic() - started

    def serve(
        self, container: Container, *command: str, variables: Mapping[str, str], account: Path | None = None
    ) -> tuple[float, float]:
        """Start a container that listens; return the seconds until /live and /ready answer with 200."""
        address = f"--listen=127.0.0.1:{container.port}"
        path = bundle(
            self.folder,
            self.root,
            container.name,
            [*command, address],
            self.limits,
            variables=variables,
            account=account,
        )
        container.runs(path)
        started = time.monotonic()
        container.start(wait=False)
        container.wait_alive()
        live = time.monotonic() - started
        container.wait_ready()
        return live, time.monotonic() - started


@contextmanager
def ended(container: Container) -> Iterator[Container]:
    """End a container at the end of a `with`, which its base class would start at its begin."""
    try:
        yield container
    finally:
        container.kill()


def account_of(stage: Stage) -> Path:
    """Return a folder as Kubernetes puts it into a Pod, with the token of the operator's ServiceAccount."""
    way_in = json.loads(install_operator(stage.cluster).read_text())
    files = {
        "token": way_in["users"][0]["user"]["token"],
        "ca.crt": Path(way_in["clusters"][0]["cluster"]["certificate-authority"]).read_text(),
        "namespace": HOME,
    }
    folder = stage.folder / "account"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def of_operator(stage: Stage) -> tuple[Served, float]:
    """Run the operator beside a resource; return its figures, and the seconds until that is Ready."""
    account = account_of(stage)
    team = Namespace(stage.cluster, stage.cluster.namespace())
    team.apply(secret("one", connection_values(stage.server.create_database())), resource("one", secret_name="one"))
    variables = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(stage.cluster.port)}
    given = [each for each in stage.arguments if not each.startswith("--listen")]
    with ended(Container(stage.folder / "operator.log")) as container:
        began = time.monotonic()
        seconds = stage.serve(
            container, "dashdb", *given, "--allow-address=127.0.0.1", variables=variables, account=account
        )
        team.wait_for("one", "Ready", "True", seconds=PATIENCE_SECONDS)
        first_ready = time.monotonic() - began
        time.sleep(SETTLE_SECONDS)
        return Served(*seconds, *container.memory), first_ready


def of_sidecar(stage: Stage) -> Served:
    """Run the sidecar on an empty database; return its figures."""
    with ended(Container(stage.folder / "sidecar.log")) as container:
        seconds = stage.serve(container, "dashdb", "serve", variables=stage.server.create_database().environ)
        time.sleep(SETTLE_SECONDS)
        return Served(*seconds, *container.memory)


def measure(folder: Path, say: Any) -> Figures:
    with ExitStack() as stack:
        environ = stack.enter_context(storage(folder))
        say("making the base out of Debian's packages")
        base = python_base(environ, folder)
        say("building the image twice")
        images: list[Image] = [build(environ, base, folder / f"{number}.oci.tar") for number in range(2)]
        root = stack.enter_context(unpacked(environ, images[0]))
        say("running it")
        server, cluster = stack.enter_context(PostgresServer(18)), stack.enter_context(ControlPlane())
        (pod,) = (item["spec"]["template"] for item in manifests(cluster) if item["kind"] == "Deployment")
        arguments = tuple(pod["spec"]["containers"][0]["args"])
        stage = Stage(folder, root, cluster, server, limits_of(pod), arguments)
        inside, outside = distributions(root), listed(environ, folder)
        operator, first_ready = of_operator(stage)
        return Figures(
            same=images[0].digest == images[1].digest,
            base=images[0].layers[0][1],
            own=sum(size for _, size in images[0].layers[1:]),
            unpacked=size_of(root / OWN),
            unlisted=sorted(inside - outside),
            absent=sorted(outside - inside),
            compiled=stage.once("python", "-c", COMPILED)[0].split(),
            operator=operator,
            first_ready=first_ready,
            sidecar=of_sidecar(stage),
            migrated=stage.once("dashdb", "migrate", "up", variables=server.create_database().environ)[1],
        )


def table_of(figures: Figures) -> Table:
    table = Table("what", "value", title="The image")
    table.add_row("two builds are the same", "yes" if figures.same else "no")
    table.add_row("base, as a registry sends it", f"{figures.base:.0f} MiB")
    table.add_row("above the base, as a registry sends it", f"{figures.own:.0f} MiB")
    table.add_row("our folder, unpacked", f"{figures.unpacked:.0f} MiB")
    table.add_row("distributions that the list of contents lacks", str(len(figures.unlisted)))
    table.add_row("listed distributions that are not there", str(len(figures.absent)))
    table.add_row("modules compiled at each start", str(len(figures.compiled)))
    for name in ("operator", "sidecar"):
        served: Served = getattr(figures, name)
        table.add_row(f"{name}: start to /live", f"{served.live:.2f} s")
        table.add_row(f"{name}: start to /ready", f"{served.ready:.2f} s")
        table.add_row(f"{name}: memory at rest", f"{served.memory:.0f} MiB")
        table.add_row(f"{name}: most memory, with cached files", f"{served.most:.0f} MiB")
    table.add_row("operator: start to a resource that is Ready", f"{figures.first_ready:.2f} s")
    table.add_row("dashdb migrate up, an empty database", f"{figures.migrated:.2f} s")
    return table


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
def main(*, as_json: bool) -> None:
    """Build the image, look into it, and run it."""
    refuse_without_programs()
    with tempfile.TemporaryDirectory(prefix="dashdb-image-") as folder:
        Path(folder).chmod(0o755)
        figures = measure(Path(folder), Console(stderr=True).print)
    if as_json:
        print(json.dumps(asdict(figures)))
    else:
        Console().print(table_of(figures))
    for problem in figures.problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if figures.problems else 0)


if __name__ == "__main__":
    main()
