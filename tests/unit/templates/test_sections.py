"""A template as lines, in sections that a person recognises."""

import dataclasses

import pytest

from controller.templates.content import canonical_json
from controller.templates.sections import DEEPEST, sections
from controller.templates.shipped import ShippedTemplate, shipped_templates
from tests.unit.templates.releases import release

NOTEBOOK = {
    "kind": "Dashboard",
    "spec": {
        "duration": "1h",
        "panels": {"cpu": {"spec": {"queries": [{"query": "sum(\n  a\n)", "step": 5}]}}},
        "variables": [{"kind": "ListVariable", "spec": {"name": "namespace"}}],
        "layouts": [{"kind": "Grid"}, []],
    },
}


def shown(document: object) -> dict[str, list[str]]:
    return sections(release("1.0.0", document=document), "1.0.0")


def test_each_panel_and_variable_is_a_section_of_its_own() -> None:
    found = shown(NOTEBOOK)
    assert list(found) == ["template", "dashboard", "variable namespace", "panel cpu", "layout", "form fields"]
    assert found["dashboard"] == ['kind: "Dashboard"', "spec:", '  duration: "1h"']
    assert found["layout"] == ['- kind: "Grid"', "- []"]


def test_an_expression_of_several_lines_has_several_lines() -> None:
    assert shown(NOTEBOOK)["panel cpu"] == [
        "spec:", "  queries:", "    - query: |", "        sum(", "          a", "        )", "      step: 5",
    ]  # fmt: skip


@pytest.mark.parametrize("template", shipped_templates(), ids=lambda template: template.id)
def test_nothing_of_a_shipped_template_is_left_out(template: ShippedTemplate) -> None:
    found = sections(template, template.version)
    text = "\n".join(line.strip() for lines in found.values() for line in lines)
    for key, panel in template.document["spec"]["panels"].items():
        assert f"panel {key}" in found
        assert canonical_json(panel["spec"]["display"]["description"]) in text
        for query in panel["spec"]["queries"]:
            assert all(line.strip() in text for line in query["spec"]["plugin"]["spec"]["query"].splitlines())


@pytest.mark.parametrize(
    "document",
    [
        None, 7, [], {}, {"spec": None}, {"spec": []}, {"spec": {"panels": [1], "variables": {"a": 1}}},
        {"spec": {"panels": {"a": None}, "variables": [None, 5, {"spec": {"name": 1}}], "layouts": 3}},
    ],
    ids=canonical_json,
)  # fmt: skip
def test_what_is_no_dashboard_is_shown_as_it_is(document: object) -> None:
    text = "".join(line.strip(" -") for lines in shown(document).values() for line in lines)
    for leaf in ("7", "1", "5", "3"):
        assert (leaf in canonical_json(document)) <= (leaf in text)


def test_two_variables_of_one_name_are_both_shown() -> None:
    twice = [{"spec": {"name": "a", "x": 1}}, {"spec": {"name": "a", "x": 2}}]
    assert [line.strip() for line in shown({"spec": {"variables": twice}})["variable a"] if "x" in line] == [
        "x: 1",
        "x: 2",
    ]


@pytest.mark.parametrize(("levels", "end"), [(500, '"bottom"'), (100_000, "(nested too deeply to be shown)")])
def test_deep_nesting_ends_in_one_line(levels: int, end: str) -> None:
    deep: object = "bottom"
    for _ in range(levels):
        deep = [deep]
    lines = shown({"deep": deep})["dashboard"]
    assert len(lines) <= DEEPEST
    assert end in lines[-1]


def test_the_digest_is_not_shown() -> None:
    template = release("1.0.0")
    assert template.content_sha256 not in str(sections(dataclasses.replace(template), "1.0.0"))
