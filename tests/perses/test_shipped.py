"""The four documents of this release, held to the models and to what their panels promise."""

from importlib import resources
from itertools import combinations

import promql_parser
import pytest

from controller.templates.shipped import ShippedTemplate, shipped_templates
from tests.perses.document import Dashboard
from tests.perses.expressions import dashboard_of, expressions, filled_in
from tests.perses.parsing import parse_document
from tests.perses.plugins import StatChart, TimeSeriesChart

DOCUMENTS = {
    file.name: file.read_text(encoding="utf-8")
    for file in resources.files("controller.templates").joinpath("documents").iterdir()
}
DASHBOARDS = {template.id: dashboard_of(template) for template in shipped_templates()}

every_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=list(DASHBOARDS))


def test_every_packaged_document_is_shipped() -> None:
    assert set(DOCUMENTS) == {f"{template.id}.json" for template in shipped_templates()}


@pytest.mark.parametrize("template", shipped_templates(), ids=lambda template: template.id)
def test_the_document_passes_the_models_and_is_read_as_they_read_it(template: ShippedTemplate) -> None:
    file = f"{template.id}.json"
    spec = parse_document(file, DOCUMENTS[file]).spec
    assert (template.name, template.description) == (spec.display.name, spec.display.description)
    assert list(template.variables) == [
        {"name": each.spec.name, "label": each.spec.display.name, "description": each.spec.display.description}
        for each in spec.variables
    ]


@every_dashboard
def test_every_expression_is_promql(dashboard: Dashboard) -> None:
    choices = {variable.spec.name: ["one", "two"] for variable in dashboard.spec.variables}
    for expression in expressions(dashboard):
        promql_parser.parse(filled_in(expression.text, dashboard, choices))


@every_dashboard
def test_every_expression_asks_only_for_the_chosen_projects(dashboard: Dashboard) -> None:
    for expression in expressions(dashboard):
        if expression.name.startswith("matcher:namespace"):
            continue  # these find out which projects there are
        for selector in expression.text.split("{")[1:]:
            assert selector.startswith(('namespace=~"$namespace"', 'exported_namespace=~"$namespace"'))


@every_dashboard
def test_every_panel_tells_where_its_series_come_from(dashboard: Dashboard) -> None:
    sources = ("cAdvisor", "kube-state-metrics", "runtimes", "vllm:", "DCGM", "Provided by the job")
    for panel in dashboard.spec.panels.values():
        assert any(source in panel.spec.display.description for source in sources)


def test_training_metrics_are_said_to_be_provided_by_the_job() -> None:
    panels = DASHBOARDS["template-training-job"].spec.panels
    for key in ("training_loss", "training_accuracy", "epoch_duration"):
        assert "Provided by the job" in panels[key].spec.display.description


@every_dashboard
def test_no_gap_is_left_in_the_layout(dashboard: Dashboard) -> None:
    items = [item for grid in dashboard.spec.layouts for item in grid.spec.items]
    bottom = max(item.y + item.height for item in items)
    assert sum(item.width * item.height for item in items) == 24 * bottom


@every_dashboard
def test_limits_are_lines_without_area_in_a_colour_of_their_own(dashboard: Dashboard) -> None:
    for panel in dashboard.spec.panels.values():
        plugin = panel.spec.plugin
        for index, query in enumerate(panel.spec.queries):
            if "resource_limits" in query.spec.plugin.spec.query:
                assert isinstance(plugin, TimeSeriesChart)
                assert plugin.spec.visual.area_opacity == 0
                assert [s.color_mode for s in plugin.spec.query_settings if s.query_index == index] == ["fixed"]


@every_dashboard
def test_the_colours_of_a_chart_are_distinct(dashboard: Dashboard) -> None:
    for panel in dashboard.spec.panels.values():
        plugin = panel.spec.plugin
        if isinstance(plugin, StatChart):
            colours = [mapping.spec.result.color for mapping in plugin.spec.mappings]
        else:
            assert plugin.spec.visual.palette is not None
            assert plugin.spec.visual.palette.mode == "categorical"
            colours = [setting.color_value for setting in plugin.spec.query_settings]
            colours += [step.color for step in plugin.spec.thresholds.steps] if plugin.spec.thresholds else []
        assert all(_distance(one, other) > 60 for one, other in combinations(colours, 2))


def _distance(one: str, other: str) -> float:
    """Return the distance of two colours in RGB; black to white is 441."""
    channels = [(int(one[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return float(sum((a - b) ** 2 for a, b in channels) ** 0.5)


@every_dashboard
def test_charts_with_a_series_for_each_pod_have_a_legend_that_scrolls(dashboard: Dashboard) -> None:
    for panel in dashboard.spec.panels.values():
        plugin = panel.spec.plugin
        if isinstance(plugin, TimeSeriesChart) and any(
            "{{" in query.spec.plugin.spec.series_name_format for query in panel.spec.queries
        ):
            assert plugin.spec.legend.mode == "table"


@every_dashboard
def test_error_rates_leave_the_axis_free(dashboard: Dashboard) -> None:
    panel = dashboard.spec.panels.get("error_rate")
    if panel is not None:
        assert isinstance(panel.spec.plugin, TimeSeriesChart)
        assert panel.spec.plugin.spec.y_axis.max is None
