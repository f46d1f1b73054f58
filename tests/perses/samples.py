"""A small good document, and ways to spoil it: for the tests of what is refused."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.perses.parsing import InvalidDocument, parse_document

NAMESPACE: dict[str, Any] = {
    "kind": "ListVariable",
    "spec": {
        "name": "namespace",
        "display": {"name": "Project", "description": "Where", "hidden": False},
        "defaultValue": "$__all",
        "allowAllValue": True,
        "allowMultiple": True,
        "customAllValue": ".*",
        "sort": "alphabetical-asc",
        "plugin": {
            "kind": "PrometheusLabelValuesVariable",
            "spec": {"labelName": "namespace", "matchers": ["up"]},
        },
    },
}
PANEL: dict[str, Any] = {
    "kind": "Panel",
    "spec": {
        "display": {"name": "Up", "description": "Targets"},
        "plugin": {
            "kind": "TimeSeriesChart",
            "spec": {
                "legend": {"position": "bottom", "mode": "list"},
                "yAxis": {"format": {"unit": "decimal"}, "min": 0},
                "visual": {"display": "line", "areaOpacity": 0},
            },
        },
        "queries": [
            {
                "kind": "TimeSeriesQuery",
                "spec": {
                    "plugin": {
                        "kind": "PrometheusTimeSeriesQuery",
                        "spec": {
                            "query": 'rate(up{namespace=~"$namespace"}[$__rate_interval])',
                            "seriesNameFormat": "{{pod}}",
                        },
                    }
                },
            }
        ],
    },
}
DOCUMENT: dict[str, Any] = {
    "kind": "Dashboard",
    "metadata": {"name": "up", "project": "templates"},
    "spec": {
        "display": {"name": "Up", "description": "Targets"},
        "duration": "1h",
        "refreshInterval": "30s",
        "variables": [NAMESPACE],
        "panels": {"up": PANEL},
        "layouts": [
            {
                "kind": "Grid",
                "spec": {
                    "items": [{"x": 0, "y": 0, "width": 12, "height": 8, "content": {"$ref": "#/spec/panels/up"}}]
                },
            }
        ],
    },
}

Change = Callable[[dict[str, Any]], object]
QUERY = "spec.panels.up.spec.queries[0].spec.plugin.spec"
CHART = "spec.panels.up.spec.plugin.spec"
VARIABLE = "spec.variables[0].spec"


def at(document: Any, path: str) -> Any:
    """The part of a document at `spec.layouts[0].spec`."""
    for step in path.replace("[", ".").replace("]", "").split("."):
        document = document[int(step) if step.isdecimal() else step]
    return document


def put(path: str, **values: object) -> Change:
    return lambda document: at(document, path).update(values)


def drop(path: str, key: str) -> Change:
    return lambda document: at(document, path).pop(key)


def refusal(change: Change) -> str:
    document = copy.deepcopy(DOCUMENT)
    change(document)
    with pytest.raises(InvalidDocument) as caught:
        parse_document("up.json", json.dumps(document))
    return str(caught.value)
