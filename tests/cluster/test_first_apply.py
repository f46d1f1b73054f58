"""The first `kubectl apply`: the resource becomes Ready, and the database is complete."""

import re
from collections.abc import Callable
from pathlib import Path

from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until
from tests.support.resources import Namespace
from tests.support.serving import OperatorProcess

TABLES = [
    "audit_log", "audit_log_from_start", "dashboard", "dashboard_template", "schema_version", "schema_version_detail",
    "share_token", "user_preferences",
]  # fmt: skip


def test_a_fresh_database_becomes_ready(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
) -> None:
    apply()
    team.wait_for("perses", "Ready", "True")

    status = team.get("perses")["status"]
    assert {c["type"]: c["status"] for c in status["conditions"]} == {
        "Ready": "True",
        "Connected": "True",
        "SchemaCurrent": "True",
        "TemplatesSeeded": "True",
        "Healthy": "True",
        "Reconciling": "False",
        "Stalled": "False",
    }
    assert status["observedGeneration"] == 1
    assert status["schema"] == {"current": 1, "target": 1, "pending": 0, "dirty": False}
    assert [t["state"] for t in status["templates"]] == ["Current"] * 4
    assert status["server"]["version"].startswith(f"{postgres.release}.")
    listed = postgres.psql(database, args=("-At",), sql="SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert sorted(listed.split()) == TABLES


def test_a_resource_that_no_operator_has_looked_at_says_so(team: Namespace, apply: Callable[..., None]) -> None:
    apply()
    status = team.get("perses")["status"]
    assert [(c["type"], c["status"], c["reason"]) for c in status["conditions"]] == [
        ("Ready", "Unknown", "NotObserved"),
        ("Reconciling", "True", "NotObserved"),
    ]
    assert "observedGeneration" not in status


def test_one_line_says_whether_it_is_fine(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None]
) -> None:
    apply()
    team.wait_for("perses", "Ready", "True")
    header, line = team.cluster.kubectl("get", "ddb", "-n", team.name).stdout.splitlines()
    assert header.split() == ["NAME", "READY", "REASON", "SCHEMA", "HEALTH", "AGE"]
    assert line.split()[:5] == ["perses", "True", "Ready", "1", "Healthy"]


def test_events_tell_the_story(operator: OperatorProcess, team: Namespace, apply: Callable[..., None]) -> None:
    apply()
    team.wait_for("perses", "Ready", "True")
    wait_until(lambda: len(team.events()) == 3, what="three events", seconds=10)
    assert [(e["type"], e["reason"]) for e in team.events()] == [
        ("Normal", "SchemaMigrated"),
        ("Normal", "TemplatesWritten"),
        ("Normal", "Ready"),
    ]
    described = team.cluster.kubectl("describe", "ddb", "perses", "-n", team.name).stdout
    events = described[described.index("Events:") :]
    assert re.findall(r"^ +Normal +(\w+)", events, re.MULTILINE) == ["SchemaMigrated", "TemplatesWritten", "Ready"]


def test_one_apply_costs_one_write_of_the_status(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None]
) -> None:
    apply()
    team.wait_for("perses", "Ready", "True")
    wait_until(lambda: len(team.events()) == 3, what="three events", seconds=10)
    writes = team.writes()
    assert [write for write in writes if write[1].startswith("dashboarddatabases")] == [
        ("patch", "dashboarddatabases/status")
    ]
    assert writes.count(("create", "events")) == 3
    assert len(writes) == 4


def test_the_endpoints_know_the_database(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None]
) -> None:
    apply()
    team.wait_for("perses", "Ready", "True")
    here = f"{team.name}/perses"
    assert operator.get_json("/live") == {"alive": True}
    assert operator.get_json("/ready") == {"ready": True}
    assert operator.get_json(f"/ready/{here}") == {"ready": True}
    for path in ("/api/v1/health", f"/api/v1/health/{here}"):
        health = operator.get_json(path)
        assert health["status"] == "healthy"
        assert health["checks"]["database"]["status"] == "pass"
        assert health["checks"]["database"]["response_time_ms"] > 0
    flat = operator.get_json(f"/metrics/health/{here}")
    assert flat["database_healthy"] is True
    assert flat["database_open_connections"] == 1
    assert operator.get(f"/ready/{team.name}/nobody")[0] == 404
    assert here in operator.get("/")[1]
    assert f'dashdb_database_ready{{name="perses",namespace="{team.name}"}} 1.0' in operator.get("/metrics")[1]


def test_metrics_show_totals_alone_where_that_was_asked_for(
    account: Path, team: Namespace, apply: Callable[..., None], tmp_path: Path
) -> None:
    options = ("--no-metrics-per-database",)
    with OperatorProcess(account, tmp_path / "operator.log", namespace=team.name, options=options) as operator:
        apply()
        wait_until(
            lambda: 'dashdb_databases{state="ready"} 1.0' in operator.get("/metrics")[1],
            what="the database is counted as ready",
            seconds=30,
        )
        assert team.name not in operator.get("/metrics")[1]
