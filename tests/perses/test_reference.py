"""The reference names the exporter of every metric in the documents, and no other metric."""

import re
from collections import defaultdict
from pathlib import Path

from controller.templates.shipped import shipped_templates
from tests.perses.expressions import dashboard_of, expressions

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "templates.md"
_ROW = re.compile(r"^\| `([\w:]+)` \| ([^|]+) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\{")
_NAMES = re.compile(r'__name__=~"([^"]*)"')


def metrics_of_documents() -> dict[str, set[str]]:
    """Return the templates in which each metric stands, by its name."""
    found = defaultdict(set)
    for template in shipped_templates():
        for expression in expressions(dashboard_of(template)):
            names = _SELECTOR.findall(expression.text)
            names += [name for listed in _NAMES.findall(expression.text) for name in listed.split("|")]
            assert names, f"{template.id} {expression.name} names no metric"
            for name in names:
                found[name].add(template.id.removeprefix("template-"))
    return dict(found)


def metrics_of_reference() -> dict[str, set[str]]:
    every = {template.id.removeprefix("template-") for template in shipped_templates()}
    rows = _ROW.findall(REFERENCE.read_text())
    assert len(rows) == len({name for name, _, _ in rows}), "a metric has two rows"
    return {name: every if where == "all" else set(where.split(", ")) for name, _, where in rows}


def test_every_metric_is_in_the_table_with_its_templates_and_no_other() -> None:
    assert metrics_of_reference() == metrics_of_documents()


def test_every_metric_of_a_panel_is_named_in_its_description() -> None:
    for template in shipped_templates():
        for panel in dashboard_of(template).spec.panels.values():
            for query in panel.spec.queries:
                for name in _SELECTOR.findall(query.spec.plugin.spec.query):
                    base = name.removeprefix("kserve_").removesuffix("_bucket")
                    assert base in panel.spec.display.description, f"{template.id} {panel.spec.display.name}"


def test_the_reference_lists_the_variables_of_each_template() -> None:
    text = REFERENCE.read_text()
    for template in shipped_templates():
        names = ", ".join(f"`{variable['name']}`" for variable in template.variables)
        assert f"| `{template.id}` | {names} |" in text
