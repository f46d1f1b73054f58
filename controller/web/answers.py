"""JSON bodies of the endpoints. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from controller.database.pool.values import PoolStatistics
from controller.health.report import Key, Report
from controller.health.role import Role
from controller.health.verdict import Health, Sample
from controller.text import one_line

_CHECK = {Health.HEALTHY: "pass", Health.DEGRADED: "warn", Health.UNHEALTHY: "fail"}
_NO_POOL = PoolStatistics(max_open=0, open=0, in_use=0, idle=0, wait_count=0, wait_seconds=0.0, opened=0, closed={})
MOST_PROBLEMS = 100
"""Most databases in the list of those that are not healthy; the counts are those of all."""
_MOST_NAMED = 3
_WORST = (Health.UNHEALTHY, Health.DEGRADED, Health.HEALTHY)


def health(reports: Sequence[Report], *, now: datetime, version: str) -> dict[str, Any]:
    """Return the body of `/api/v1/health`: of one database, or of all taken together."""
    status = _worst(reports)
    worst = next((r for r in reports if r.verdict.health is status), None)
    samples = _samples(reports)
    response = max((s.response_ms for s in samples if s.response_ms is not None), default=None)
    check: dict[str, Any] = {"status": _CHECK[status], "details": _details(samples)}
    if response is not None:
        check["response_time_ms"] = round(response, 3)
    if worst is not None and worst.verdict.warning is not None:
        if status is Health.DEGRADED:
            check["details"]["warning"] = one_line(worst.verdict.warning)
        else:
            check["error"] = one_line(worst.verdict.warning)
    return {
        "status": status.value,
        "timestamp": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "version": version,
        "checks": {"database": check},
    }


def health_of_all(reports: Mapping[Key, Report], *, now: datetime, version: str) -> dict[str, Any]:
    """Return the body of `/api/v1/health` of several databases: the same, with how many are in which state, and why.

    The error or warning names the first of the worst; `databases.problems` has the first MOST_PROBLEMS of all.
    """
    body = health(list(reports.values()), now=now, version=version)
    bad = {key: report for key, report in reports.items() if report.verdict.health is not Health.HEALTHY}
    worst_first = sorted(bad.items(), key=lambda item: _WORST.index(item[1].verdict.health))
    counts = Counter(report.verdict.health for report in reports.values())
    body["databases"] = {
        **{state.value: counts[state] for state in reversed(_WORST)},
        "problems": [_problem(key, report) for key, report in worst_first[:MOST_PROBLEMS]],
    }
    if worst_first:
        state = worst_first[0][1].verdict.health
        named = [f"{full_name(k)} ({r.verdict.reason})" for k, r in worst_first if r.verdict.health is state]
        more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
        text = f"{len(named)} of {len(reports)} databases {state.value}: {', '.join(named[:_MOST_NAMED])}{more}."
        check = body["checks"]["database"]
        if state is Health.DEGRADED:
            check["details"]["warning"] = text
        else:
            check["error"] = text
    return body


def _problem(key: Key, report: Report) -> dict[str, str]:
    verdict = report.verdict
    return {
        "database": full_name(key),
        "status": verdict.health.value,
        "reason": verdict.reason,
        "message": one_line(verdict.warning or ""),
    }


def flat(reports: Sequence[Report]) -> dict[str, Any]:
    """Return the body of `/metrics/health`: the same as flat numbers; what is not known is 0."""
    samples = _samples(reports)
    pools = [s.pool for s in samples]
    return {
        "database_healthy": _worst(reports) is not Health.UNHEALTHY,
        "database_response_time_seconds": max((s.response_ms or 0.0 for s in samples), default=0.0) / 1000,
        "database_open_connections": sum(p.open for p in pools),
        "database_in_use_connections": sum(p.in_use for p in pools),
        "database_utilization_percent": _utilization(samples),
        "database_wait_count": sum(p.wait_count for p in pools),
        "database_wait_duration_seconds": sum(p.wait_seconds for p in pools),
    }


def health_check_response(reports: Mapping[Key, Report], *, version: str) -> dict[str, Any]:
    """Return the body of `/api/v1/health` as `application/health+json`: an entry for each database and measurement.

    https://datatracker.ietf.org/doc/html/draft-inadarei-api-health-check-06; only there, 503 is the status of `fail`.
    """
    checks: dict[str, list[dict[str, Any]]] = {}
    for key, report in reports.items():
        about = {"componentId": full_name(key), "componentType": "datastore"}
        entry: dict[str, Any] = {**about, "status": _CHECK[report.verdict.health]}
        if report.verdict.warning is not None:
            entry["output"] = one_line(report.verdict.warning)
        sample = report.sample
        if sample is not None:
            about["time"] = entry["time"] = f"{sample.taken_at:%FT%TZ}"
            utilization: dict[str, Any] = {
                "observedValue": round(sample.utilization_percent, 1),
                "observedUnit": "percent",
            }
            checks.setdefault("database:utilization", []).append({**about, **utilization})
        if sample is not None and sample.response_ms is not None:
            entry |= {"observedValue": round(sample.response_ms, 3), "observedUnit": "ms"}
        checks.setdefault("database:responseTime", []).append(entry)
    return {"status": _CHECK[_worst(list(reports.values()))], "version": version, "checks": checks}


def standby_health(role: Role, *, now: datetime, version: str) -> dict[str, Any]:
    """Return the body of `/api/v1/health` of a standby, which knows no database: neither healthy nor unhealthy."""
    moment = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    return {"status": "standby", "leader": role.leader, "timestamp": moment, "version": version, "checks": {}}


def standby_health_response(role: Role, *, version: str) -> dict[str, Any]:
    """Return the same as `application/health+json`, in which a standby passes, since it stands by."""
    return {"status": "pass", "version": version, "checks": {}, "notes": [standby(role)]}


def standby(role: Role) -> str:
    """Return that a replica is the standby, in words."""
    leads = f"{role.leader} leads" if role.leader else "nobody leads at the moment"
    return f"This replica is the standby and observes no database; {leads}."


def ready(report: Report) -> dict[str, Any]:
    """Return the body of `/ready` of one database."""
    if report.ready:
        return {"ready": True}
    return {"ready": False, "reason": one_line(f"{report.reason}: {report.message}")}


def full_name(key: Key) -> str:
    """Return `namespace/name`, or the name alone in the sidecar."""
    return "/".join(part for part in key if part)


def _details(samples: Sequence[Sample]) -> dict[str, Any]:
    pools = [s.pool for s in samples] or [_NO_POOL]
    details: dict[str, Any] = {
        "open_connections": sum(p.open for p in pools),
        "idle_connections": sum(p.idle for p in pools),
        "in_use_connections": sum(p.in_use for p in pools),
        "wait_count": sum(p.wait_count for p in pools),
        "utilization_percent": _utilization(samples),
    }
    if samples:
        details["checked_at"] = f"{min(s.taken_at for s in samples):%FT%TZ}"
    if len(samples) == 1 and samples[0].server_connection_limit is not None:
        details["server_connections"] = samples[0].server_connections
        details["server_connection_limit"] = samples[0].server_connection_limit
    return details


def _samples(reports: Sequence[Report]) -> list[Sample]:
    return [report.sample for report in reports if report.sample is not None]


def _utilization(samples: Sequence[Sample]) -> float:
    return round(max((s.utilization_percent for s in samples), default=0.0), 1)


def _worst(reports: Sequence[Report]) -> Health:
    seen = {report.verdict.health for report in reports}
    return next((h for h in _WORST if h in seen), Health.HEALTHY)
