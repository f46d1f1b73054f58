"""Pages of the operator from a process that does nothing else: the floor of the response times."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from benchmarks.other_process import in_another_process
from controller.health.store import ReportStore
from controller.runtime.gc_tuning import keep_latency_low
from controller.runtime.log_format import LogFormat
from controller.runtime.logs import configure_logs
from controller.web.server import application, serving
from tests.unit.web.reports import DOWN, report

CHECK_SECONDS = 30.0
"""The default interval of a resource."""


def idle_pages(databases: int) -> AbstractContextManager[int]:
    """Return a context manager that serves pages about DATABASES that are all down; it yields the port."""
    return in_another_process(_pages, databases)


@asynccontextmanager
async def _pages(databases: int) -> AsyncIterator[int]:
    configure_logs(LogFormat.JSON, "warning")
    store = ReportStore()
    for number in range(databases):
        _check(store, number)
    async with (
        serving(application(store, lambda: None, version="1"), "127.0.0.1", 0) as port,
        asyncio.TaskGroup() as group,
    ):
        keep_latency_low()
        checking = group.create_task(_check_in_turn(store, databases))
        yield port
        checking.cancel()


async def _check_in_turn(store: ReportStore, databases: int) -> None:
    for number in itertools.cycle(range(databases)):
        await asyncio.sleep(CHECK_SECONDS / databases)
        _check(store, number)


def _check(store: ReportStore, number: int) -> None:
    """Store a report as the operator does after it checked a database that is down."""
    found = report(DOWN)
    assert found.sample is not None
    sample = replace(found.sample, taken_at=datetime.now(UTC))
    store.put(("team-a", f"hung-{number}"), replace(found, sample=sample))
