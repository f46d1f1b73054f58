"""An installation with monitoring as its Prometheus sees it: Prometheus Operator's files, and Pods that are processes.

The API server refuses addresses of loopback in an EndpointSlice, and nothing runs Pods. So each Pod has a made-up
address, and one relabelling at the end of the scrape job leads from it to the process that stands for the Pod. All
before it is what Prometheus Operator wrote: which Service and port is found, by which path, scheme and authorisation.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.controlplane import ControlPlane
from tests.support.installation import manifests
from tests.support.prometheus import Prometheus, running_prometheus
from tests.support.prometheus_operator import (
    ACCOUNT_FOLDER,
    POD_VALUES,
    RULES_FOLDER,
    TLS_FOLDER,
    Written,
    ask_for_prometheus,
    written,
)
from tests.support.serving import ServingProcess
from tests.support.shortened import shortened, shortened_rules

ACCOUNT = "prometheus-k8s"
"""Account of Prometheus in the namespace `monitoring`, as kube-prometheus has it."""
_OWN_MACHINE = "127.0.0.1"


@dataclass(frozen=True)
class Monitored:
    """Installed manifests, and Pods behind their Service.

    Attributes:
        namespace: of the operator, and of its ServiceMonitor.
        addresses: of each Pod, by its name.
    """

    cluster: ControlPlane
    namespace: str
    addresses: Mapping[str, str]


def install_prometheus_account(cluster: ControlPlane) -> None:
    """Make the account of Prometheus, with the right to find what there is to scrape, as kube-prometheus does."""
    role = f"monitoring-{ACCOUNT}"
    made = (
        ("namespace", "monitoring"),
        ("serviceaccount", ACCOUNT, "-n", "monitoring"),
        ("clusterrole", role, "--verb=get,list,watch", "--resource=services,pods,endpointslices.discovery.k8s.io"),
        ("clusterrolebinding", role, f"--clusterrole={role}", f"--serviceaccount=monitoring:{ACCOUNT}"),
    )
    for command in made:
        objects = cluster.kubectl("create", *command, "--dry-run=client", "-o", "yaml").stdout
        cluster.kubectl("apply", "-f", "-", input=objects)


def install_with_pods(cluster: ControlPlane, folder: Path, pods: Sequence[str]) -> Monitored:
    """Apply the kustomization FOLDER, which has monitoring, and create PODS of its first Deployment."""
    objects = manifests(cluster, folder)
    first = ("Namespace", "CustomResourceDefinition")
    for kinds in (True, False):
        applied = [item for item in objects if (item["kind"] in first) is kinds]
        if applied:
            cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(applied))
    [service] = [item for item in objects if item["kind"] == "Service"]
    template = next(item for item in objects if item["kind"] == "Deployment")["spec"]["template"]
    namespace = service["metadata"]["namespace"]
    addresses = {name: f"192.0.2.{number}" for number, name in enumerate(pods, start=1)}  # never dialled
    made = [_pod(name, template) for name in pods]
    made.append(_endpoint_slice(service, template, addresses))
    cluster.kubectl("apply", "-n", namespace, "-f", "-", input=yaml.safe_dump_all(made))
    return Monitored(cluster, namespace, addresses)


def _pod(name: str, template: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "labels": template["metadata"]["labels"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def _endpoint_slice(
    service: Mapping[str, Any], template: Mapping[str, Any], addresses: Mapping[str, str]
) -> dict[str, Any]:
    """Return what the controller of Kubernetes would make for SERVICE and its Pods."""
    ports = {port["name"]: port["containerPort"] for each in template["spec"]["containers"] for port in each["ports"]}
    name = service["metadata"]["name"]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "labels": {**service["metadata"]["labels"], "kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "ports": [
            {"name": port["name"], "port": ports[port["targetPort"]], "protocol": "TCP"}
            for port in service["spec"]["ports"]
        ],
        "endpoints": [
            {
                "addresses": [address],
                "conditions": {"ready": True},
                "targetRef": {"kind": "Pod", "name": pod, "namespace": service["metadata"]["namespace"]},
            }
            for pod, address in addresses.items()
        ],
    }


@contextmanager
def scraping(
    monitored: Monitored, folder: Path, processes: Mapping[str, ServingProcess], *, factor: int = 1
) -> Iterator[Prometheus]:
    """Run Prometheus with what Prometheus Operator writes for MONITORED, for the time of a `with`.

    Args:
        folder: for what Prometheus reads and writes; the token of its account is there in `account/token`.
        processes: that stand for the Pods, by their names.
        factor: by which all times are shortened.
    """
    folder.mkdir()
    account = folder / "account"
    account.mkdir()
    (account / "token").write_text(monitored.cluster.token("monitoring", ACCOUNT))
    ask_for_prometheus(monitored.cluster, monitored.namespace, account / "token")
    files = written(monitored.cluster, monitored.namespace)
    for name, text in files.rules.items():
        rules = folder / "rules"
        rules.mkdir(exist_ok=True)
        (rules / name).write_text(yaml.safe_dump(shortened_rules(yaml.safe_load(text), factor)))
    for name, text in files.certificates.items():
        certificates = folder / "certificates"
        certificates.mkdir(exist_ok=True)
        (certificates / name).write_text(text)
    ports = {monitored.addresses[pod]: process.port for pod, process in processes.items()}
    with running_prometheus(
        folder, _on_this_machine(files, folder, ports, factor), lookback=shortened("5m", factor)
    ) as it:
        yield it


def _on_this_machine(files: Written, folder: Path, ports: Mapping[str, int], factor: int) -> dict[str, Any]:
    """Return the configuration with the folders of this machine in place of the container's, and all times shorter."""
    folders = {ACCOUNT_FOLDER: "account", RULES_FOLDER: "rules", TLS_FOLDER: "certificates"}
    values = {inside: str(folder / here) for inside, here in folders.items()} | POD_VALUES
    text = json.dumps(files.config)
    for inside, here in values.items():
        text = text.replace(inside, here)
    config: dict[str, Any] = json.loads(text)
    for each in (config["global"], *config["scrape_configs"]):
        for key in {"scrape_interval", "evaluation_interval"} & each.keys():
            each[key] = shortened(each[key], factor)
    [job] = config["scrape_configs"]
    job["relabel_configs"] += [
        {
            "source_labels": ["__address__"],
            "regex": f"{address.replace('.', '[.]')}:8080",
            "target_label": "__address__",
            "replacement": f"{_OWN_MACHINE}:{port}",
        }
        for address, port in ports.items()
    ]
    # Nothing else is ever dialled.
    job["relabel_configs"].append({"source_labels": ["__address__"], "regex": f"{_OWN_MACHINE}:.*", "action": "keep"})
    return config
