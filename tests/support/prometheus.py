"""A real Prometheus that scrapes and evaluates alerts, and what it says."""

import json
import signal
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.binaries import prometheus
from tests.support.processes import KeptProcess, free_port, wait_until

START_SECONDS = 60.0


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus that runs.

    Attributes:
        port: where its API is.
        folder: its data, its log, and its configuration.
    """

    port: int
    folder: Path

    def api(self, path: str, **parameters: str) -> Any:
        """Return the `data` of an answer of the API. Raises OSError where it does not answer with 200."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def targets(self) -> list[dict[str, Any]]:
        """Return what it scrapes, as the API shows it."""
        found: list[dict[str, Any]] = self.api("targets", state="active")["activeTargets"]
        return found

    def query(self, query: str) -> list[dict[str, Any]]:
        """Return the series that a query finds now."""
        found: list[dict[str, Any]] = self.api("query", query=query)["result"]
        return found

    def labels(self, query: str, label: str) -> set[str]:
        """Return the values of a label in what a query finds now."""
        return {series["metric"].get(label, "") for series in self.query(query)}

    def is_ready(self) -> bool:
        """Return whether it serves."""
        try:
            return bool(self.api("status/buildinfo"))
        except OSError:
            return False


@contextmanager
def running_prometheus(
    folder: Path, config: Mapping[str, Any], *, lookback: str = "5m", options: tuple[str, ...] = ()
) -> Iterator[Prometheus]:
    """Run Prometheus with CONFIG for the time of a `with`, in FOLDER.

    Args:
        lookback: time for which the last value of a series counts, if its target says nothing.
        options: further ones of the command line.
    """
    file, log = folder / "prometheus.yaml", folder / "prometheus.log"
    file.write_text(yaml.safe_dump(config))
    found = Prometheus(free_port(), folder)
    command: list[str | Path] = [
        prometheus(),
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{found.port}",
        f"--query.lookback-delta={lookback}",
        *options,
    ]
    process = KeptProcess(command, log=log, folder=folder)
    try:
        wait_until(found.is_ready, what="Prometheus serves", seconds=START_SECONDS, process=process)
        yield found
    finally:
        process.stop(signal.SIGKILL)
