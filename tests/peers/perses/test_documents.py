"""Perses accepts the four documents as they are shipped, and refuses them once they are spoiled."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from controller.templates.shipped import ShippedTemplate, shipped_templates
from tests.peers.perses.conftest import Judge

NOTEBOOK = next(template for template in shipped_templates() if template.id == "template-notebook")
every_template = pytest.mark.parametrize("template", shipped_templates(), ids=lambda template: template.id)

Spoil = Callable[[dict[str, Any]], object]
"""Changes the spec of a document."""


def panel(spec: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = spec["panels"]["cpu_usage"]["spec"]
    return found


def first_item(spec: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = spec["layouts"][0]["spec"]["items"][0]
    return found


REFUSED_BY_PERCLI: dict[str, tuple[Spoil, str]] = {
    "an unknown field of a plugin": (lambda spec: panel(spec)["plugin"]["spec"].update(colour="red"), "colour"),
    "an unknown plugin": (lambda spec: panel(spec)["plugin"].update(kind="StatPanel"), "StatPanel"),
    "the kind of another plugin": (lambda spec: panel(spec)["plugin"].update(kind="StatChart"), "cpu_usage"),
    "an unknown unit": (lambda spec: panel(spec)["plugin"]["spec"]["yAxis"]["format"].update(unit="cores"), "unit"),
    "a field of a later query": (
        lambda spec: panel(spec)["queries"][0]["spec"]["plugin"]["spec"].update(instant=True),
        "instant",
    ),
    "a reference to a panel that is not there": (
        lambda spec: first_item(spec)["content"].update({"$ref": "#/spec/panels/gone"}),
        "gone",
    ),
    "two variables of one name": (lambda spec: spec["variables"].append(spec["variables"][0]), "namespace"),
    "an undeclared variable": (
        lambda spec: spec["variables"][1]["spec"]["plugin"]["spec"].update(matchers=['up{pod=~"$nobody"}']),
        "nobody",
    ),
}
REFUSED_BY_MODEL: dict[str, tuple[Spoil, str]] = {
    "an unknown field of the document": (lambda spec: spec.update(tags=["x"]), "tags"),
    "an unknown field of a panel": (lambda spec: panel(spec).update(title="CPU"), "title"),
    "an unknown field of an item": (lambda spec: first_item(spec).update(z=1), "items.0.z"),
    "a variable that does not say whether it is hidden": (
        lambda spec: spec["variables"][0]["spec"]["display"].pop("hidden"),
        "hidden",
    ),
}


def spoiled(spoil: Spoil) -> Any:
    document = copy.deepcopy(dict(NOTEBOOK.document))
    spoil(document["spec"])
    return document


@every_template
def test_percli_accepts_every_template(lint: Judge, template: ShippedTemplate) -> None:
    assert lint(template.document) == ""


@every_template
def test_the_closed_model_accepts_every_template(vet: Judge, template: ShippedTemplate) -> None:
    assert vet(template.document) == ""


@pytest.mark.parametrize(("spoil", "named"), REFUSED_BY_PERCLI.values(), ids=list(REFUSED_BY_PERCLI))
def test_percli_refuses_a_spoiled_document(lint: Judge, spoil: Spoil, named: str) -> None:
    assert named in lint(spoiled(spoil))


@pytest.mark.parametrize(("spoil", "named"), REFUSED_BY_MODEL.values(), ids=list(REFUSED_BY_MODEL))
def test_the_closed_model_refuses_what_the_server_would_drop_in_silence(vet: Judge, spoil: Spoil, named: str) -> None:
    assert named in vet(spoiled(spoil))
