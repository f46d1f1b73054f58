"""Prometheus itself scrapes the endpoints, with a token where they are guarded; the dashboards show what it found."""

import json
import signal
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.test_reviews import install_prometheus_account
from tests.support.binaries import prometheus
from tests.support.certificates import Certificates, issue_certificates
from tests.support.database import Database
from tests.support.processes import KeptProcess, free_port, wait_until
from tests.support.replicas import replicas
from tests.support.resources import Namespace, connection_values, resource, secret
from tests.support.serving import OperatorProcess
from tools.dashboards import JOB, PANELS, RATE, Line


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return issue_certificates(tmp_path / "tls")


@pytest.fixture
def operator(account: Path, certificates: Certificates, tmp_path: Path) -> Iterator[OperatorProcess]:
    log = tmp_path / "operator.log"
    with OperatorProcess(account, log, authorize=True, certificates=certificates) as running:
        yield running


@pytest.fixture
def leader(account: Path, team: Namespace, tmp_path: Path) -> Iterator[OperatorProcess]:
    """An operator of the test's namespace that leads by the Lease, and whose endpoints ask nobody."""
    with replicas(account, team, tmp_path) as pair:
        pair.both[0].start()
        pair.wait_for_leader(pair.both[0])
        yield pair.both[0]


@contextmanager
def scraping(jobs: list[dict[str, Any]], folder: Path) -> Iterator[int]:
    """Run Prometheus with these jobs for the time of a `with`; yield its port."""
    (folder / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": jobs}))
    port = free_port()
    command: list[str | Path] = [
        prometheus(),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    running = KeptProcess(command, log=folder / "prometheus.log", folder=folder)
    try:
        wait_until(lambda: bool(targets(port)), what="Prometheus has a target", seconds=30, process=running)
        yield port
    finally:
        running.stop(signal.SIGKILL)


def targets(port: int) -> list[dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/targets", timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["activeTargets"]
            return found
    except OSError:
        return []


def answer(port: int, query: str) -> list[dict[str, Any]]:
    """Return the series that a query finds now."""
    path = urllib.parse.urlencode({"query": query})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{path}", timeout=5) as found:
        result: list[dict[str, Any]] = json.load(found)["data"]["result"]
        return result


def asked(line: Line) -> str:
    return line.query.replace(JOB, ".*").replace(RATE, "10s")


def test_every_panel_of_the_dashboards_finds_what_prometheus_scraped(
    leader: OperatorProcess, team: Namespace, database: Database, tmp_path: Path
) -> None:
    team.apply(secret("good", connection_values(database)), resource("good", secret_name="good"))
    team.apply(resource("lost", secret_name="nowhere"))
    team.wait_for("good", "Ready", "True")
    team.wait_for("lost", "Ready", "False")
    job = {"job_name": "operator", "static_configs": [{"targets": [f"127.0.0.1:{leader.port}"]}]}
    with scraping([{"scrape_interval": "1s", **job}], tmp_path) as port:

        def silent() -> list[str]:
            return [panel.key for panel in PANELS for line in panel.lines if not answer(port, asked(line))]

        wait_until(lambda: not silent(), what="every panel shows something", seconds=60, interval=0.5)
        by_key = {panel.key: answer(port, asked(panel.lines[0])) for panel in PANELS}
    names = {series["metric"]["name"] for series in by_key["which"]}
    assert names == {"lost"}
    assert [float(by_key[key][0]["value"][1]) for key in ("ready", "not_ready", "leaders")] == [1, 1, 1]


def test_prometheus_scrapes_with_its_token_and_not_without(
    operator: OperatorProcess, certificates: Certificates, team: Namespace, tmp_path: Path
) -> None:
    install_prometheus_account(team.cluster)
    (tmp_path / "token").write_text(team.cluster.token("monitoring", "prometheus-k8s"))
    job = {
        "scheme": "https",
        "scrape_interval": "1s",
        "tls_config": {"ca_file": str(certificates.ca), "server_name": "localhost"},
        "static_configs": [{"targets": [f"127.0.0.1:{operator.port}"]}],
    }
    jobs = [
        {"job_name": "with", "authorization": {"credentials_file": str(tmp_path / "token")}, **job},
        {"job_name": "without", **job},
    ]
    with scraping(jobs, tmp_path) as port:
        wait_until(
            lambda: sorted(each["health"] for each in targets(port)) == ["down", "up"],
            what="one target is up and the other is not",
            seconds=30,
        )
        down = next(each for each in targets(port) if each["health"] == "down")
        assert down["labels"]["job"] == "without"
        assert "401" in down["lastError"]
