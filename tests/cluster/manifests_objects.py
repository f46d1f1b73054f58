"""Objects of manifests/, built by kustomize and found by kind."""

from typing import Any

import click

from controller.cli import root
from tests.support.controlplane import ControlPlane
from tests.support.installation import ROOT, manifests

NAME = "dashboard-database-operator"
INSTALLATIONS = ("manifests", "manifests/openshift", "manifests/namespaced")
"""Folders for `kubectl apply -k`."""
SHARDS = "manifests/shards"
"""Another one, with two Deployments."""
SAMPLES = sorted((ROOT / "manifests" / "samples").glob("*.yaml"))


class Installation:
    """The objects of one folder."""

    def __init__(self, cluster: ControlPlane, folder: str) -> None:
        self.objects = manifests(cluster, ROOT / folder)

    def one(self, kind: str, name: str = NAME) -> dict[str, Any]:
        found = [item for item in self.objects if item["kind"] == kind and item["metadata"]["name"] == name]
        assert len(found) == 1, f"{len(found)} objects {kind}/{name}"
        return found[0]

    @property
    def template(self) -> dict[str, Any]:
        """Pod template of the operator's Deployment."""
        template: dict[str, Any] = self.one("Deployment")["spec"]["template"]
        return template

    @property
    def container(self) -> dict[str, Any]:
        containers = self.template["spec"]["containers"]
        assert len(containers) == 1
        container: dict[str, Any] = containers[0]
        return container


def options_of(container: dict[str, Any]) -> dict[str, Any]:
    """The container's arguments as click reads them; unknown ones raise."""
    name, *rest = container["args"]
    command = root.get_command(click.Context(root), name)
    assert command is not None
    context = click.Context(command)
    values, left_over, _ = command.make_parser(context).parse_args(rest)
    assert left_over == []
    return dict(values)
