"""The operator's pages from a process that has nothing else to do: the floor of how fast they can be answered."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from benchmarks.beside import in_another_process
from controller.health.store import ReportStore
from controller.runtime.gc_tuning import keep_latency_low
from controller.runtime.log_format import LogFormat
from controller.runtime.logs import configure_logs
from controller.web.server import application, serving
from tests.unit.web.reports import DOWN, report

CHECK_SECONDS = 30.0
"""The default interval of a resource."""


def idle_pages(databases: int) -> AbstractContextManager[int]:
    """The port of a server whose pages tell of so many DATABASES, all of them down, each checked as by default."""
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
    """What the operator would put there after it looked at one that is down."""
    found = report(DOWN)
    assert found.sample is not None
    sample = replace(found.sample, taken_at=datetime.now(UTC))
    store.put(("team-a", f"hung-{number}"), replace(found, sample=sample))
