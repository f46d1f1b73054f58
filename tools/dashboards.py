"""Dashboards of the operator's own metrics, for Perses and for Grafana, written from one table.

    python -m tools.dashboards [--check]

`make dashboards` writes manifests/monitoring/dashboards/, `make check` compares it. The metrics are explained in
docs/reference/metrics.md.
"""

import json
import sys
from dataclasses import dataclass
from enum import StrEnum
from string import ascii_uppercase
from typing import Any

import click

from tools.kustomize import ROOT

FOLDER = ROOT / "manifests" / "monitoring" / "dashboards"
NAME = "dashboard-database-operator"
TITLE = "Databases of dashboards"
DESCRIPTION = "State of all databases, and of the operator that looks after them."
COLUMNS = 24
"""Width of a row, in both programs."""
JOB = "$job"
"""Variable for the job under which Prometheus scrapes the operator."""
RATE = "$__rate_interval"
"""Both programs replace it by a span that has enough scrapes."""
GRAFANA_SCHEMA = 39
"""Version of the format of Grafana 10.4, which later releases read."""


class Kind(StrEnum):
    """Kind of panel; the value is its plugin in Perses."""

    STAT = "StatChart"
    LINES = "TimeSeriesChart"


class Unit(StrEnum):
    """Unit of the values; the value is its name in Perses."""

    NUMBER = "decimal"
    SECONDS = "seconds"
    PERCENT = "percent"
    BYTES = "bytes"


_GRAFANA_KIND = {Kind.STAT: "stat", Kind.LINES: "timeseries"}
_GRAFANA_UNIT = {Unit.NUMBER: "short", Unit.SECONDS: "s", Unit.PERCENT: "percent", Unit.BYTES: "bytes"}


