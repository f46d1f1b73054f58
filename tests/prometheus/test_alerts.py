"""The alerts fire when they should and not before, computed by Prometheus itself (`promtool test rules`)."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.health.role import Role
from controller.runtime.waits import Waits
from tests.prometheus.cases import CASES, LABELS, OPERATOR, database
from tests.support.binaries import promtool
from tests.unit.web.reports import scrape, store_with

ROOT = Path(__file__).parents[2]
RULES = ROOT / "manifests" / "monitoring" / "prometheus-rule.yaml"


def run_promtool(folder: Path, *arguments: str) -> None:
    (folder / "rules.yaml").write_text(yaml.safe_dump(yaml.safe_load(RULES.read_text())["spec"]))
    done = subprocess.run([promtool(), *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def run_test(folder: Path, series: dict[str, str], **checks: list[dict[str, Any]]) -> None:
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    test = {"interval": "1m", "input_series": inputs, **checks}
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "tests.yaml").write_text(yaml.safe_dump(document))
    run_promtool(folder, "test", "rules", "tests.yaml")


@pytest.mark.parametrize("name", CASES)
def test_alerts(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    expected = [
        {
            "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
            "eval_time": f"{minute}m",
            "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in alerts],
        }
        for minute, alerts in case.firing.items()
    ]
    run_test(tmp_path, {**case.series, **case.operator}, promql_expr_test=expected)


@pytest.mark.parametrize(
    "labels",
    [LABELS, 'namespace="dashdb-system",exported_namespace="team-a",name="perses"'],
    ids=["plain", "labels overridden"],
)
def test_the_text_names_the_database_wherever_its_namespace_stands(labels: str, tmp_path: Path) -> None:
    text = (
        "The database of DashboardDatabase team-a/perses has not answered for 5 minutes, or it refuses the login or "
        "writes. Its condition Connected or Healthy says why: kubectl describe dashboarddatabase perses "
        "--namespace team-a"
    )
    alert = {
        "exp_labels": {"severity": "critical", **dict(re.findall(r'(\w+)="([^"]*)"', labels))},
        "exp_annotations": {
            "summary": "A dashboards database is down.",
            "description": text,
            "runbook_url": "docs/runbooks.md#dashdbdatabasedown",
        },
    }
    check = [{"alertname": "DashdbDatabaseDown", "eval_time": "10m", "exp_alerts": [alert]}]
    series = {**database(labels=labels, up="0x120", ready="0x120"), **OPERATOR}
    run_test(tmp_path, series, alert_rule_test=check)


def test_promtool_finds_nothing_to_mend(tmp_path: Path) -> None:
    run_promtool(tmp_path, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")


def scraped() -> dict[str, set[str]]:
    """Label names by metric, of a database about which everything is known."""
    role = Role(leading=True, standby=False, leader="a", transitions=1)
    store = store_with("one")
    store.watching, store.connection_waits = True, Waits()
    page = scrape(store, role=lambda: role, shard=(1, 2))
    lines = re.findall(r"^(dashdb_\w+)(?:\{(.*)\})? ", page, re.MULTILINE)
    return {name: set(re.findall(r'(\w+)="', labels)) for name, labels in lines}


LABELS_OF = {
    "dashdb_build_info": {"version"},
    "dashdb_connection_longest_wait_seconds": set[str](),
    "dashdb_databases": {"state"},
    "dashdb_databases_near_connection_limit": set[str](),
    "dashdb_databases_waiting_for_connection": set[str](),
    "dashdb_leader": set[str](),
    "dashdb_shard_info": {"shard"},
    "dashdb_shards": set[str](),
    "dashdb_status_writes_refused_total": set[str](),
    "dashdb_watch_restarts_total": set[str](),
    "dashdb_watching": set[str](),
}
"""Labels of what is not a series of one database."""


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["spec"]["groups"] for rule in group["rules"]]


def test_every_metric_in_an_alert_is_one_that_the_program_exports() -> None:
    exported = scraped()
    for alert in alerts():
        names = set(re.findall(r"dashdb_\w+", alert["expr"]))
        assert names, alert["alert"]
        for name in names:
            assert exported.get(name) == LABELS_OF.get(name, {"namespace", "name"}), name


def test_every_alert_says_how_bad_it_is_what_to_do_and_where_its_runbook_is() -> None:
    headings = set(re.findall(r"^### (Dashdb\w+)$", (ROOT / "docs/runbooks.md").read_text(), re.MULTILINE))
    assert headings == {alert["alert"] for alert in alerts()}
    for alert in alerts():
        assert alert["labels"]["severity"] in ("critical", "warning")
        assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
        assert alert["annotations"]["runbook_url"] == f"docs/runbooks.md#{alert['alert'].lower()}"


def test_every_alert_is_seen_to_fire_here() -> None:
    fired = {alert for case in CASES.values() for alerts in case.firing.values() for alert in alerts}
    assert fired == {alert["alert"] for alert in alerts()}


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_every_alert_is_seen_to_stay_silent_on_its_own_series(alert: dict[str, Any]) -> None:
    needed = set(re.findall(r"dashdb_\w+", alert["expr"].partition("unless on (job)")[0]))
    silent = [
        name
        for name, case in CASES.items()
        if needed <= {series.partition("{")[0] for series in (*case.series, *case.operator)}
        and not any(alert["alert"] in fired for fired in case.firing.values())
    ]
    assert silent
