"""Prometheus itself scrapes the guarded endpoints over HTTPS, with a token of its account, and is refused without."""

import json
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.test_reviews import install_prometheus_account
from tests.support.binaries import prometheus
from tests.support.certificates import Certificates, issue_certificates
from tests.support.processes import KeptProcess, free_port, wait_until
from tests.support.resources import Namespace
from tests.support.serving import OperatorProcess


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return issue_certificates(tmp_path / "tls")


@pytest.fixture
def operator(account: Path, certificates: Certificates, tmp_path: Path) -> Iterator[OperatorProcess]:
    log = tmp_path / "operator.log"
    with OperatorProcess(account, log, authorize=True, certificates=certificates) as running:
        yield running


def targets(port: int) -> list[dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/targets", timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["activeTargets"]
            return found
    except OSError:
        return []


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
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": jobs}))
    port = free_port()
    command: list[str | Path] = [
        prometheus(),
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    running = KeptProcess(command, log=tmp_path / "prometheus.log", folder=tmp_path)
    try:
        wait_until(
            lambda: sorted(each["health"] for each in targets(port)) == ["down", "up"],
            what="one target is up and the other is not",
            seconds=30,
            process=running,
        )
        down = next(each for each in targets(port) if each["health"] == "down")
        assert down["labels"]["job"] == "without"
        assert "401" in down["lastError"]
    finally:
        running.stop(signal.SIGKILL)
