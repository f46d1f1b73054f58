"""The watch of the resources begins anew, whatever ends it."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from controller.health.store import ReportStore
from controller.operator import work as module
from controller.operator.settings import OperatorSettings
from controller.operator.work import Work
from controller.runtime.backoff import Backoff
from controller.runtime.signals import StopSignal


class Refused(Exception):
    status = 404


class Watch:
    """Stands in for kopf: its first runs end with an error, later ones when they are asked to."""

    def __init__(self, failing: int = 0) -> None:
        self.runs = 0
        self.failing = failing
        self.began = asyncio.Event()

    async def run(self, _supervisor: Any, ending: asyncio.Event) -> None:
        self.runs += 1
        if self.runs <= self.failing:
            raise Refused
        self.began.set()
        await ending.wait()


@pytest.fixture
def work() -> Work:
    settings = OperatorSettings((), None, None, Path())
    return Work(settings, cast("Any", None), cast("Any", None), ReportStore(), lambda: (), StopSignal())


async def until_ended(work: Work, watch: Watch, monkeypatch: pytest.MonkeyPatch, *, misses: int = 0) -> None:
    """Watch until WATCH runs without an error, let it miss something MISSES times, and end it."""
    monkeypatch.setattr(Work, "_run_kopf", watch.run)
    monkeypatch.setattr(module, "API_BACKOFF", Backoff(first=0.0, longest=0.0, jitter=0.0))
    missing = asyncio.Event()
    async with asyncio.timeout(5), work._watching(cast("Any", None), missing):
        for _ in range(misses):
            await watch.began.wait()
            watch.began.clear()
            missing.set()
        await watch.began.wait()


async def test_the_watch_begins_anew_after_errors_and_ends_when_it_is_asked_to(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(failing=3)
    await until_ended(work, watch, monkeypatch)
    assert (watch.runs, work.store.watch_restarts) == (4, 3)


async def test_a_watch_that_misses_changes_begins_anew(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch()
    await until_ended(work, watch, monkeypatch, misses=2)
    assert (watch.runs, work.store.watch_restarts) == (3, 2)
