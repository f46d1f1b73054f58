"""The CustomResourceDefinition, generated from the models: `python -m controller.resource.crd > crds/...yaml`.

A structural schema has no $ref, no null and no titles, and needs a default at every level that holds defaults:
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/.
"""

import inspect
import sys
from typing import Any

import yaml
from pydantic import BaseModel

from controller.resource import GROUP, KIND, PLURAL, SHORT_NAME, SINGULAR, VERSION
from controller.resource.spec import DashboardDatabaseSpec
from controller.resource.status import ConditionStatus, ConditionType, DashboardDatabaseStatus

_KEPT = (
    "type",
    "format",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "maxItems",
    "pattern",
    "x-kubernetes-validations",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
)


def _column(name: str, path: str, description: str, kind: str = "string") -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path, "description": description}


def _condition(kind: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


_COLUMNS = [
    _column("Ready", _condition("Ready", "status"), "Connected; schema and templates are as wanted"),
    _column("Reason", _condition("Ready", "reason"), "Why, or why not"),
    _column("Schema", ".status.schema.current", "Applied version", "integer"),
    _column("Health", _condition("Healthy", "reason"), "Healthy, Degraded or what is wrong"),
    _column("Age", ".metadata.creationTimestamp", "Time since it was created", "date"),
    {**_column("Message", _condition("Ready", "message"), "Ready's message"), "priority": 1},  # with -o wide
]


def custom_resource_definition() -> dict[str, Any]:
    """Return the whole object, ready for `kubectl apply`."""
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": _COLUMNS,
        "schema": {"openAPIV3Schema": _resource_schema()},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": SINGULAR,
                "shortNames": [SHORT_NAME],
            },
            "versions": [version],
        },
    }  # fmt: skip


def _resource_schema() -> dict[str, Any]:
    return {
        "description": "A PostgreSQL database behind a dashboards service, kept migrated, seeded, healthy and watched.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _structural(DashboardDatabaseSpec),
            "status": {**_structural(DashboardDatabaseStatus), "default": _not_observed()},
        },
    }


def _not_observed() -> dict[str, Any]:
    """Return the status of a resource that no operator has looked at yet.

    Without it, whoever waits for a resource takes one without a status for ready (Flux, by kstatus), also while the
    operator is down.
    """
    shown = {
        "reason": "NotObserved",
        "message": "No operator has looked at it yet.",
        "observedGeneration": 0,
        "lastTransitionTime": "1970-01-01T00:00:00Z",
    }
    kinds = {ConditionType.READY: ConditionStatus.UNKNOWN, ConditionType.RECONCILING: ConditionStatus.TRUE}
    return {"conditions": [{"type": kind.value, "status": status.value, **shown} for kind, status in kinds.items()]}


def _structural(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True)
    return _convert(schema, schema.get("$defs", {}))


def _convert(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return one node, and everything below it, as a structural schema."""
    node = _resolved(node, definitions)
    result = _leaf(node)
    if "properties" in node:
        result["properties"] = {name: _convert(child, definitions) for name, child in node["properties"].items()}
        if "required" in node:
            result["required"] = node["required"]
        elif defaults := {n: child["default"] for n, child in result["properties"].items() if "default" in child}:
            result["default"] = defaults  # in full: rules are evaluated on it before inner defaults are filled in
    if "items" in node:
        result["items"] = _convert(node["items"], definitions)
    return result


def _resolved(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the node without references and null; what stands beside a reference wins over what it stands for."""
    if "anyOf" in node:  # pydantic's way to say optional
        inner = next(option for option in node["anyOf"] if option.get("type") != "null")
        beside = {key: value for key, value in node.items() if key not in ("anyOf", "default")}
        return {**_resolved(inner, definitions), **beside}
    if "$ref" in node:
        return {**definitions[node["$ref"].rsplit("/", 1)[1]], **node}
    return node


def _leaf(node: dict[str, Any]) -> dict[str, Any]:
    result = {key: node[key] for key in _KEPT if key in node}
    if "description" in node:
        result = {"description": inspect.cleandoc(node["description"]), **result}
    if node.get("default") is not None and node.get("type") not in ("array", "object"):
        result["default"] = node["default"]
    if result.get("type") == "integer":
        result["format"] = "int64"
    return result


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - anchors are hard to read in a manifest
        return True


def to_yaml(document: dict[str, Any]) -> str:
    header = "# Generated from controller/resource by `make crd`; do not edit.\n"
    return header + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=110)


if __name__ == "__main__":
    sys.stdout.write(to_yaml(custom_resource_definition()))
