"""Every broken rule that spans a document has an error that names file, path and what to write instead."""

import copy
import json
from typing import Any

import pytest

from tests.perses.parsing import parse_document
from tests.perses.samples import (
    CHART,
    DOCUMENT,
    NAMESPACE,
    PANEL,
    QUERY,
    VARIABLE,
    Change,
    at,
    drop,
    put,
    refusal,
)

ITEM = "spec.layouts[0].spec.items[0]"


def second_item(**place: int) -> Change:
    """A second panel, placed at PLACE."""

    def change(document: dict[str, Any]) -> None:
        document["spec"]["panels"]["down"] = PANEL
        content = {"$ref": "#/spec/panels/down"}
        document["spec"]["layouts"][0]["spec"]["items"].append({**place, "content": content})

    return change


def text_variable(**spec: object) -> Change:
    display = {"name": "Text", "description": "Some", "hidden": False}
    variable = {"kind": "TextVariable", "spec": {"name": "text", "display": display, **spec}}
    return lambda document: document["spec"]["variables"].append(variable)


def variable_first(**spec: object) -> Change:
    """Another list variable before `namespace`."""
    variable = {"kind": "ListVariable", "spec": {**NAMESPACE["spec"], **spec}}
    return lambda document: document["spec"]["variables"].insert(0, variable)


RULES: dict[str, tuple[Change, str, str]] = {
    "two variables of one name": (variable_first(), "spec.variables[1].spec.name", "rename one"),
    "customAllValue without All": (
        put(VARIABLE, allowAllValue=False),
        f"{VARIABLE}.customAllValue",
        "allowAllValue; set that to true",
    ),
    "several defaults for one value": (
        put(VARIABLE, allowMultiple=False, defaultValue=["a", "b"]),
        f"{VARIABLE}.defaultValue",
        "write one string",
    ),
    "All as default without All": (
        lambda d: (drop(VARIABLE, "customAllValue")(d), put(VARIABLE, allowAllValue=False)(d)),
        f"{VARIABLE}.defaultValue",
        "set that to true",
    ),
    "a constant without a value": (
        text_variable(value="", constant=True),
        "spec.variables[1].spec.value",
        "write one",
    ),
    "an undeclared variable in a query": (
        put(QUERY, query='up{pod=~"$pod"}'),
        f"{QUERY}.query",
        '"$pod" is not declared before this; declare it',
    ),
    "an undeclared variable in braces": (
        put(QUERY, query='up{pod=~"${pod:regex}"}'),
        f"{QUERY}.query",
        "or use one of: $namespace",
    ),
    "a built-in variable with a typing error": (
        put(QUERY, query="rate(up[$__rate_intervall])"),
        f"{QUERY}.query",
        '"$__rate_intervall" is not declared',
    ),
    "a variable used before it is declared": (
        variable_first(
            name="pod",
            plugin={
                "kind": "PrometheusPromQLVariable",
                "spec": {"expr": 'up{namespace=~"$namespace"}', "labelName": "pod"},
            },
        ),
        f"{VARIABLE}.plugin.spec.expr",
        "or use one of: none",
    ),
    "an undeclared variable in a matcher": (
        put(f"{VARIABLE}.plugin.spec", matchers=["up", 'up{a=~"$b"}']),
        f"{VARIABLE}.plugin.spec.matchers[1]",
        "$b",
    ),
    "an undeclared variable in a text": (
        text_variable(value="$other"),
        "spec.variables[1].spec.value",
        '"$other" is not declared',
    ),
    "several values matched as one": (
        put(QUERY, query='up{namespace="$namespace"}'),
        f"{QUERY}.query",
        "match with =~",
    ),
    "a reference into nothing": (
        put(f"{ITEM}.content", **{"$ref": "#/spec/panels/gone"}),
        f"{ITEM}.content.$ref",
        'write "#/spec/panels/<key>" with one of: up',
    ),
    "a reference with another root": (
        put(f"{ITEM}.content", **{"$ref": "#/spec/config/panels/up"}),
        f"{ITEM}.content.$ref",
        "<key>",
    ),
    "a reference that has only the key": (
        put(f"{ITEM}.content", **{"$ref": "up"}),
        f"{ITEM}.content.$ref",
        "<key>",
    ),
    "a panel that is nowhere": (
        lambda d: d["spec"]["panels"].update(down=PANEL),
        "spec.panels.down",
        "placed 0 times; place it once",
    ),
    "a panel that is wider than the grid": (
        put(ITEM, x=13),
        ITEM,
        "ends at column 25; x + width may be at most 24",
    ),
    "panels over each other": (
        second_item(x=11, y=7, width=4, height=4),
        "spec.layouts[0].spec.items[1]",
        "overlaps items[0]; move it to y = 8",
    ),
    "a maximum without a minimum": (
        lambda d: (at(d, f"{CHART}.yAxis").pop("min"), at(d, f"{CHART}.yAxis").update(max=1)),
        f"{CHART}.yAxis.max",
        "needs yAxis.min",
    ),
    "a maximum below the minimum": (put(f"{CHART}.yAxis", max=-1), f"{CHART}.yAxis.max", "write 0.0 or more"),
    "a colour for a query that is not there": (
        put(CHART, querySettings=[{"queryIndex": 1, "colorMode": "fixed", "colorValue": "#000"}]),
        f"{CHART}.querySettings[0].queryIndex",
        "write 0 to 0",
    ),
}


@pytest.mark.parametrize(("change", "path", "advice"), RULES.values(), ids=list(RULES))
def test_a_broken_rule_is_refused(change: Change, path: str, advice: str) -> None:
    message = refusal(change)
    assert message.startswith(f"up.json: {path}: ")
    assert advice in message


def test_a_panel_placed_twice_is_refused() -> None:
    def change(document: dict[str, Any]) -> None:
        items = document["spec"]["layouts"][0]["spec"]["items"]
        items.append({**items[0], "y": 8})

    assert refusal(change) == "up.json: spec.panels.up: is placed 2 times; place it once in spec.layouts"


@pytest.mark.parametrize("place", [{"x": 12, "y": 0}, {"x": 0, "y": 8}], ids=["beside", "below"])
def test_panels_that_touch_do_not_overlap(place: dict[str, int]) -> None:
    document = copy.deepcopy(DOCUMENT)
    second_item(**place, width=12, height=8)(document)
    parse_document("up.json", json.dumps(document))


def test_the_groups_of_label_replace_are_no_variables() -> None:
    document = copy.deepcopy(DOCUMENT)
    put(QUERY, query='label_replace(up, "a", "$1", "b", "(.*)")')(document)
    parse_document("up.json", json.dumps(document))
