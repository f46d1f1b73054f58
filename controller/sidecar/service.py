"""The sidecar: one database, reconciled to what the command line asked for, and reported on the endpoints."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import structlog

from controller.database.target import Target
from controller.desired import Desired
from controller.errors import ConfigurationError
from controller.health.report import Key
from controller.health.store import ReportStore
from controller.migrate.files.migration import Migrations
from controller.reconcile.findings import Aspect
from controller.reconcile.loop import ReconcileLoop
from controller.reconcile.result import MigrationProgress, ReconcileResult
from controller.reconcile.turns import Turns
from controller.runtime.signals import StopSignal

log = structlog.get_logger(__name__)

STOP_SECONDS = 8.0
"""Seconds for a running migration to roll back and the pool to close; within 10 s together with the web server."""
POOL_CLOSE_SECONDS = 1.0
"""Seconds for connections to be released when the pool is closed; at that time none should be in use."""


class SidecarAdapter:
    """Database of this process; implements `reconcile.loop.Adapter`."""

    def __init__(self, desired: Desired, read_target: Callable[[], Target]) -> None:
        """Keep DESIRED; READ_TARGET is called before each reconcile, since certificates are renewed in place."""
        self.changed = asyncio.Event()  # never set: options change only with the process
        self._desired = desired
        self._read_target = read_target
        self._logged: dict[str, str] = {}
        self._prepared: tuple[str, int] | None = None

    async def read_desired(self, *, due: bool) -> Desired:  # noqa: ARG002 - certificates are read anew at each call
        """Return what was asked for; certificates that cannot be read for a moment stay as they were."""
        self._desired = replace(self._desired, target=self._target())
        return self._desired

    def still_wanted(self, *, dialling: bool = False) -> bool:  # noqa: ARG002 - nothing changes
        """Return True: options change only with the process."""
        return True

    async def inputs_changed(self) -> bool:
        """Return True where a certificate was renewed."""
        return self._target() != self._desired.target

    def is_ready(self, result: ReconcileResult) -> bool:
        """Return True where a backend may use the database.

        It has to be as wanted once. From then on only a database that does not answer takes the backend out of service,
        or one that was replaced or restored: a locked table, a new migration that fails or a template that a user gave
        another one's name harms fewer people than all backends of a service going away at once.
        """
        facts, schema = result.observed.facts, result.memory.schema
        seen = (facts.identity if facts else "", schema.version if schema else 0)
        blocking = {aspect for aspect, each in result.findings.items() if each.blocks_ready}
        if result.ready or (blocking == {Aspect.TEMPLATES_SEEDED} and result.summary.reason in _TEMPLATES_OF_USERS):
            self._prepared = seen
            return True
        if blocking & {Aspect.CONNECTED, Aspect.HEALTHY} or self._prepared is None:
            return False
        return seen[0] == self._prepared[0] and seen[1] >= self._prepared[1]

    def unchanged_since(self, *, ready: bool) -> datetime | None:  # noqa: ARG002 - nothing is kept from before
        """Return None: nothing is known from before this process."""
        return None

    async def report(self, result: ReconcileResult) -> None:
        """Log what changed: each finding once, and whether the database is ready."""
        found = {aspect.value: each for aspect, each in result.findings.items()} | {"Ready": result.summary}
        for aspect, finding in found.items():
            if self._logged.get(aspect, "") != finding.reason:
                tell = log.info if finding.holds else log.warning
                state = _STATE[finding.holds]
                tell(finding.message or state, aspect=aspect, state=state, reason=finding.reason)
        self._logged = {aspect: finding.reason for aspect, finding in found.items()}

    def _target(self) -> Target | ConfigurationError:
        try:
            return self._read_target()
        except ConfigurationError as error:
            log.warning("going on with the certificates as they were", error=error.message)
            return self._desired.target

    async def report_progress(self, progress: MigrationProgress) -> None:
        """Show nothing: the engine logs its progress itself."""

    async def reject(self, error: ConfigurationError) -> None:
        """Never called: what makes no sense ends the program at its start."""
        raise error


_TEMPLATES_OF_USERS = ("TemplateConflict", "TemplateUnreadable")
"""Reasons that rows of users cause, while everything else is as wanted."""
_STATE = {True: "as wanted", False: "not as wanted", None: "not known"}


async def run_sidecar(
    adapter: SidecarAdapter, *, key: Key, store: ReportStore, migrations: Callable[[], Migrations], stop: StopSignal
) -> None:
    """Work until `stop` is set; then what runs is rolled back and the pool is closed, within 10 s."""
    loop = ReconcileLoop(
        adapter, key=key, store=store, migrations=migrations, turns=Turns(), pool_close_seconds=POOL_CLOSE_SECONDS
    )
    working = asyncio.create_task(loop.run(), name="sidecar")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    log.info("stopping")
    for task in (working, stopping):
        task.cancel()
    await asyncio.wait({working, stopping}, timeout=STOP_SECONDS)
    if working.done() and not working.cancelled():
        working.result()  # only a defect of this program ends it before `stop` is set
