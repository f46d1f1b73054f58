"""Start of `dashdb serve` until `/live` answers, the libraries that take the time, and its memory at rest.

    python -m benchmarks.sidecar [--json] [--runs N]

The floor, measured in turn, is a Python that serves one path with the same libraries and does nothing else. The share
of each library in the time of loading is measured by Python itself; compiled files exist, as in an image.
"""

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import click
import psutil
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.support.postgres import PostgresServer, clean_environ
from tests.support.processes import free_port

MEBIBYTE = 1024 * 1024
SETTLE_SECONDS = 3.0
START_SECONDS = 30.0
SHOWN = 8
"""Number of libraries whose share is shown."""
FLOOR = """
import sys
import aiohttp.web, asyncpg, click, prometheus_client.aiohttp, structlog, tenacity
async def live(request): return aiohttp.web.json_response({"alive": True})
app = aiohttp.web.Application()
app.router.add_get("/live", live)
aiohttp.web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""
_IMPORT = re.compile(r"import time: +(\d+) \| +\d+ \| +([\w.]+)")


def sidecar(port: int) -> list[str]:
    return [sys.executable, "-m", "controller", "serve", "--listen", f"127.0.0.1:{port}"]


def floor(port: int) -> list[str]:
    return [sys.executable, "-c", FLOOR, str(port)]


def answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=1)
    with suppress(OSError):
        connection.request("GET", "/live")
        return connection.getresponse().status == 200
    return False


def start(command: list[str], port: int, environ: Mapping[str, str], *, settle: float = 0.0) -> tuple[float, float]:
    """Return the seconds until the first 200, and the resident MiB SETTLE seconds later."""
    started = time.monotonic()
    process = subprocess.Popen(command, env=dict(environ), stderr=subprocess.DEVNULL)
    try:
        while not answers(port):
            if process.poll() is not None or time.monotonic() - started > START_SECONDS:
                raise RuntimeError(f"{command[:4]} does not answer")
            time.sleep(0.002)
        seconds = time.monotonic() - started
        time.sleep(settle)
        return seconds, psutil.Process(process.pid).memory_info().rss / MEBIBYTE
    finally:
        process.terminate()
        process.wait()


def shares(environ: Mapping[str, str]) -> list[tuple[str, float]]:
    """Return each library's own share of the loading time, largest first."""
    code = "import controller.cli.serve"
    command = [sys.executable, "-X", "importtime", "-c", code]
    done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, check=True)
    taken: Counter[str] = Counter()
    for microseconds, module in _IMPORT.findall(done.stderr):
        package = module.split(".")[0]
        taken["the standard library" if package in sys.stdlib_module_names else package] += int(microseconds)
    return [(name, spent / taken.total()) for name, spent in taken.most_common(SHOWN)]


@click.command()
@click.option("--runs", default=20, show_default=True, type=click.IntRange(min=1), help="Measured starts of each.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the tables.")
def main(runs: int, *, as_json: bool) -> None:
    """Measure the start of the sidecar."""
    took: dict[str, list[float]] = {"floor": [], "sidecar": []}
    with tempfile.TemporaryDirectory(prefix="dashdb-bench-") as folder, PostgresServer(18) as server:
        compiled = {"PYTHONPYCACHEPREFIX": str(Path(folder).resolve()), "PYTHONDONTWRITEBYTECODE": ""}
        environ = clean_environ() | server.create_database().environ | compiled
        for command in (floor, sidecar):
            start(command(port := free_port()), port, environ)  # warms up
        for _ in track(range(runs), "starts", console=Console(stderr=True)):
            for name, command in (("floor", floor), ("sidecar", sidecar)):
                took[name].append(start(command(port := free_port()), port, environ)[0])
        memory = {
            name: start(command(port := free_port()), port, environ, settle=SETTLE_SECONDS)[1]
            for name, command in (("floor", floor), ("sidecar", sidecar))
        }
        parts = shares(environ)
    seconds = {name: statistics.median(values) for name, values in took.items()}
    if as_json:
        print(json.dumps({"seconds": seconds, "memory_mib": memory, "shares": dict(parts), "runs": runs}))
        return
    table = Table("what", "first /live, s", "/ floor", "memory, MiB", "/ floor", title=f"Medians of {runs} starts")
    for name, text in (("floor", "floor: the same libraries alone"), ("sidecar", "dashdb serve, database there")):
        figures = (seconds[name], seconds[name] / seconds["floor"], memory[name], memory[name] / memory["floor"])
        table.add_row(text, *(f"{figure:.3g}" for figure in figures))
    loading = Table("library", "share", title="What takes the time: loading")
    for library, share in parts:
        loading.add_row(library, f"{share:.0%}")
    console = Console()
    console.print(table)
    console.print(loading)


if __name__ == "__main__":
    main()
