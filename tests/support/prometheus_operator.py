"""The real Prometheus Operator, and the files that it writes for the Prometheus of a namespace.

It makes a StatefulSet for that Prometheus, which nothing runs here: the test reads the files from the Secret and the
ConfigMap that would be mounted, and runs Prometheus with them itself.
"""

import base64
import gzip
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.binaries import monitoring_crds, prometheus_operator
from tests.support.controlplane import ControlPlane
from tests.support.processes import KeptProcess, SupportError, free_port, wait_until

NAME = "cluster"
"""Name of the Prometheus in each namespace."""
ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Folder in which the kubelet shows a container the token of its account."""
RULES_FOLDER = f"/etc/prometheus/rules/prometheus-{NAME}-rulefiles-0"
"""Folder in which the container of Prometheus finds its rules."""
TLS_FOLDER = "/etc/prometheus/certs"
"""Folder in which the container of Prometheus finds certificates of ServiceMonitors."""

POD_VALUES = {"$(POD_NAME)": f"prometheus-{NAME}-0", "$(SHARD)": "0"}
"""Variables in the configuration, and the values that a container beside that of Prometheus puts in their place."""


@contextmanager
def running_prometheus_operator(cluster: ControlPlane, folder: Path) -> Iterator[None]:
    """Install the kinds of Prometheus Operator in CLUSTER, and run it for the time of a `with`."""
    crds = ["-f", str(monitoring_crds()), "-f", str(monitoring_crds() / "others")]
    cluster.kubectl("apply", "--server-side", *crds)
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", *crds)
    command: list[str | Path] = [prometheus_operator(), f"--web.listen-address=127.0.0.1:{free_port()}"]
    environ = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    process = KeptProcess(command, log=folder / "prometheus-operator.log", environ=environ)
    try:
        yield
    finally:
        process.stop(signal.SIGKILL)


@dataclass(frozen=True)
class Written:
    """Files of a Prometheus, as Prometheus Operator writes them.

    Attributes:
        config: the configuration.
        rules: text of each file of rules, by its name.
        certificates: text of each file below `TLS_FOLDER`, by its name.
    """

    config: dict[str, Any]
    rules: dict[str, str]
    certificates: dict[str, str]

    @property
    def job(self) -> dict[str, Any]:
        """The one scrape job."""
        [job] = self.config["scrape_configs"]
        assert isinstance(job, dict)
        return job


def ask_for_prometheus(cluster: ControlPlane, namespace: str, token: Path) -> None:
    """Ask for a Prometheus with the monitors and rules of NAMESPACE, which reads the cluster with TOKEN."""
    wanted = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "Prometheus",
        "metadata": {"name": NAME},
        "spec": {
            "serviceMonitorSelector": {},
            "ruleSelector": {},
            "serviceDiscoveryRole": "EndpointSlice",
            "apiserverConfig": {
                "host": cluster.url,
                "authorization": {"credentialsFile": str(token)},
                "tlsConfig": {"caFile": str(cluster.ca)},
            },
        },
    }
    cluster.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(wanted))


def written(cluster: ControlPlane, namespace: str, *, seconds: float = 60) -> Written:
    """Wait until Prometheus Operator has written a scrape job, and rules, for the Prometheus of NAMESPACE."""
    found: list[Written] = []

    def is_there() -> bool:
        one = _read(cluster, namespace)
        if one is not None and one.config.get("scrape_configs") and one.rules:
            found.append(one)
        return bool(found)

    wait_until(is_there, what="Prometheus Operator writes the files", seconds=seconds, interval=0.2)
    return found[0]


def _read(cluster: ControlPlane, namespace: str) -> Written | None:
    path = f"/api/v1/namespaces/{namespace}"
    try:
        config = cluster.read(f"{path}/secrets/prometheus-{NAME}")["data"]["prometheus.yaml.gz"]
        rules = cluster.read(f"{path}/configmaps/prometheus-{NAME}-rulefiles-0")["data"]
        certificates = cluster.read(f"{path}/secrets/prometheus-{NAME}-tls-assets-0").get("data") or {}
    except (SupportError, KeyError):
        return None
    plain = {name: base64.b64decode(value).decode() for name, value in certificates.items()}
    return Written(yaml.safe_load(gzip.decompress(base64.b64decode(config))), rules, plain)
