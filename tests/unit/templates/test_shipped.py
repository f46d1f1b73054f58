"""The four documents of this release."""

import json
from itertools import combinations

import promql_parser
import pytest

from controller.templates.document import Dashboard
from controller.templates.plugins import StatChart, TimeSeriesChart
from controller.templates.shipped import ShippedTemplate, shipped_templates
from tests.perses.perses import dashboard_of, expressions, filled_in

TEMPLATES = {template.id: template for template in shipped_templates()}
DASHBOARDS = {template.id: dashboard_of(template) for template in shipped_templates()}

every_template = pytest.mark.parametrize("template", TEMPLATES.values(), ids=list(TEMPLATES))
every_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=list(DASHBOARDS))

# A row can only say which version it lags behind if equal versions mean equal content. Whoever changes a
# document raises its version in controller/templates/shipped.py, and then both columns here.
RELEASED = {
    "template-model-serving": (
        "1.0.0",
        "sha256:f70c762ca3ed5f3c6d46536c15d20b36fda1f7a22fccd90279253e7f76f4e972",
    ),
    "template-training-job": (
        "1.0.0",
        "sha256:bfe8db999c2491c4e4ae1e3bce0558908e17254f9e1bdda742c99fa5596521c5",
    ),
    "template-notebook": (
        "1.0.0",
        "sha256:151d87a729b30824111bb9a7197faf2141b73db78e95368fe95c640a3879a0f6",
    ),
    "template-data-pipeline": (
        "1.0.0",
        "sha256:7eb5eb44b82380c2291bdb0b37a8815947859b74ba1f523c890aef419b7a6dee",
    ),
}


def test_the_four_templates_are_shipped_with_their_panels() -> None:
    panels = {template_id: len(dashboard.spec.panels) for template_id, dashboard in DASHBOARDS.items()}
    assert panels == {
        "template-model-serving": 6,
        "template-training-job": 8,
        "template-notebook": 5,
        "template-data-pipeline": 7,
    }


def test_each_template_has_its_category() -> None:
    assert {template.id: str(template.category) for template in TEMPLATES.values()} == {
        "template-model-serving": "model_serving",
        "template-training-job": "training_job",
        "template-notebook": "notebook",
        "template-data-pipeline": "data_pipeline",
    }


def test_each_template_asks_for_a_namespace_and_for_what_it_shows() -> None:
    asked = {t.id: [variable["name"] for variable in t.variables] for t in TEMPLATES.values()}
    assert asked == {
        "template-model-serving": ["namespace", "model_name"],
        "template-training-job": ["namespace", "job_name"],
        "template-notebook": ["namespace", "notebook_name"],
        "template-data-pipeline": ["namespace", "pipeline_name"],
    }


def test_names_are_unique_and_fit_their_columns() -> None:
    names = [template.name for template in TEMPLATES.values()]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 128 for name in names)


def test_a_changed_document_has_a_new_version() -> None:
    assert {t.id: (t.version, t.content_sha256) for t in TEMPLATES.values()} == RELEASED


def test_templates_are_read_once() -> None:
    assert shipped_templates() is shipped_templates()


@every_template
def test_the_document_is_named_like_its_template(template: ShippedTemplate) -> None:
    assert template.document["metadata"]["name"] == template.id


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
    """Between two colours in RGB; black to white is 441."""
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


def test_no_document_holds_what_the_server_sets() -> None:
    for template in TEMPLATES.values():
        assert set(template.document["metadata"]) == {"name", "project"}
        assert not {"createdAt", "updatedAt"} & set(json.dumps(template.document).split('"'))
