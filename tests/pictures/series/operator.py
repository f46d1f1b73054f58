"""The operator with its standby and eight databases, of which one is down for a while and another gets slow."""

import math
from collections.abc import Iterator

from controller.web.totals import STATES
from tests.pictures.series.shapes import (
    MIB,
    START,
    TIMES,
    Series,
    Values,
    counter,
    during,
    scaled,
    steady,
    summed,
    wander,
)

JOB = "dashboard-database-operator"
LEADER = {"job": JOB, "pod": "dashboard-database-operator-7d4c9b5f66-k8mzq", "instance": "10.128.2.17:8080"}
STANDBY = {"job": JOB, "pod": "dashboard-database-operator-7d4c9b5f66-xw2rt", "instance": "10.129.0.44:8080"}
NAMESPACES = ("assistants", "fraud", "pricing", "ranking", "research", "search", "shop", "vision")
"""Namespaces of the databases, each of which is called `perses`."""
BROKEN, DOWN = "pricing", (18.0, 29.0)
"""The database that is down, and the minutes in which it is."""
STARVED, SLOW = "search", (41.0, math.inf)
"""The database that is slow, since its connections are nearly all taken, and the minutes in which it is."""
OUTAGE = (24.0, 26.0)
"""Minutes in which the API server restarts."""

MIGRATIONS = (5.0, 7.5)
"""Minutes in which migrations take all connections to a server, and other databases wait."""


def series() -> Iterator[Series]:
    """Give all series of both replicas."""
    for number, namespace in enumerate(NAMESPACES):
        yield from _database(namespace, level=number)
    yield from _totals()
    for replica, leads in ((LEADER, 1), (STANDBY, 0)):
        yield Series("dashdb_build_info", {**replica, "version": "0.1.0"}, steady(1))
        yield Series("dashdb_leader", replica, steady(leads))
        yield Series("dashdb_lease_transitions_total", replica, steady(2))
        yield Series("dashdb_watch_restarts_total", replica, counter(_between(OUTAGE, 1 / 60)))
        memory, cores = (96 * MIB, 0.06) if leads else (71 * MIB, 0.02)
        name = replica["pod"]
        yield Series("process_resident_memory_bytes", replica, wander(f"{name} memory", memory, 0.02))
        yield Series("process_cpu_seconds_total", replica, counter(wander(f"{name} cpu", cores)))


def _between(minutes: tuple[float, float], value: float) -> Values:
    """Return VALUE between two minutes, and 0 before and after."""
    return during(steady(value), *minutes, otherwise=0.0)


def _waited_since(minutes: tuple[float, float]) -> Values:
    """Return the seconds since the first of two minutes, until the last; 0 before and after."""
    first, last = (START + 60 * minute for minute in minutes)
    return [time - first if first <= time < last else 0.0 for time in TIMES]


def _database(namespace: str, level: int) -> Iterator[Series]:
    labels = {**LEADER, "namespace": namespace, "name": "perses"}
    down = _between(DOWN if namespace == BROKEN else (0, 0), 1)
    slow = _between(SLOW if namespace == STARVED else (0, 0), 1)
    answers = [math.nan if value else 1.0 for value in down]
    response = summed(wander(f"{namespace} response", 0.002 + 0.0004 * level), scaled(slow, 0.13))
    taken = summed(wander(f"{namespace} taken", 12 + 3 * level, 0.1), scaled(slow, 60))
    yield Series("dashdb_database_ready", labels, [1 - value for value in down])
    yield Series("dashdb_database_response_seconds", labels, _times(response, answers))
    yield Series("dashdb_server_connections", labels, _times([float(round(value)) for value in taken], answers))
    yield Series("dashdb_server_connections_limit", labels, _times(steady(97), answers))
    age = wander(f"{namespace} age", 15, 0.6)
    checked = [time - seconds for time, seconds in zip(TIMES, age, strict=True)]
    yield Series("dashdb_database_last_check_timestamp_seconds", labels, checked)


def _times(one: Values, other: Values) -> Values:
    return [left * right for left, right in zip(one, other, strict=True)]


def _totals() -> Iterator[Series]:
    unhealthy, degraded = _between(DOWN, 1), _between(SLOW, 1)
    ready = [len(NAMESPACES) - sum(others) for others in zip(unhealthy, degraded, strict=True)]
    known = {"ready": ready, "unhealthy": unhealthy, "degraded": degraded}
    for state in STATES:
        yield Series("dashdb_databases", {**LEADER, "state": state}, known.get(state, steady(0)))
        yield Series("dashdb_databases", {**STANDBY, "state": state}, steady(0))
    each = len(NAMESPACES) / 30
    failed = _between(DOWN, each / len(NAMESPACES))
    succeeded = summed(wander("reconciles", each, 0.05), scaled(failed, -1))
    for result, rates in (("ready", succeeded), ("not_ready", failed)):
        yield Series("dashdb_reconciles_total", {**LEADER, "result": result}, counter(rates))
    yield Series("dashdb_status_writes_refused_total", LEADER, counter(_between(OUTAGE, 1 / 30)))
    yield Series("dashdb_databases_waiting_for_connection", LEADER, _between(MIGRATIONS, 3))
    yield Series("dashdb_connection_longest_wait_seconds", LEADER, _waited_since(MIGRATIONS))
