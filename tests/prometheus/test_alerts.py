"""The alerts fire when they should and not before, computed by Prometheus itself (`promtool test rules`)."""

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.health.role import Role
from controller.web.totals import STATES
from tests.support.binaries import promtool
from tests.unit.web.reports import scrape, store_with

ROOT = Path(__file__).parents[2]
RULES = ROOT / "manifests" / "monitoring" / "prometheus-rule.yaml"
LABELS = 'namespace="team-a",name="perses"'
OPERATOR = {'dashdb_build_info{job="dashboard-database-operator"}': "1x120"}


def database(*, pod: str = "a", labels: str = LABELS, **series: str) -> dict[str, str]:
    """Series of one database; `up="1x9"` is dashdb_database_up. What is not given is as in a database that is fine."""
    names = {
        "up": "dashdb_database_up",
        "ready": "dashdb_database_ready",
        "pending": "dashdb_schema_pending_migrations",
        "checked": "dashdb_database_last_check_timestamp_seconds",
        "used": "dashdb_server_connections",
        "limit": "dashdb_server_connections_limit",
    }
    fine = {
        "up": "1x120",
        "ready": "1x120",
        "pending": "0x120",
        "checked": "1x120",
        "used": "9x120",
        "limit": "100x120",
    }
    values = {**fine, **series}
    return {f'{names[key]}{{{labels},pod="{pod}"}}': value for key, value in values.items() if value}


def totals(*, pod: str = "a", crowded: str = "0x120", **states: str) -> dict[str, str]:
    """Series of an operator that shows no single database, by state; CROWDED is how many are near their limit."""
    job = f'job="dashboard-database-operator",pod="{pod}"'
    values = dict.fromkeys(STATES, "0x120") | states
    series = {f'dashdb_databases{{{job},state="{state}"}}': value for state, value in values.items()}
    return series | {f"dashdb_databases_near_connection_limit{{{job}}}": crowded}


def leader(*, shard: str = "1/1", **pods: str) -> dict[str, str]:
    """Series that say which of the PODS of one shard leads."""
    found = {}
    for pod, value in pods.items():
        labels = f'job="dashboard-database-operator",pod="{pod}"'
        found[f'dashdb_shard_info{{{labels},shard="{shard}"}}'] = "1x120"
        found[f"dashdb_shards{{{labels}}}"] = f"{shard.rpartition('/')[2]}x120"
        found[f"dashdb_leader{{{labels}}}"] = value
    return found


@dataclass(frozen=True)
class Case:
    """Series, one value a minute, and which alerts fire at which minute."""

    firing: dict[int, list[str]]
    series: dict[str, str]
    operator: dict[str, str] = field(default_factory=lambda: OPERATOR)


