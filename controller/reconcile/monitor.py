"""A reconcile under way, watched: a long migration is reported, its database checked, and outdated work ended."""

import asyncio
import time
from datetime import datetime

from controller.database.pool.pool import Pool
from controller.database.pool.server_places import NO_PLACE
from controller.desired import Desired
from controller.errors import DashdbError, Superseded
from controller.health.check import check, due_by
from controller.health.report import Key
from controller.health.store import ReportStore
from controller.health.verdict import CheckResult, Verdict
from controller.reconcile.adapter import Adapter
from controller.reconcile.report import report_while_migrating
from controller.reconcile.result import MigrationProgress, ReconcileResult
from controller.runtime.fence import Fence
from controller.runtime.logs import log_failure, log_fault

PROGRESS_SECONDS = 2.0
"""Seconds after which a running migration is reported, and between two reports; a wait for a lock is reported too."""
SETTLED_SECONDS = 0.5
"""Seconds beyond the lock timeout after which a try of a file is known to be working, not waiting for a lock."""
INPUT_POLL_SECONDS = 60.0
"""Seconds between two checks for a changed input that a database waits for. The first tries follow each other quickly,
and all of them read the inputs anew, so this matters only where the interval is longer."""
NOTICE_SECONDS = 0.5
"""Seconds between two looks at what is asked for, while a reconcile dials and has changed nothing. For one that waits
for its turn they are `PROGRESS_SECONDS`: a thousand may wait, and it is asked again before anything is changed."""
DIAL_SECONDS = 5.0
"""Seconds of a try to connect after which its inputs are read anew, and between two readings: a corrected Secret must
not wait for a connect timeout that may be minutes."""


class ReconcileMonitor:
    """Monitor of the reconciles of one database, one after the other.

    Attributes:
        outdated: what was asked for has changed, so the reconcile was ended before it was done, and another one follows
            at once.
    """

    def __init__(self, adapter: Adapter, *, key: Key, store: ReportStore, fence: Fence) -> None:
        self.outdated = False
        self._adapter = adapter
        self._key = key
        self._store = store
        self._fence = fence
        self._progress: MigrationProgress | None = None
        self._acting = False

    def note_progress(self, progress: MigrationProgress | None) -> None:
        """Take up what a migration does; None at its end."""
        self._progress = progress

    @property
    def leaves_part(self) -> bool:
        """True while a file runs of which a part would stay if it were interrupted."""
        return self._progress is not None and self._progress.leaves_part

    async def confirm(self) -> None:
        """Return where the next change of the database may be made; the fence of a reconcile.

        Raises:
            NotLeading: see `runtime.fence`.
            Superseded: something else is asked for by now.
        """
        await self._fence()
        if not self._adapter.still_wanted():
            self.outdated = True
            raise Superseded("The resource was changed meanwhile; what is left to do is decided anew.")
        self._acting = True

    async def watch(
        self,
        reconciling: "asyncio.Task[ReconcileResult]",
        desired: Desired,
        pool: Pool | None,
        previous: Verdict | None,
    ) -> None:
        """Return when RECONCILING is done, or outdated before it has changed anything.

        Args:
            previous: the verdict before it.
        """
        self._begin()
        check_at = time.monotonic() + PROGRESS_SECONDS
        read_at = time.monotonic() + DIAL_SECONDS
        checking: asyncio.Task[CheckResult] | None = None
        try:
            while not await self._done(reconciling, pool):
                dialling = pool is not None and pool.is_dialling
                if not self._acting and not self._adapter.still_wanted(dialling=dialling):
                    self.outdated = True
                    return
                if time.monotonic() >= read_at and pool is not None and pool.is_dialling:
                    read_at = time.monotonic() + DIAL_SECONDS
                    if await self.inputs_changed():
                        self._adapter.changed.set()
                        self.outdated = True
                        return
                if (progress := self._progress) is None:
                    continue
                if checking is not None and checking.done():
                    self._store_check(checking, desired, progress)
                    checking = None
                if checking is None and pool is not None and time.monotonic() >= check_at:
                    check_at = time.monotonic() + desired.interval_seconds
                    checking = asyncio.create_task(check(pool, desired.thresholds, previous))
                if _is_settled(progress, desired):
                    await self._report_progress(progress)
        finally:
            self._progress = None
            if checking is not None:
                checking.cancel()
                await asyncio.gather(checking, return_exceptions=True)

    def _begin(self) -> None:
        self.outdated, self._acting, self._progress = False, False, None

    async def _done(self, reconciling: "asyncio.Task[ReconcileResult]", pool: Pool | None) -> bool:
        """Wait until the reconcile is done, or for a while; True where it is done."""
        dials = pool is not None and pool.is_dialling and not self._acting
        timeout = NOTICE_SECONDS if dials else PROGRESS_SECONDS
        done, _ = await asyncio.wait([reconciling], timeout=timeout)
        return bool(done)

    async def inputs_changed(self) -> bool:
        """Return True where an input is another one now; False where it could not be read."""
        try:
            return await self._adapter.inputs_changed()
        except DashdbError as error:
            log_failure("inputs not read anew", error.message, told_once=error.told_once)
            return False

    async def _report_progress(self, progress: MigrationProgress) -> None:
        """Show the progress; a failure to do so is no reason to roll back hours of work."""
        try:
            await self._adapter.report_progress(progress)
        except DashdbError as error:
            log_failure("progress not shown", error.message, told_once=error.told_once)
        except Exception as fault:  # noqa: BLE001 - see above
            log_fault(fault)

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
        due = due_after(desired, desired.interval_seconds)
        self._store.put(
            self._key, report_while_migrating(self._store.latest(self._key), checking.result(), progress, due)
        )


def _is_settled(progress: MigrationProgress, desired: Desired) -> bool:
    """Return False for a try that is younger than a lock's time-out: it may be one of many, and give way to a wait."""
    settled = desired.schema.lock_timeout_ms / 1000 + SETTLED_SECONDS
    return progress.waits or time.monotonic() - progress.since >= settled


def due_after(desired: Desired, wait: float) -> datetime:
    """Return when a check that begins in WAIT seconds is over."""
    target = desired.target
    if isinstance(target, DashdbError):
        return due_by(wait=wait, connect_timeout=0.0, query_timeout=INPUT_POLL_SECONDS)
    return due_by(wait=wait, connect_timeout=target.connect_timeout, query_timeout=target.query_timeout)
