"""Objects of manifests/, built by kustomize and found by kind."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from controller.cli import root
from tests.support.controlplane import ControlPlane
from tests.support.installation import ROOT, manifests

NAME = "dashboard-database-operator"
MONITORED = ("manifests/with-monitoring", "manifests/openshift")
"""Folders for `kubectl apply -k` where the kinds of Prometheus Operator are known."""
INSTALLATIONS = ("manifests", "manifests/namespaced", *MONITORED)
"""Folders for `kubectl apply -k`."""
SHARDS = "manifests/shards"
"""Another one, with two Deployments."""
SAMPLES = sorted((ROOT / "manifests" / "samples").glob("*.yaml"))


class Installation:
    """The objects of one folder: by its path below the repository, or a Path of its own."""

    def __init__(self, cluster: ControlPlane, folder: str | Path) -> None:
        self.objects = manifests(cluster, ROOT / folder)

    def one(self, kind: str, name: str = NAME) -> dict[str, Any]:
        found = [item for item in self.objects if item["kind"] == kind and item["metadata"]["name"] == name]
        assert len(found) == 1, f"{len(found)} objects {kind}/{name}"
        return found[0]

    @property
    def template(self) -> dict[str, Any]:
        """Pod template of the operator's Deployment."""
        [template] = self.templates
        return template

    @property
    def templates(self) -> list[dict[str, Any]]:
        """Pod templates of all Deployments; of shards there are several."""
        found = [item["spec"]["template"] for item in self.objects if item["kind"] == "Deployment"]
        assert found
        return found

    @property
    def container(self) -> dict[str, Any]:
        [container] = self.containers
        return container

    @property
    def containers(self) -> list[dict[str, Any]]:
        """Containers of all Deployments, one of each."""
        found = [each for template in self.templates for each in template["spec"]["containers"]]
        assert len(found) == len(self.templates)
        return found


def options_of(container: Mapping[str, Any]) -> dict[str, Any]:
    """The container's arguments as click reads them; unknown ones raise."""
    name, *rest = container["args"]
    command = root.get_command(click.Context(root), name)
    assert command is not None
    context = click.Context(command)
    values, left_over, _ = command.make_parser(context).parse_args(rest)
    assert left_over == []
    return dict(values)


def own_kustomization(of: str, folder: Path) -> Path:
    """Write the kustomization that manifests/monitoring recommends to add monitoring to OF; return FOLDER."""
    said = (ROOT / "manifests/monitoring/kustomization.yaml").read_text()
    found = re.search(rf"(?:^#   .*\n)*^#   resources: \[<manifests>/{of}\]\n(?:^#   .*\n)*", said, re.MULTILINE)
    assert found, f"nothing is recommended for {of}"
    lines = [line.removeprefix("#   ") for line in found[0].splitlines()]
    text = "\n".join(lines).replace("<manifests>", os.path.relpath(ROOT / "manifests", folder.resolve()))
    (folder / "kustomization.yaml").write_text(text)
    return folder