@dataclass(frozen=True)
class Line:
    """Query of a panel, PromQL over `$job`.

    Attributes:
        legend: name of each line; labels in double braces.
        colour: of all its lines; None for one that the program chooses for each.
    """

    query: str
    legend: str = ""
    colour: str | None = None


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        key: name of the panel in its document.
        many: it has a line for each of several databases, whose names stand beside it.
        most: greatest value of the axis; None for that of the lines.
        width, height: in columns and rows.
        bad_above: value above which a stat is red; None where no value is bad.
    """

    key: str
    title: str
    description: str
    lines: tuple[Line, ...]
    kind: Kind = Kind.LINES
    unit: Unit = Unit.NUMBER
    many: bool = False
    most: int | None = None
    width: int = 12
    height: int = 8
    bad_above: float | None = None


def _stat(key: str, title: str, description: str, query: str, *, bad_above: float | None = None) -> Panel:
    return Panel(key, title, description, (Line(query),), Kind.STAT, width=4, height=4, bad_above=bad_above)


def _databases(states: str) -> str:
    return f'sum(dashdb_databases{{job=~"{JOB}", state=~"{states}"}})'


NOT_READY = "not_ready|unhealthy"
GOOD, BAD = "#2e7d32", "#d32f2f"
EACH = "{{namespace}}/{{name}}"
"""Name of a line of one database."""

PANELS = (
    _stat("ready", "Ready", "Connected, migrated, seeded and healthy.", _databases("ready")),
    _stat("degraded", "Degraded", "They serve users, slowly or nearly full.", _databases("degraded"), bad_above=0),
    _stat("not_ready", "Not ready", "kubectl dashdb status says why.", _databases(NOT_READY), bad_above=0),
    _stat("pending", "Migrations wait", "For an approval, a lock or a right.", _databases("pending"), bad_above=0),
    _stat("stale", "Not checked in time", "Nothing is known of these now.", _databases("stale"), bad_above=0),
    _stat("leaders", "Leaders", "One for each shard.", f'sum(dashdb_leader{{job=~"{JOB}"}})'),
    Panel(
        "states", "Databases by state", "Of all replicas together; a standby has none.",
        (
            Line(_databases("ready"), "ready", GOOD),
            Line(_databases("degraded"), "degraded", "#ed6c02"),
            Line(_databases(NOT_READY), "not ready", BAD),
            Line(_databases("pending"), "migrations wait", "#0072b2"),
            Line(_databases("stale"), "not checked in time", "#757575"),
        ),
    ),
    Panel(
        "which", "Databases that are not ready", "A line at 1 for as long as one is not ready.",
        (Line(f'dashdb_database_ready{{job=~"{JOB}"}} == bool 0 > 0', EACH),), many=True,
    ),
    Panel(
        "response", "Slowest answers", "Round trip of the last check, of the ten slowest databases.",
        (Line(f'topk(10, dashdb_database_response_seconds{{job=~"{JOB}"}})', EACH),), unit=Unit.SECONDS, many=True,
    ),
    Panel(
        "connections", "Connections in use", "Part of the limit of role, database or server; the ten fullest.",
        (
            Line(
                f'topk(10, 100 * dashdb_server_connections{{job=~"{JOB}"}}'
                f' / (dashdb_server_connections_limit{{job=~"{JOB}"}} > 0))',
                EACH,
            ),
        ),
        unit=Unit.PERCENT, many=True, most=100,
    ),
    Panel(
        "reconciles", "Reconciles per second", "By whether the database was ready afterwards.",
        tuple(
            Line(f'sum(rate(dashdb_reconciles_total{{job=~"{JOB}", result="{result}"}}[{RATE}]))', legend, colour)
            for result, legend, colour in (("ready", "ready", GOOD), ("not_ready", "not ready", BAD))
        ),
    ),
    Panel(
        "age", "Oldest check", "Time since the last check of the database that waits longest.",
        (Line(f'max(time() - dashdb_database_last_check_timestamp_seconds{{job=~"{JOB}"}})', "oldest"),),
        unit=Unit.SECONDS,
    ),
    Panel(
        "waiting", "Databases that wait for a connection", "The operator has as many on their server as it may.",
        (Line(f'sum(dashdb_databases_waiting_for_connection{{job=~"{JOB}"}})', "waiting"),),
    ),
    Panel(
        "wait", "Longest wait for a connection", "Of those that wait at this moment; an alert fires above 30 s.",
        (Line(f'max(dashdb_connection_longest_wait_seconds{{job=~"{JOB}"}})', "longest"),), unit=Unit.SECONDS,
    ),
    Panel(
        "watch", "Watches begun anew", "In the last 5 minutes: the API server ended one, or it had missed something.",
        (Line(f'increase(dashdb_watch_restarts_total{{job=~"{JOB}"}}[5m])', "{{instance}}"),),
    ),
    Panel(
        "refused", "Statuses refused", "In the last 5 minutes: the API server did not store them.",
        (Line(f'increase(dashdb_status_writes_refused_total{{job=~"{JOB}"}}[5m])', "{{instance}}"),),
    ),
    Panel(
        "memory", "Memory of the operator", "Resident memory of each replica.",
        (Line(f'process_resident_memory_bytes{{job=~"{JOB}"}}', "{{instance}}"),), unit=Unit.BYTES,
    ),
    Panel(
        "cpu", "CPU of the operator", "Cores in use by each replica; a process uses one at most.",
        (Line(f'rate(process_cpu_seconds_total{{job=~"{JOB}"}}[{RATE}])', "{{instance}}"),),
    ),
    Panel(
        "transitions", "Changes of the leader", "How often the Lease passed to another replica.",
        (Line(f'max(dashdb_lease_transitions_total{{job=~"{JOB}"}})', "changes"),),
    ),
    Panel(
        "releases", "Replicas by release", "Two lines during an update.",
        (Line(f'count by (version) (dashdb_build_info{{job=~"{JOB}"}})', "{{version}}"),),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Place of a panel, in columns and rows from the upper left corner."""

    panel: Panel
    x: int
    y: int


def placed() -> list[Place]:
    """Return the panels row by row, without holes."""
    places, x, y = [], 0, 0
    for panel in PANELS:
        places.append(Place(panel, x, y))
        x += panel.width
        if x == COLUMNS:
            x, y = 0, y + panel.height
    return places


def perses() -> dict[str, Any]:
    """Return the dashboard as Perses has it; `percli apply -f` takes it."""
    job = {
        "kind": "ListVariable",
        "spec": {
            "name": "job",
            "display": {"name": "Job", "description": "Job that scrapes the operator.", "hidden": False},
            "defaultValue": "$__all",
            "allowAllValue": True,
            "allowMultiple": True,
            "customAllValue": ".*",
            "plugin": {
                "kind": "PrometheusLabelValuesVariable",
                "spec": {"labelName": "job", "matchers": ["dashdb_build_info"]},
            },
        },
    }
    items = [
        {
            "x": each.x, "y": each.y, "width": each.panel.width, "height": each.panel.height,
            "content": {"$ref": f"#/spec/panels/{each.panel.key}"},
        }
        for each in placed()
    ]  # fmt: skip
    return {
        "kind": "Dashboard",
        "metadata": {"name": NAME, "project": "dashdb"},
        "spec": {
            "display": {
                "name": TITLE,
                "description": DESCRIPTION,
            },
            "duration": "1h",
            "refreshInterval": "30s",
            "variables": [job],
            "panels": {panel.key: _perses_panel(panel) for panel in PANELS},
            "layouts": [{"kind": "Grid", "spec": {"items": items}}],
        },
    }


