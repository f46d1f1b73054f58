"""Figures of a running operator: its requests to the API server, its pages, and the time that it takes to end."""

import time
from collections import Counter
from datetime import datetime

from benchmarks.footprint import LiveProbe
from benchmarks.parts import Parts
from tests.support.controlplane import of_an_account

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


def ready_now(parts: Parts) -> int:
    """Return how many databases the operator has seen ready since it began."""
    lines = parts.operator.get("/metrics")[1].splitlines()
    wanted = ('dashdb_databases{state="ready"}', 'dashdb_databases{state="degraded"}')
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith(wanted))


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
