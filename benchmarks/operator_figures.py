"""Figures of a running operator: its requests to the API server, its pages, and the time that it takes to end."""

import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from benchmarks.footprint import MEBIBYTE, LiveProbe
from benchmarks.parts import Parts
from tests.support.controlplane import of_an_account
from tests.support.processes import wait_until

INTERVAL_SECONDS = 30
"""The default interval between two checks of a resource."""
PAGES = 5
READS = frozenset({"get", "list", "watch"})


def calls(parts: Parts, since: datetime) -> tuple[int, int]:
    """Return the operator's reads and writes of the API server from SINCE on; its audit log knows all of them."""
    verbs = Counter(
        event["verb"]
        for event in parts.cluster.audit_events(since)
        if of_an_account(event) and event["stage"] == "ResponseComplete"
    )
    reads = sum(count for verb, count in verbs.items() if verb in READS)
    return reads, verbs.total() - reads


def answering_now(parts: Parts) -> int:
    """Return how many databases have answered the operator's last check; none before its first one.

    Not from `/metrics`: with a thousand databases, to write that twice a second takes half of the operator's core.
    """
    counts = parts.operator.get_json("/api/v1/health").get("databases", {})
    return sum(counts.get(state, 0) for state in ("healthy", "degraded"))


def pages(parts: Parts) -> tuple[float, int, float]:
    """Return milliseconds and bytes of the slowest of some pages of metrics, and of the slowest `/live` meanwhile."""
    probe = LiveProbe(parts.operator.port)
    probe.start()
    milliseconds, size = [], 0
    for _ in range(PAGES):
        time.sleep(1.5)  # an older page is not written anew before
        started = time.perf_counter()
        size = len(parts.operator.get("/metrics")[1])
        milliseconds.append((time.perf_counter() - started) * 1000)
    return max(milliseconds), size, max(probe.stop())


def stopped(parts: Parts) -> float:
    """Return the seconds from SIGTERM to the end of the operator."""
    started = time.monotonic()
    parts.operator.stop()
    return time.monotonic() - started


def at_rest(parts: Parts, seconds: int) -> dict[str, Any]:
    """Observe for SECONDS what the operator does with nothing to do."""
    since, cpu = datetime.now(UTC), parts.operator.cpu_seconds
    time.sleep(seconds)
    used = parts.operator.cpu_seconds - cpu
    memory = parts.operator.resident_bytes / MEBIBYTE
    reads, writes = calls(parts, since)
    figures = {"idle_cpu": used / seconds * 100, "reads": reads / seconds, "writes": writes, "memory_idle": memory}
    milliseconds, size, live = pages(parts)
    return {**figures, "metrics": milliseconds, "metrics_bytes": size / 1e6, "live_most": live}


def wait_until_answering(parts: Parts, expected: int, count: int) -> None:
    """Wait until EXPECTED of COUNT databases have answered the operator's last check."""
    # To ask costs the operator more with more databases, so it is asked as much less often.
    interval = max(0.5, count / 2000)
    what = f"{expected} of {count} have answered"
    wait_until(lambda: answering_now(parts) == expected, what=what, seconds=120 + count, interval=interval)


def came_back(parts: Parts, count: int) -> float:
    """Stop the servers until no database answers, and start them; return the seconds until all answer again."""
    for server in parts.servers:
        server.stop()
    wait_until_answering(parts, 0, count)
    started = time.monotonic()
    for server in parts.servers:
        server.start()
    wait_until_answering(parts, count, count)
    return time.monotonic() - started


def restarted(parts: Parts, count: int, settle: int) -> dict[str, Any]:
    """Stop the operator and start it, and wait until it has seen all COUNT databases."""
    ending = stopped(parts)
    since, started = datetime.now(UTC), time.monotonic()
    parts.operator.start()
    wait_until_answering(parts, count, count)
    restart = time.monotonic() - started
    time.sleep(settle)  # what a slow first look makes it write, it takes back with the second
    figures = {"restart": restart, "restart_writes": calls(parts, since)[1]}
    memory = parts.operator.resident_bytes / MEBIBYTE
    return {**figures, "memory_restart": memory, "stop": ending}


def shown(value: object, form: str) -> str:
    """Return a figure as a table shows it; counts by name are one line each."""
    if isinstance(value, dict):
        return "\n".join(f"{key} {count}" for key, count in sorted(value.items()))
    return form.format(value)
