"""The life of one database in this process: one clock, which wakes for a change, for the next due time, for progress.

The loop knows neither Kubernetes nor environment variables. An `Adapter` brings the desired state and takes the
results: the operator's reads a custom resource and writes its status, the sidecar's reads variables and keeps a report.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from controller.database.pool.pool import Pool
from controller.database.pool.server_places import NO_PLACE, ServerPlaces, Servers
from controller.desired import Desired
from controller.errors import ConfigurationError, DashdbError
from controller.health.check import check, due_by
from controller.health.report import Key, Report
from controller.health.store import ReportStore
from controller.health.verdict import CheckResult, Verdict
from controller.migrate.files.migration import Migrations
from controller.reconcile.claims import Claim, unclaimed
from controller.reconcile.memory import Memory
from controller.reconcile.reconcile import Dependencies, reconcile
from controller.reconcile.report import report_of, report_while_migrating
from controller.reconcile.result import MigrationProgress, ReconcileResult
from controller.reconcile.turns import Turns
from controller.runtime.backoff import Backoff
from controller.runtime.fence import Fence, unfenced
from controller.runtime.logs import log_fault

log = structlog.get_logger(__name__)

INPUT_POLL_SECONDS = 60.0
"""Seconds between two checks for a changed input that a database waits for. The first tries follow each other quickly,
and all of them read the inputs anew, so this matters only where the interval is longer."""
PROGRESS_SECONDS = 2.0
"""Seconds after which a running migration is reported, and between two reports; a wait for a lock is reported too."""
SETTLED_SECONDS = 0.5
"""Seconds beyond the lock timeout after which a try of a file is known to be working, not waiting for a lock."""
ADAPTER_BACKOFF = Backoff(first=1.0, longest=15.0)
"""Pauses between two tries when the adapter fails, for example because the API server cannot be reached."""
REJECTED_SECONDS = 3600.0
"""Seconds until an invalid desired state is read again; a change of it wakes the loop earlier."""
POOL_CLOSE_SECONDS = 5.0
"""Seconds for connections in use to be released when a pool is closed."""


class Adapter(Protocol):
    """Adapter to the operator or the sidecar: the desired state comes from it, and results go to it.

    Errors of class DashdbError from any method mean that this side cannot be reached; the loop tries again.

    Attributes:
        changed: set when the desired state changed, or the server of the database answers again; the next reconcile
            then begins at once.
    """

    changed: asyncio.Event

    async def read_desired(self, *, due: bool) -> Desired | None:
        """Return the desired state as it is now; None where nobody asks for this database any more.

        Args:
            due: the loop woke because its time was due, not because something changed.

        Raises:
            ConfigurationError: what was asked for makes no sense.
        """
        ...

    async def inputs_changed(self) -> bool:
        """Return True where an input of `read_desired` is another one now; asked while nothing else can help."""
        ...

    def is_ready(self, result: ReconcileResult) -> bool:
        """Return True where the database may be used; asked once for each result, before `report`."""
        ...

    async def report(self, result: ReconcileResult) -> None:
        """Show the result of a reconcile."""
        ...

    async def report_progress(self, progress: MigrationProgress) -> None:
        """Show what a long migration is doing."""
        ...

    async def reject(self, error: ConfigurationError) -> None:
        """Show that what was asked for makes no sense."""
        ...


class ReconcileLoop:
    """Loop that reconciles one database until nobody asks for it, or its task is cancelled."""

    def __init__(
        self,
        adapter: Adapter,
        *,
        key: Key,
        store: ReportStore,
        migrations: Callable[[], Migrations],
        turns: Turns,
        servers: Servers | None = None,
        claim: Claim = unclaimed,
        fence: Fence = unfenced,
        pool_close_seconds: float = POOL_CLOSE_SECONDS,
    ) -> None:
        """Begin nothing yet.

        Args:
            claim: claims the database for its resource.
            servers: places on each server, which all databases of the process share; None for no limit.
            fence: asked before each change of the database.
        """
        self.key = key
        self._adapter = adapter
        self._store = store
        self._dependencies = Dependencies(migrations, turns, key[0], self._note_progress, claim, fence)
        self._servers = servers
        self._pool_close_seconds = pool_close_seconds
        self._memory = Memory()
        self._pool: Pool | None = None
        self._places: ServerPlaces | None = None
        self._retry = adapter.changed.set
        self._progress: MigrationProgress | None = None

    async def run(self) -> None:
        """Reconcile again and again; what runs when the task is cancelled is rolled back."""
        failures, due = 0, False
        try:
            while True:
                self._adapter.changed.clear()
                watch = False
                try:
                    desired = await self._read_desired(due=due)
                    if desired is None:
                        return
                    wait, watch = (await self._reconcile(desired)) if isinstance(desired, Desired) else (desired, False)
                    failures = 0
                except DashdbError as error:
                    log.warning("not reconciled", reason=error.reason, error=error.message)
                    wait = ADAPTER_BACKOFF.pause(failures, random.random())  # noqa: S311 - no secret
                    failures += 1
                except Exception as fault:  # noqa: BLE001 - one database's fault is not the end of its loop
                    log_fault(fault)
                    wait = ADAPTER_BACKOFF.longest
                due = await self._wait(wait, watch_inputs=watch)
        finally:
            await self._close_pool()

    async def _read_desired(self, *, due: bool) -> Desired | float | None:
        """Return the desired state; or, of one that makes no sense, the seconds until it is read again."""
        try:
            return await self._adapter.read_desired(due=due)
        except ConfigurationError as error:
            rejected = error
        report_due = datetime.now(UTC) + timedelta(seconds=REJECTED_SECONDS)
        verdict, reason, message = Verdict.unhealthy(rejected), rejected.reason, rejected.message
        self._store.put(self.key, Report(verdict, None, ready=False, reason=reason, message=message, due_by=report_due))
        await self._adapter.reject(rejected)
        return REJECTED_SECONDS

    async def _reconcile(self, desired: Desired) -> tuple[float, bool]:
        """Reconcile once; return the seconds to wait, and whether a changed input is worth looking for meanwhile."""
        started = time.monotonic()
        pool = await self._pool_for(desired)
        reconciling = asyncio.create_task(
            reconcile(desired, pool, self._dependencies, self._memory), name=f"reconcile {self.key}"
        )
        try:
            await self._accompany(reconciling, desired, pool)
            result = reconciling.result()
        finally:
            self._progress = None
            reconciling.cancel()
            await asyncio.wait([reconciling])  # what was begun is rolled back before anything else
        self._memory = result.memory
        if self._places is not None:
            reached = result.observed.connection_error is None
            (self._places.note_reachable if reached else self._places.note_unreachable)(self._retry)
        due, ready = _due_by(desired, result.wait_seconds), self._adapter.is_ready(result)
        self._store.put(self.key, report_of(result, due, ready=ready))
        await self._adapter.report(result)
        log.debug("reconciled", ready=result.ready, duration_seconds=round(time.monotonic() - started, 3))
        return result.wait_seconds, result.watch_inputs

    async def _accompany(
        self, reconciling: "asyncio.Task[ReconcileResult]", desired: Desired, pool: Pool | None
    ) -> None:
        """Report a long migration until it ends, and go on checking the database in which it runs."""
        check_at = time.monotonic() + PROGRESS_SECONDS
        checking: asyncio.Task[CheckResult] | None = None
        try:
            while not reconciling.done():
                await asyncio.wait([reconciling], timeout=PROGRESS_SECONDS)
                progress = self._progress
                if reconciling.done() or progress is None:
                    continue
                if checking is not None and checking.done():
                    self._store_check(checking, desired, progress)
                    checking = None
                if checking is None and pool is not None and time.monotonic() >= check_at:
                    check_at = time.monotonic() + desired.interval_seconds
                    checking = asyncio.create_task(check(pool, desired.thresholds, self._memory.verdict))
                if _is_settled(progress, desired):
                    await self._report_progress(progress)
        finally:
            if checking is not None:
                checking.cancel()
                await asyncio.gather(checking, return_exceptions=True)

    async def _report_progress(self, progress: MigrationProgress) -> None:
        """Show the progress; a failure to do so is no reason to roll back hours of work."""
        try:
            await self._adapter.report_progress(progress)
        except DashdbError as error:
            log.warning("progress not shown", error=error.message)
        except Exception as fault:  # noqa: BLE001 - see above
            log_fault(fault)

    def _note_progress(self, progress: MigrationProgress | None) -> None:
        self._progress = progress

    def _store_check(
        self, checking: "asyncio.Task[CheckResult]", desired: Desired, progress: MigrationProgress
    ) -> None:
        """Keep the result of a check during a migration; a fault of the check must not roll the migration back."""
        fault = checking.exception()
        if isinstance(fault, Exception):
            log_fault(fault)
            return
        if checking.result().sample.reason == NO_PLACE:  # which says nothing about the database
            return
        due = _due_by(desired, desired.interval_seconds)
        self._store.put(
            self.key, report_while_migrating(self._store.latest(self.key), checking.result(), progress, due)
        )

    async def _wait(self, seconds: float, *, watch_inputs: bool) -> bool:
        """Wait for the due time or a change; True where it became due."""
        due = time.monotonic() + seconds
        while (left := due - time.monotonic()) > 0:
            poll = INPUT_POLL_SECONDS * random.uniform(0.9, 1.0)  # noqa: S311 - no secret
            try:
                async with asyncio.timeout(min(left, poll) if watch_inputs else left):
                    await self._adapter.changed.wait()
            except TimeoutError:
                if not watch_inputs or not await self._inputs_changed():
                    continue
            self._memory = replace(self._memory, failures=0, failed=())
            return False
        return True

    async def _inputs_changed(self) -> bool:
        try:
            return await self._adapter.inputs_changed()
        except DashdbError as error:
            log.warning("inputs not read anew", error=error.message)
            return False

    async def _pool_for(self, desired: Desired) -> Pool | None:
        """Return the pool to the target; a new one where another connection is asked for, and None without a target."""
        target = desired.target
        if isinstance(target, DashdbError):
            await self._close_pool()
            return None
        if self._pool is not None and (self._pool.target, self._pool.settings) != (target, desired.pool):
            log.info("connection settings changed", database=target.description)
            # Another database begins with an empty memory, and another role may succeed where this one failed.
            same = self._pool.target.description == target.description
            self._memory = replace(self._memory, failed=()) if same else Memory()
            await self._close_pool()
        if self._pool is None:
            self._places = self._servers.join(target.host, target.port) if self._servers else None
            self._pool = Pool(target, desired.pool, self._places)
        return self._pool

    async def _close_pool(self) -> None:
        if self._pool is not None:
            closing, self._pool = self._pool, None
            try:
                await closing.close(seconds=self._pool_close_seconds)
            finally:
                places, self._places = self._places, None
                if self._servers is not None and places is not None:
                    places.forget(self._retry)
                    self._servers.leave(closing.target.host, closing.target.port)


def _is_settled(progress: MigrationProgress, desired: Desired) -> bool:
    """Return False for a try that is younger than a lock's time-out: it may be one of many, and give way to a wait."""
    settled = desired.schema.lock_timeout_ms / 1000 + SETTLED_SECONDS
    return progress.waits or time.monotonic() - progress.since >= settled


def _due_by(desired: Desired, wait: float) -> datetime:
    target = desired.target
    if isinstance(target, DashdbError):
        return due_by(wait=wait, connect_timeout=0.0, query_timeout=INPUT_POLL_SECONDS)
    return due_by(wait=wait, connect_timeout=target.connect_timeout, query_timeout=target.query_timeout)
