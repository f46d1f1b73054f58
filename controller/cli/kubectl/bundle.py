"""`kubectl dashdb support-bundle`: what somebody needs who is to help, and nothing that is secret.

No Secret is read. Resources are stored as they are, without managed fields: they hold no password by design. Logs and
messages of the operator hold neither passwords nor a server's raw text.
"""

import io
import json
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from controller import __version__
from controller.cli.kubectl.client import (
    OPERATOR,
    RESOURCES,
    Kubectl,
    KubectlError,
    cluster_options,
    operator_namespace_option,
)
from controller.cli.terminal import echo_line

LOG_LINES = 5000
"""Most lines of each replica's log: about a day of one that has something to say each half minute."""
LOG_BYTES = 4 * 1024 * 1024
"""Most bytes of each replica's log."""
_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"


@click.command("support-bundle")
@cluster_options
@click.option("-A", "--all-namespaces", is_flag=True, help="With the resources of all namespaces.")
@operator_namespace_option
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Default: dashdb-support-TIME.tar.gz.",
)
def support_bundle(kubectl: Kubectl, operator_namespace: str, file: Path | None, *, all_namespaces: bool) -> None:
    """Collect resources, their events, the operator's Deployments, Pods, Lease and logs into one archive.

    No Secret is read, and no environment variable of a Pod is stored. What may not be read is said in errors.txt.

    \b
    Example:
      kubectl dashdb support-bundle --all-namespaces
    """
    operator = replace(kubectl, namespace=operator_namespace)

    def listed(which: Kubectl, kinds: str, *options: str, everywhere: bool = False) -> Callable[[], str]:
        return lambda: _tidied(which.run("get", kinds, "--output=json", *options, all_namespaces=everywhere))

    involved = "--field-selector=involvedObject.kind=DashboardDatabase"
    parts: dict[str, Callable[[], str]] = {
        "versions.json": lambda: kubectl.run("version", "--output=json"),
        "resources.json": listed(kubectl, RESOURCES, everywhere=all_namespaces),
        "events.json": listed(kubectl, "events", involved, everywhere=all_namespaces),
        "crd.json": listed(kubectl, "customresourcedefinitions", f"--field-selector=metadata.name={RESOURCES}"),
        "operator.json": listed(operator, "deployments,pods,leases", OPERATOR),
        "operator-events.json": listed(operator, "events"),
        "operator.log": lambda: operator.run(
            "logs", OPERATOR, "--prefix", f"--tail={LOG_LINES}", f"--limit-bytes={LOG_BYTES}", "--max-log-requests=20"
        ),
    }
    contents = {"program.json": json.dumps({"version": __version__})}
    errors = []
    for name, collect in parts.items():
        echo_line(f"Collecting {name}", err=True)
        try:
            contents[name] = collect()
        except KubectlError as error:
            errors.append(f"{name}: {error.message}")
    contents["errors.txt"] = "\n".join([*errors, ""])
    target = file or Path(time.strftime("dashdb-support-%Y%m%d-%H%M%S.tar.gz", time.gmtime()))
    write_archive(target, contents)
    for line in errors:
        echo_line(line, err=True)
    echo_line(str(target))


def write_archive(target: Path, contents: Mapping[str, str]) -> None:
    """Write an archive with these texts, which only its owner may read; an existing file is replaced."""
    target.unlink(missing_ok=True)
    target.touch(mode=0o600)
    with tarfile.open(target, "w:gz") as archive:
        for name, text in contents.items():
            data = text.encode()
            info = tarfile.TarInfo(f"{target.name.split('.')[0]}/{name}")
            info.size, info.mtime, info.mode = len(data), int(time.time()), 0o600
            archive.addfile(info, io.BytesIO(data))


def _tidied(text: str) -> str:
    """Return a list of objects without managed fields, last-applied annotations and variables of Pods."""
    found = json.loads(text)
    for item in found.get("items", [found]):
        metadata = item.get("metadata", {})
        metadata.pop("managedFields", None)
        metadata.get("annotations", {}).pop(_ANNOTATION, None)
        spec: dict[str, Any] = item.get("spec", {})
        for template in (spec, spec.get("template", {}).get("spec", {})):
            for kind in ("containers", "initContainers", "ephemeralContainers"):
                for container in template.get(kind, ()):
                    container.pop("env", None)
    return json.dumps(found, indent=1)
