"""The real Helm at work on the chart."""

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.support.binaries import helm
from tools.chart import CHART
from tools.kustomize import key_of

Objects = dict[str, dict[str, Any]]


class Helm:
    """Helm with a folder of its own in the place of the user's."""

    def __init__(self, home: Path) -> None:
        """Take HOME, where Helm may write."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "KUBE"))}
        homes = {f"HELM_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        self._environ = kept | homes | {"KUBECONFIG": str(home / "none")}

    def run(self, *arguments: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command of Helm; KUBECONFIG names the cluster, where it needs one."""
        environ = self._environ | ({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})
        return subprocess.run([helm(), *arguments], env=environ, capture_output=True, text=True, check=False)

    def refusal(self, *values: str) -> str:
        """Return what Helm says of values that it refuses."""
        done = self.run("template", "operator", str(CHART), *values)
        assert done.returncode != 0, "they are accepted"
        return done.stderr

    def render(self, *values: str, namespace: str = "dashdb-system", chart: Path = CHART) -> Objects:
        """Return the objects that an installation makes, by kind and name, without those of the test."""
        items = self.documents(*values, namespace=namespace, chart=chart)
        found = [item for item in items if "helm.sh/hook" not in item["metadata"].get("annotations", {})]
        objects = {place(item): item for item in found}
        assert len(objects) == len(found)
        return objects

    def documents(self, *values: str, namespace: str = "dashdb-system", chart: Path = CHART) -> list[dict[str, Any]]:
        """Return all objects, also those of the CRD and the test."""
        done = self.run("template", "operator", str(chart), "--include-crds", "--namespace", namespace, *values)
        assert done.returncode == 0, done.stderr
        return [item for item in yaml.safe_load_all(done.stdout) if item]


def place(item: dict[str, Any]) -> str:
    """Return namespace, kind and name of an object; without a namespace, kind and name."""
    namespace = item["metadata"].get("namespace")
    return "/".join(filter(None, (namespace, key_of(item))))
