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

import structlog

from controller.database.pool.pool import Pool
from controller.database.pool.server_places import ServerPlaces, Servers
from controller.desired import Desired
from controller.errors import ConfigurationError, DashdbError
from controller.health.report import Key, Report, starting
from controller.health.store import ReportStore
from controller.health.verdict import Verdict
from controller.migrate.files.migration import Migrations
from controller.reconcile.adapter import Adapter
from controller.reconcile.claims import Claim, unclaimed
from controller.reconcile.memory import Memory
from controller.reconcile.monitor import INPUT_POLL_SECONDS, ReconcileMonitor, due_after
from controller.reconcile.reconcile import Dependencies, reconcile
from controller.reconcile.report import report_of
from controller.reconcile.result import Event
from controller.reconcile.turns import Turns
from controller.runtime.backoff import Backoff
from controller.runtime.fence import Fence, unfenced
from controller.runtime.logs import log_failure, log_fault

log = structlog.get_logger(__name__)

ADAPTER_BACKOFF = Backoff(first=1.0, longest=15.0)
"""Pauses between two tries when the adapter fails, for example because the API server cannot be reached."""
REJECTED_SECONDS = 30.0
"""Seconds until an invalid desired state is read again, the usual interval; a change of it wakes the loop earlier."""
POOL_CLOSE_SECONDS = 5.0
"""Seconds for connections in use to be released when a pool is closed."""


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
        self._monitor = ReconcileMonitor(adapter, key=key, store=store, fence=fence)
        self._dependencies = Dependencies(
            migrations, turns, key[0], self._monitor.note_progress, claim, self._monitor.confirm
        )
        self._servers = servers
        self._pool_close_seconds = pool_close_seconds
        self._memory = Memory(told_ready=adapter.unchanged_since(ready=True) is not None)
        self._pool: Pool | None = None
        self._places: ServerPlaces | None = None
        self._retry = adapter.changed.set
        self._unreported: tuple[Event, ...] = ()
        self._starting = True

    @property
    def leaves_part(self) -> bool:
        """True while a file runs of which a part would stay if the loop were cancelled."""
        return self._monitor.leaves_part

    async def run(self) -> None:
        """Reconcile again and again; what runs when the task is cancelled is rolled back."""
        failures, due = 0, False
        if self._store.latest(self.key) is None:
            self._store.announce(self.key, starting())
        try:
            while True:
                self._adapter.changed.clear()
                watch = False
                try:
                    desired = await self._read_desired(due=due)
                    if desired is None:
                        return
                    if isinstance(desired, Desired):
                        wait, watch = await self._reconcile(desired, can_wait=due)
                    else:
                        wait = desired
                    failures = 0
                except DashdbError as error:
                    log_failure("not reconciled", error.message, told_once=error.told_once, reason=error.reason)
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
        report_due = datetime.now(UTC) + timedelta(seconds=2 * REJECTED_SECONDS)
        verdict, reason, message = Verdict.unhealthy(rejected), rejected.reason, rejected.message
        self._store.put(self.key, Report(verdict, None, ready=False, reason=reason, message=message, due_by=report_due))
        await self._adapter.reject(rejected)
        return REJECTED_SECONDS

    async def _reconcile(self, desired: Desired, *, can_wait: bool) -> tuple[float, bool]:
        """Reconcile once; return the seconds to wait, and whether a changed input is worth looking for meanwhile."""
        started = time.monotonic()
        pool = await self._pool_for(desired)
        reconciling = asyncio.create_task(
            reconcile(desired, pool, self._dependencies, self._memory, can_wait=can_wait), name=f"reconcile {self.key}"
        )
        try:
            await self._monitor.watch(reconciling, desired, pool, self._memory.verdict)
        finally:
            if not reconciling.done():
                reconciling.cancel()
                await asyncio.wait([reconciling])  # what was begun is rolled back before anything else
        if reconciling.cancelled():  # before it had changed anything
            return 0.0, False
        result = reconciling.result()
        self._memory = result.memory
        if self._monitor.outdated:  # what it found is not what is asked for now; what it did is told with the next one
            self._unreported += result.events
            return 0.0, False
        result, self._unreported = replace(result, events=self._unreported + result.events), ()
        if self._places is not None:
            reached = result.observed.connection_error is None
            (self._places.note_reachable if reached else self._places.note_unreachable)(self._retry)
        due, ready = due_after(desired, result.wait_seconds), self._adapter.is_ready(result)
        since = self._adapter.unchanged_since(ready=ready) if self._starting else None
        self._starting = False
        self._store.put(self.key, report_of(result, due, ready=ready, since=since))
        await self._adapter.report(result)
        log.debug("reconciled", ready=result.ready, duration_seconds=round(time.monotonic() - started, 3))
        return result.wait_seconds, result.watch_inputs

    async def _wait(self, seconds: float, *, watch_inputs: bool) -> bool:
        """Wait for the due time or a change; True where it became due."""
        due = time.monotonic() + seconds
        while (left := due - time.monotonic()) > 0 or self._adapter.changed.is_set():
            poll = INPUT_POLL_SECONDS * random.uniform(0.9, 1.0)  # noqa: S311 - no secret
            try:
                async with asyncio.timeout(min(left, poll) if watch_inputs else left):
                    await self._adapter.changed.wait()
            except TimeoutError:
                if not watch_inputs or not await self._monitor.inputs_changed():
                    continue
            self._memory = replace(self._memory, failures=0, failed=())
            return False
        return True

    async def _pool_for(self, desired: Desired) -> Pool | None:
        """Return the pool to the target; a new one where another connection is asked for, and None without a target."""
        target = desired.target
        if isinstance(target, DashdbError):
            await self._close_pool()
            return None
        # A password that was changed, or a login that was forbidden, is noticed by a new login alone.
        lifetime = min(desired.pool.max_lifetime, desired.interval_seconds)
        settings = replace(desired.pool, max_lifetime=lifetime)
        if self._pool is not None and (self._pool.target, self._pool.settings) != (target, settings):
            log.info("connection settings changed", database=target.description)
            # Another database begins with an empty memory, and another role may succeed where this one failed.
            same = self._pool.target.description == target.description
            self._memory = replace(self._memory, failed=()) if same else Memory()
            await self._close_pool()
        if self._pool is None:
            self._places = self._servers.join(target.host, target.port) if self._servers else None
            self._pool = Pool(target, settings, self._places)
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
