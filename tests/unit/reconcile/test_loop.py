"""The loop goes on whatever happens around a reconcile, and never rolls a migration back for it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NoReturn

import pytest

from controller.desired import Desired
from controller.errors import ConfigurationError, DashdbError, DatabaseUnavailable, Superseded
from controller.health.store import ReportStore
from controller.reconcile import loop as module
from controller.reconcile import monitor
from controller.reconcile.findings import READY
from controller.reconcile.loop import ReconcileLoop
from controller.reconcile.memory import Memory
from controller.reconcile.observe import unreachable
from controller.reconcile.result import Event, MigrationProgress, ReconcileResult
from controller.reconcile.turns import Turns
from controller.runtime.backoff import Backoff
from tests.unit.reconcile.observations import desired

KEY = ("team-a", "perses")


class ScriptedAdapter:
    """An asker whose answers a test sets."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.desired: Desired | DashdbError | None = desired(interval_seconds=0.01)
        self.wanted = True
        self.mended = False
        self.ready_since: datetime | None = None
        self.rejections: list[str] = []
        self.reject_with: list[Exception] = []
        self.progress: list[str] = []
        self.results: asyncio.Queue[ReconcileResult] = asyncio.Queue()

    async def read_desired(self, *, due: bool) -> Desired | None:
        if isinstance(self.desired, DashdbError):
            raise self.desired
        return self.desired

    def still_wanted(self, *, dialling: bool = False) -> bool:
        return self.wanted

    async def inputs_changed(self) -> bool:
        return self.mended

    def unchanged_since(self, *, ready: bool) -> datetime | None:
        return self.ready_since if ready else None

    def is_ready(self, result: ReconcileResult) -> bool:
        return result.ready

    async def report(self, result: ReconcileResult) -> None:
        self.results.put_nowait(result)

    async def report_progress(self, progress: MigrationProgress) -> None:
        self.progress.append(progress.message)
        raise ValueError

    async def reject(self, error: ConfigurationError) -> None:
        self.rejections.append(error.reason)
        if self.reject_with:
            raise self.reject_with.pop(0)


@pytest.fixture
def adapter() -> ScriptedAdapter:
    return ScriptedAdapter()


@asynccontextmanager
async def running(adapter: ScriptedAdapter, store: ReportStore | None = None) -> AsyncIterator[asyncio.Task[None]]:
    loop = ReconcileLoop(adapter, key=KEY, store=store or ReportStore(), migrations=lambda: (), turns=Turns())
    task = asyncio.create_task(loop.run())
    try:
        async with asyncio.timeout(10):
            yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what it waits for is a count
        await asyncio.sleep(0.005)


async def test_it_ends_when_nobody_asks_for_the_database_any_more(adapter: ScriptedAdapter) -> None:
    adapter.desired = None
    async with running(adapter) as task:
        await task


@pytest.mark.parametrize("first", [DatabaseUnavailable("away"), ValueError("broken")])
async def test_a_rejection_that_could_not_be_reported_is_reported_soon_again(
    adapter: ScriptedAdapter, monkeypatch: pytest.MonkeyPatch, first: Exception
) -> None:
    monkeypatch.setattr(module, "ADAPTER_BACKOFF", Backoff(0.01, 0.01))
    adapter.desired = ConfigurationError("wrong", reason="SpecInvalid")
    adapter.reject_with = [first]
    async with running(adapter):
        await until(lambda: len(adapter.rejections) == 2)
        await asyncio.sleep(0.05)
        assert adapter.rejections == ["SpecInvalid", "SpecInvalid"], "and then no more"


