"""The Helm chart, written from the objects of manifests/: `make chart` writes it, `make check` compares it.

By hand are written: values.yaml and its schema, templates/_helpers.tpl, NOTES.txt and the test.
"""

from dataclasses import dataclass
from typing import Any

import click
import yaml

from controller import __version__
from tools.generated import write_files
from tools.kustomize import ROOT, key_of, objects
from tools.marks import NAME, NAMESPACE, as_yaml, marked, templated

CHART = ROOT / "charts" / NAME
KUBERNETES = ">=1.30.0-0"
"""The first release that knows `sleep` in preStop."""


@dataclass(frozen=True)
class Template:
    """A file of templates/: objects by kind and name, and what they are rendered for."""

    file: str
    objects: tuple[str, ...]
    opening: str | None = None
    """`if` or `range` around all of them."""


TEMPLATES = (
    Template("deployment.yaml", (f"Deployment/{NAME}",)),
    Template(
        "operator.yaml",
        (
            f"ServiceAccount/{NAME}", f"Role/{NAME}-lease", f"RoleBinding/{NAME}-lease", f"Lease/{NAME}",
            f"PodDisruptionBudget/{NAME}", f"Service/{NAME}", f"NetworkPolicy/{NAME}",
        ),
    ),
    Template(
        "cluster-wide.yaml",
        (
            f"ClusterRole/{NAME}", f"ClusterRoleBinding/{NAME}", "ClusterRole/dashboarddatabases-view",
            "ClusterRole/dashboarddatabases-edit",
        ),
        "if not .Values.namespaces",
    ),
    Template(
        "endpoint-readers.yaml",
        (f"ClusterRole/{NAME}-metrics", f"ClusterRoleBinding/{NAME}-metrics", f"ClusterRole/{NAME}-health"),
        'if and (not .Values.namespaces) (include "dashdb.authorizes" .)',
    ),
    Template(
        "monitoring.yaml", (f"ServiceMonitor/{NAME}", f"PrometheusRule/{NAME}"), "if .Values.monitoring.enabled"
    ),
    Template("namespaced.yaml", (f"Role/{NAME}", f"RoleBinding/{NAME}"), "range $namespace := .Values.namespaces"),
)  # fmt: skip
CRD = "CustomResourceDefinition/dashboarddatabases.dashdb.dev"
"""Helm has a folder of its own for CRDs, whose files are no templates."""
NAMESPACE_OBJECT = f"Namespace/{NAMESPACE}"
"""Left out: Helm makes the namespace of a release itself."""


def chart_files() -> dict[str, str]:
    """Return the files of the chart that are written from manifests/, by their path below it."""
    cluster_wide = {key_of(item): item for item in objects(ROOT / "manifests" / "with-monitoring")}
    namespaced = {key_of(item): item for item in objects(ROOT / "manifests" / "namespaced")}
    found = {**namespaced, **cluster_wide}
    chosen = [key for template in TEMPLATES for key in template.objects]
    if differing := found.keys() ^ {*chosen, CRD, NAMESPACE_OBJECT}:
        raise click.ClickException(f"manifests/ and TEMPLATES of tools/chart.py differ: {', '.join(sorted(differing))}")
    files = {f"templates/{each.file}": _template(each, found) for each in TEMPLATES}
    files["crds/dashboarddatabases.yaml"] = _title("#", "") + as_yaml(found[CRD])
    files["Chart.yaml"] = _title("#", "") + yaml.safe_dump(_metadata(), sort_keys=False, width=110)
    return files


def _metadata() -> dict[str, Any]:
    return {
        "apiVersion": "v2",
        "name": NAME,
        "description": "Keeps the PostgreSQL databases behind dashboards services migrated, seeded and watched",
        "type": "application",
        "version": __version__,
        "appVersion": __version__,
        "kubeVersion": KUBERNETES,
        "keywords": ["operator", "postgresql", "migrations", "perses"],
    }


def _title(begin: str, end: str) -> str:
    return f"{begin} Written from manifests/ by `make chart`; do not edit. {end}".rstrip() + "\n"


def _template(template: Template, found: dict[str, dict[str, Any]]) -> str:
    title = _title("{{- /*", "*/ -}}")
    parts = ["---\n" + templated(marked(found[key])) for key in template.objects]
    if template.opening is None:
        return title + "".join(parts)
    return title + f"{{{{- {template.opening} }}}}\n" + "".join(parts) + "{{- end }}\n"


@click.command(epilog="Example: python -m tools.chart --check")
@click.option("--check", is_flag=True, help="Write nothing; end with 1 where the chart is not what manifests/ say.")
def main(*, check: bool) -> None:
    """Write the Helm chart from manifests/."""
    write_files(CHART, chart_files(), check=check, command="make chart")


if __name__ == "__main__":
    main()