CASES = {
    "nothing fires while all is well": Case({0: [], 60: [], 119: []}, database()),
    "a degraded database that is ready is nobody's emergency": Case({60: []}, database(used="89x120")),
    "a database that does not answer is down, and not also not ready": Case(
        {4: [], 6: ["DashdbDatabaseDown"], 60: ["DashdbDatabaseDown"]}, database(up="0x120", ready="0x120")
    ),
    "one that was down for three minutes wakes nobody": Case(
        {m: [] for m in range(0, 20, 2)}, database(up="1x5 0x3 1x100", ready="1x5 0x3 1x100")
    ),
    "the alert ends when the database is back": Case(
        {9: ["DashdbDatabaseDown"], 12: []}, database(up="0x10 1x100", ready="0x10 1x100")
    ),
    "a down database is down while migrations wait": Case(
        {60: ["DashdbDatabaseDown"]}, database(up="0x120", ready="0x120", pending="2x120")
    ),
    "a Secret that is missing is not ready and not down": Case(
        {14: [], 16: ["DashdbDatabaseNotReady"]},
        database(up="0x120", ready="0x120", checked="", pending="", used="", limit=""),
    ),
    "a Secret that was lost while migrations waited is not ready": Case(
        {60: ["DashdbDatabaseNotReady"]},
        database(up="0x120", ready="0x120", checked="", pending="2x120", used="", limit=""),
    ),
    "templates that cannot be seeded are not ready": Case({60: ["DashdbDatabaseNotReady"]}, database(ready="0x120")),
    "migrations that wait are that and nothing else": Case(
        {29: [], 31: ["DashdbMigrationsPending"]}, database(ready="0x120", pending="2x120")
    ),
    "a migration of twelve minutes is no news": Case(
        {14: [], 60: []}, database(ready="0x12 1x99", pending="1x12 0x99")
    ),
    "connections near their limit are": Case(
        {9: [], 11: ["DashdbConnectionsNearLimit"], 60: ["DashdbConnectionsNearLimit"]}, database(used="95x120")
    ),
    "a server that says no limit is not near it": Case({60: []}, database(limit="0x120")),
    "an operator that vanished is missed": Case({9: [], 11: ["DashdbOperatorAbsent"]}, {}, operator={}),
    "a standby has no series of databases and is missed by nobody": Case(
        {0: [], 60: [], 119: []}, {**database(pod="a"), **leader(a="1x120", b="0x120")}
    ),
    "a leader that changes is no news": Case(
        {m: [] for m in range(0, 120, 10)}, {**database(pod="a"), **leader(a="1x60 0x60", b="0x62 1x58")}
    ),
    "nobody who leads is": Case(
        {4: [], 6: ["DashdbNoLeader"], 60: ["DashdbNoLeader"]}, leader(a="0x120", b="0x120")
    ),
    "a shard in which nobody leads is not hidden by one in which somebody does": Case(
        {4: [], 6: ["DashdbNoLeader"]}, leader(shard="1/2", a="0x120", b="1x120") | leader(shard="2/2", c="0x120")
    ),
    "shards that all have a leader wake nobody": Case(
        {60: []}, leader(shard="1/2", a="0x120", b="1x120") | leader(shard="2/2", c="1x120", d="0x120")
    ),
    "a shard that nobody runs is missed": Case(
        {9: [], 11: ["DashdbShardAbsent"]}, leader(shard="1/2", a="1x120", b="0x120")
    ),
    "a replica of another number of shards stands in for none": Case(
        {11: ["DashdbShardAbsent"]}, leader(shard="1/2", a="1x120") | leader(shard="2/3", b="1x120")
    ),
    "a sidecar's series do not stand in for the operator's": Case(
        {60: ["DashdbOperatorAbsent"]}, {}, operator={'dashdb_build_info{job="perses"}': "1x120"}
    ),
    "an alert goes on when the operator moves to another Pod": Case(
        {30: ["DashdbDatabaseDown"], 33: ["DashdbDatabaseDown"]},
        database(up="0x30 stale", ready="0x30 stale", checked="1x30 stale", pending="", used="", limit="")
        | database(
            pod="b", up="_x31 0x80", ready="_x31 0x80", checked="_x31 1x80", pending="", used="", limit=""
        ),
    ),
    "totals in which all is well wake nobody": Case({0: [], 60: []}, totals(ready="900x120", degraded="3x120")),
    "totals say that databases are down": Case(
        {4: [], 6: ["DashdbDatabasesDown"], 60: ["DashdbDatabasesDown"]}, totals(unhealthy="2x120", ready="9x120")
    ),
    "totals say that migrations wait": Case(
        {29: [], 31: ["DashdbDatabasesMigrationsPending"]}, totals(pending="1x120")
    ),
    "totals say that databases are not ready, or their checks overdue": Case(
        {14: [], 16: ["DashdbDatabasesNotReady"]}, totals(not_ready="1x8 0x112", stale="0x7 1x112")
    ),
    "totals say that connections run out": Case(
        {9: [], 11: ["DashdbDatabasesNearConnectionLimit"]}, totals(crowded="1x120")
    ),
    "totals keep silent where each database has its alert": Case(
        {60: ["DashdbDatabaseDown"]},
        totals(unhealthy="1x120", pending="1x120", not_ready="1x120", crowded="1x120")
        | database(labels=f'{LABELS},job="dashboard-database-operator"', up="0x120", ready="0x120"),
    ),
    "totals do not keep silent for the series of a sidecar": Case(
        {60: ["DashdbDatabasesDown"]},
        totals(unhealthy="1x120") | database(labels='namespace="",name="perses",job="perses"'),
    ),
    "totals of all shards count": Case(
        {6: ["DashdbDatabasesDown"]}, totals(ready="9x120") | totals(pod="b", unhealthy="1x120")
    ),
    "an alert of totals goes on when the operator moves to another Pod": Case(
        {30: ["DashdbDatabasesDown"], 33: ["DashdbDatabasesDown"]},
        totals(unhealthy="1x30 stale") | totals(pod="b", unhealthy="_x31 1x80"),
    ),
}  # fmt: skip


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
        "exp_annotations": {"summary": "A dashboards database is down.", "description": text},
    }
    check = [{"alertname": "DashdbDatabaseDown", "eval_time": "10m", "exp_alerts": [alert]}]
    series = {**database(labels=labels, up="0x120", ready="0x120"), **OPERATOR}
    run_test(tmp_path, series, alert_rule_test=check)


def test_promtool_finds_nothing_to_mend(tmp_path: Path) -> None:
    run_promtool(tmp_path, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")


def scraped() -> dict[str, set[str]]:
    """Label names by metric, of a database about which everything is known."""
    role = Role(leading=True, standby=False, leader="a", transitions=1)
    page = scrape(store_with("one"), role=lambda: role, shard=(1, 2))
    lines = re.findall(r"^(dashdb_\w+)(?:\{(.*)\})? ", page, re.MULTILINE)
    return {name: set(re.findall(r'(\w+)="', labels)) for name, labels in lines}


LABELS_OF = {
    "dashdb_build_info": {"version"},
    "dashdb_databases": {"state"},
    "dashdb_databases_near_connection_limit": set[str](),
    "dashdb_leader": set[str](),
    "dashdb_shard_info": {"shard"},
    "dashdb_shards": set[str](),
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


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for alert in alerts():
        assert alert["labels"]["severity"] in ("critical", "warning")
        assert set(alert["annotations"]) == {"summary", "description"}


def test_every_alert_is_seen_to_fire_here() -> None:
    fired = {alert for case in CASES.values() for alerts in case.firing.values() for alert in alerts}
    assert fired == {alert["alert"] for alert in alerts()}