async def test_faults_beside_a_migration_do_not_roll_it_back(
    adapter: ScriptedAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks, cancelled, over = 0, 0, asyncio.Event()

    async def check(*_: Any) -> NoReturn:
        nonlocal checks
        checks += 1
        raise ValueError

    async def reconcile(_: Any, __: Any, dependencies: Any, memory: Memory, **___: Any) -> NoReturn:
        nonlocal cancelled
        dependencies.on_progress(MigrationProgress("Running V002.", 0.0, waits=True))
        try:
            await over.wait()
        except asyncio.CancelledError:
            cancelled += 1
            raise
        raise DatabaseUnavailable("over")

    monkeypatch.setattr(monitor, "PROGRESS_SECONDS", 0.01)
    monkeypatch.setattr(monitor, "NOTICE_SECONDS", 0.01)
    monkeypatch.setattr(monitor, "check", check)
    monkeypatch.setattr(module, "reconcile", reconcile)
    async with running(adapter):
        await until(lambda: checks >= 3 and len(adapter.progress) >= 3)
        assert cancelled == 0
        over.set()


async def test_a_reconcile_that_has_changed_nothing_ends_once_something_else_is_asked_for(
    adapter: ScriptedAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = 0, 0

    async def reconcile(*_: Any, **__: Any) -> NoReturn:
        nonlocal begun, ended
        begun += 1
        adapter.wanted = begun > 1
        try:
            await asyncio.Event().wait()
        finally:
            ended += 1
        raise AssertionError

    monkeypatch.setattr(monitor, "PROGRESS_SECONDS", 0.01)
    monkeypatch.setattr(module, "reconcile", reconcile)
    async with running(adapter):
        await until(lambda: begun == 2)
        assert ended == 1
        await asyncio.sleep(0.05)
        assert (begun, adapter.results.qsize()) == (2, 0), "what is asked for now goes on"


async def test_what_was_done_before_a_change_is_told_with_the_next_result(
    adapter: ScriptedAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = Event("SchemaMigrated", "Applied one.")

    async def reconcile(_: Any, __: Any, dependencies: Any, memory: Memory, **___: Any) -> ReconcileResult:
        adapter.wanted = not adapter.wanted
        events: tuple[Event, ...] = ()
        try:
            await dependencies.fence()
        except Superseded:
            events = (done,)
        observed = unreachable(DatabaseUnavailable("away"))
        return ReconcileResult(observed, {}, READY, events, 60.0, memory)

    monkeypatch.setattr(module, "reconcile", reconcile)
    async with running(adapter):
        assert (await adapter.results.get()).events == (done,)
        assert adapter.results.empty()


@pytest.mark.parametrize("since", [None, datetime(2026, 1, 1, tzinfo=UTC)])
async def test_the_first_reconcile_knows_whether_the_database_was_ready_before(
    adapter: ScriptedAdapter, monkeypatch: pytest.MonkeyPatch, since: datetime | None
) -> None:
    reconciled: list[tuple[bool, bool, bool]] = []

    async def reconcile(_: Any, __: Any, ___: Any, memory: Memory, *, can_wait: bool) -> ReconcileResult:
        reconciled.append((memory.is_new, memory.told_ready, can_wait))
        return ReconcileResult(unreachable(DatabaseUnavailable("away")), {}, READY, (), 60.0, memory)

    monkeypatch.setattr(module, "reconcile", reconcile)
    adapter.ready_since = since
    async with running(adapter):
        await adapter.results.get()
    assert reconciled == [(True, since is not None, False)]


async def test_only_a_reconcile_that_is_due_and_not_one_after_a_change_can_wait(
    adapter: ScriptedAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[bool] = []

    async def reconcile(_: Any, __: Any, ___: Any, memory: Memory, *, can_wait: bool) -> ReconcileResult:
        waits.append(can_wait)
        wait = 0.01 if len(waits) == 1 else 60.0
        return ReconcileResult(unreachable(DatabaseUnavailable("away")), {}, READY, (), wait, memory)

    monkeypatch.setattr(module, "reconcile", reconcile)
    async with running(adapter):
        await until(lambda: len(waits) == 2)
        adapter.changed.set()
        await until(lambda: len(waits) == 3)
    assert waits == [False, True, False]
