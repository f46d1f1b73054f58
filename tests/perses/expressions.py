"""Expressions of a document with their variables filled in, as Perses sends them to Prometheus."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from controller.templates.shipped import ShippedTemplate
from tests.perses.document import Dashboard, ListVariable
from tests.perses.parsing import parse_document
from tests.perses.plugins import PrometheusLabelValuesVariable, PrometheusPromQLVariable

Choice = str | list[str]
"""Choice of a person: `All`, one value, or several."""


@dataclass(frozen=True)
class Expression:
    """One PromQL expression of a document, by a name that can also name a recording rule."""

    name: str
    text: str


def dashboard_of(template: ShippedTemplate) -> Dashboard:
    """Return the document as models."""
    return parse_document(f"{template.id}.json", json.dumps(template.document))


def expressions(dashboard: Dashboard) -> list[Expression]:
    """Return all PromQL: `<panel>:<number of the query>`, `variable:<name>`, `matcher:<variable>:<number>`."""
    found = [
        Expression(f"{key}:{index}", query.spec.plugin.spec.query)
        for key, panel in dashboard.spec.panels.items()
        for index, query in enumerate(panel.spec.queries)
    ]
    for variable in dashboard.spec.variables:
        assert isinstance(variable, ListVariable)
        plugin = variable.spec.plugin
        if isinstance(plugin, PrometheusPromQLVariable):
            found.append(Expression(f"variable:{variable.spec.name}", plugin.spec.expr))
        if isinstance(plugin, PrometheusLabelValuesVariable):
            found += [
                Expression(f"matcher:{variable.spec.name}:{index}", matcher)
                for index, matcher in enumerate(plugin.spec.matchers)
            ]
    return found


def filled_in(text: str, dashboard: Dashboard, choices: Mapping[str, Choice], *, range_seconds: int = 3600) -> str:
    """Return `text` as it is sent: several values as `(a|b)`, All as customAllValue, built-in ones as numbers."""
    values = {
        "__range": f"{range_seconds}s",
        "__range_s": str(range_seconds),
        "__rate_interval": "4m",
    }
    for variable in dashboard.spec.variables:
        assert isinstance(variable, ListVariable)
        choice = choices[variable.spec.name]
        if choice == "All":
            assert variable.spec.custom_all_value is not None, "All of this one is the list of its options"
            choice = variable.spec.custom_all_value
        values[variable.spec.name] = choice if isinstance(choice, str) else f"({'|'.join(choice)})"
    # $1 and the like belong to label_replace
    return re.sub(r"\$([A-Za-z_]\w*)", lambda match: values[match.group(1)], text)
