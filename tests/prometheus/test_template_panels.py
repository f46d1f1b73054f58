"""Results of the panels over synthetic series, computed by Prometheus itself (`promtool test rules`).

Each file in promql/ names a template, what a person chose for its variables, and promtool's own tests. The
expressions of the template become recording rules, named `<panel>:<number of the query>` and
`variable:<name>`, so that what is tested is the shipped JSON.
"""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.templates.shipped import shipped_templates
from tests.perses.expressions import dashboard_of, expressions, filled_in
from tests.support.binaries import promtool

CASES = sorted((Path(__file__).parent / "promql").glob("*.yaml"))
TEMPLATES = {template.id: template for template in shipped_templates()}


def recording_rules(case: dict[str, Any]) -> dict[str, Any]:
    """Return all expressions of the template of CASE, as Prometheus gets them."""
    dashboard = dashboard_of(TEMPLATES[case["template"]])
    rules = [
        {"record": expression.name, "expr": filled_in(expression.text, dashboard, case["choices"])}
        for expression in expressions(dashboard)
        if not expression.name.startswith("matcher:")
    ]
    return {"groups": [{"name": case["template"], "interval": "1m", "rules": rules}]}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_panels_show_what_is_true(path: Path, tmp_path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(recording_rules(case)))
    tests = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": case["promtool"]}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(tests))
    done = subprocess.run(
        [promtool(), "test", "rules", "tests.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_template_has_such_a_test() -> None:
    assert {yaml.safe_load(path.read_text())["template"] for path in CASES} == set(TEMPLATES)