def _perses_panel(panel: Panel) -> dict[str, Any]:
    shown: dict[str, Any] = {"format": {"unit": panel.unit.value}}
    if panel.kind is Kind.STAT:
        spec: dict[str, Any] = {"calculation": "last-number", **shown}
        if panel.bad_above is not None:
            steps = [{"value": panel.bad_above + 0.001, "color": BAD}]
            spec["thresholds"] = {"mode": "absolute", "defaultColor": GOOD, "steps": steps}
    else:
        most = {} if panel.most is None else {"max": panel.most}
        spec = {
            "legend": {"position": "right" if panel.many else "bottom", "mode": "list", "size": "small"},
            "yAxis": {"show": True, "min": 0, **most, **shown},
        }
        colours = [
            {"queryIndex": index, "colorMode": "fixed-single", "colorValue": line.colour}
            for index, line in enumerate(panel.lines)
            if line.colour is not None
        ]
        if colours:
            spec["querySettings"] = colours
    return {
        "kind": "Panel",
        "spec": {
            "display": {"name": panel.title, "description": panel.description},
            "plugin": {"kind": panel.kind.value, "spec": spec},
            "queries": [_perses_query(line) for line in panel.lines],
        },
    }


def _perses_query(line: Line) -> dict[str, Any]:
    query = {"query": line.query, **({"seriesNameFormat": line.legend} if line.legend else {})}
    return {"kind": "TimeSeriesQuery", "spec": {"plugin": {"kind": "PrometheusTimeSeriesQuery", "spec": query}}}


def grafana() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it; it asks for the data source."""
    source = {"type": "prometheus", "uid": "${datasource}"}
    variables = [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1},
        {
            "name": "job", "label": "Job", "type": "query", "datasource": source, "refresh": 2, "multi": True,
            "includeAll": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"},
            "query": {"query": "label_values(dashdb_build_info, job)", "refId": "job"},
        },
    ]  # fmt: skip
    return {
        "uid": NAME,
        "title": TITLE,
        "description": DESCRIPTION,
        "schemaVersion": GRAFANA_SCHEMA,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": variables},
        "panels": [_grafana_panel(number, each, source) for number, each in enumerate(placed(), start=1)],
    }


def _grafana_panel(number: int, place: Place, source: dict[str, str]) -> dict[str, Any]:
    panel = place.panel
    defaults: dict[str, Any] = {"unit": _GRAFANA_UNIT[panel.unit], "min": 0}
    if panel.most is not None:
        defaults["max"] = panel.most
    if panel.bad_above is not None:
        steps: list[dict[str, Any]] = [
            {"color": "green", "value": None},
            {"color": "red", "value": panel.bad_above + 0.001},
        ]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    targets = [
        {
            "datasource": source,
            "expr": line.query,
            "legendFormat": line.legend or "__auto",
            "refId": letter,
        }
        for letter, line in zip(ascii_uppercase, panel.lines, strict=False)
    ]
    overrides = [
        {
            "matcher": {"id": "byName", "options": line.legend},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": line.colour}}],
        }
        for line in panel.lines
        if line.colour is not None
    ]
    made: dict[str, Any] = {
        "id": number,
        "type": _GRAFANA_KIND[panel.kind],
        "title": panel.title,
        "description": panel.description,
        "datasource": source,
        "gridPos": {"x": place.x, "y": place.y, "w": panel.width, "h": panel.height},
        "fieldConfig": {"defaults": defaults, "overrides": overrides},
        "targets": targets,
    }
    if panel.many:
        made["options"] = {"legend": {"displayMode": "list", "placement": "right", "showLegend": True}}
    return made


def files() -> dict[str, str]:
    """Return the text of each file by its name."""
    return {
        f"{name}.json": json.dumps(made, indent=2) + "\n"
        for name, made in (("perses", perses()), ("grafana", grafana()))
    }


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; end with 1 if a file would change.")
def main(*, check: bool) -> None:
    """Write the dashboards."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in files().items():
        file = FOLDER / name
        if check and (not file.exists() or file.read_text() != text):
            sys.exit(f"{file.relative_to(ROOT)} is not what tools/dashboards.py says: run make dashboards")
        if not check:
            file.write_text(text)


if __name__ == "__main__":
    main()
