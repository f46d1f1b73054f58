"""Objects of Kubernetes as templates of Helm.

An object is dumped as YAML in which values of the chart are marks; then each line that ends with a mark is replaced by
lines of Helm's language. Everything else of an object stays as kustomize renders it.
"""

import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any

import yaml

from tools.kustomize import key_of

NAME = "dashboard-database-operator"
NAMESPACE = "dashdb-system"
"""The namespace of manifests/; in the chart it is that of the release."""
AUTHORIZED = '{{- if include "dashdb.authorizes" $ }}'
MARKS = {
    "CHART_REPLICAS": ["replicas: {{ .Values.replicas }}"],
    "CHART_IMAGE": ['image: {{ include "dashdb.image" . | quote }}'],
    "CHART_PULL_POLICY": ["{{- with .Values.image.pullPolicy }}", "imagePullPolicy: {{ . }}", "{{- end }}"],
    "CHART_PULL_SECRETS": ["{{- with .Values.image.pullSecrets }}", "imagePullSecrets: {{ toJson . }}", "{{- end }}"],
    "CHART_USER": ["{{- with .Values.user }}", "runAsUser: {{ int64 . }}", "runAsGroup: {{ int64 . }}", "{{- end }}"],
    "CHART_RESOURCES": ["resources: {{ toJson .Values.resources }}"],
    "CHART_ARGUMENTS": [
        AUTHORIZED, "- --authorize-endpoints", "{{- end }}",
        "{{- range .Values.namespaces }}", '- {{ printf "--namespace=%s" . | quote }}', "{{- end }}",
        "{{- range .Values.extraArgs }}", "- {{ . | quote }}", "{{- end }}",
    ],
    "CHART_IF_AUTHORIZED": [AUTHORIZED],
    "CHART_TOKEN": [
        AUTHORIZED, "bearerTokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token", "{{- end }}",
    ],
    "CHART_END": ["{{- end }}"],
    "CHART_EACH_NAMESPACE": ["namespace: {{ $namespace | quote }}"],
    f"namespace: {NAMESPACE}": ["namespace: {{ $.Release.Namespace | quote }}"],
}  # fmt: skip
"""Lines of Helm's language for the line that holds the mark."""
REVIEWS = {"tokenreviews", "subjectaccessreviews"}
"""Resources that only an operator with --authorize-endpoints asks."""


class _Dumper(yaml.SafeDumper):
    """YAML without anchors, and with several lines of text as such."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - anchors are hard to read in a manifest
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def marked(item: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of an object with marks where the chart has a value."""
    item = deepcopy(item)
    match key_of(item).split("/"):
        case "Deployment", _:
            _mark_deployment(item["spec"])
        case "ServiceMonitor", _:
            [endpoint] = item["spec"]["endpoints"]
            del endpoint["bearerTokenFile"]
            endpoint["bearerTokenFile"] = "CHART_TOKEN"  # last: the first line of an item cannot be left out
        case "ClusterRole", name if name == NAME:
            reviews = [rule for rule in item["rules"] if REVIEWS & set(rule["resources"])]
            others = [rule for rule in item["rules"] if rule not in reviews]
            item["rules"] = [*others, "CHART_IF_AUTHORIZED", *reviews, "CHART_END"]
        case "Role" | "RoleBinding", name if name == NAME:
            item["metadata"]["namespace"] = "CHART_EACH_NAMESPACE"
            for subject in item.get("subjects", ()):
                subject["namespace"] = NAMESPACE
    return item


def _mark_deployment(spec: dict[str, Any]) -> None:
    spec["replicas"] = "CHART_REPLICAS"
    pod = spec["template"]["spec"]
    [container] = pod["containers"]
    container["args"].remove("--authorize-endpoints")
    container["args"].append("CHART_ARGUMENTS")
    container["image"] = "CHART_IMAGE"
    container["imagePullPolicy"] = "CHART_PULL_POLICY"
    container["resources"] = "CHART_RESOURCES"
    del pod["securityContext"]["runAsGroup"]
    pod["securityContext"]["runAsUser"] = "CHART_USER"
    pod["imagePullSecrets"] = "CHART_PULL_SECRETS"


def as_yaml(item: dict[str, Any]) -> str:
    """Return an object as YAML for people."""
    return yaml.dump(item, Dumper=_Dumper, sort_keys=False, width=110)


def templated(item: dict[str, Any]) -> str:
    """Return an object with marks as a template of Helm, which renders to the object."""
    # What looks like Helm's own language, as in the texts of alerts, is text.
    text = re.sub(r"\{\{|\}\}", lambda found: f'{{{{ "{found[0]}" }}}}', as_yaml(item))
    return "".join(f"{line}\n" for line in _without_marks(text.splitlines()))


def _without_marks(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        indentation = line[: len(line) - len(line.lstrip())]
        mark = next((mark for mark in MARKS if line.endswith(mark)), None)
        yield from [line] if mark is None else [indentation + each for each in MARKS[mark]]
