"""Checks the database at every interval, and keeps the report that the web server shows."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from controller.database.pool.pool import Pool
from controller.database.pool.values import PoolSettings
from controller.database.target import Target
from controller.errors import ConfigurationError, DashdbError
from controller.health.check import Check, check, due_by
from controller.health.store import Report, ReportStore
from controller.health.verdict import Health, Thresholds, Verdict
from controller.migrate.history.read import read_history
from controller.migrate.plan.make_plan import make_plan
from controller.migrate.plan.model import current_version
from controller.runtime.logs import log_fault
from controller.runtime.signals import StopSignal
from controller.sidecar.preparation import Preparation, Wanted

log = structlog.get_logger(__name__)

CHECK_SECONDS = 10.0
"""Between two checks, as between two probes of Kubernetes."""
RETRY_SECONDS = 2.0
"""The same while it is not ready: a backend waits for it."""
STOP_SECONDS = 5.0
"""For a migration under way to roll back; with the pool's close and the web server's within 10 s."""
POOL_CLOSE_SECONDS = 1.0
"""For connections to come back, when nobody is left who should hold one."""


class Sidecar:
    """One database and its report."""

    def __init__(self, target: Callable[[], Target], pool: PoolSettings, wanted: Wanted, store: ReportStore) -> None:
        """TARGET is asked anew before each check, since certificates are renewed in place."""
        self._target = target
        self._settings = pool
        self._wanted = wanted
        self._store = store
        self._pool = Pool(target(), pool)
        self._preparation = Preparation(wanted, lambda: self._pool, self._report)
        self._latest: Check | None = None
        self._history_problem: str | None = None
        self._stopping = False
        store.announce(self._key, self._not_checked())

    def not_ready(self) -> str | None:
        """Why not; None where the database answers and is as it was asked for."""
        if self._stopping:
            return "Stopping: it was told to."
        report = self._shown()
        return None if report.ready else f"{report.reason}: {report.message}"

    async def run(self, stop: StopSignal) -> None:
        """Works until `stop` is set; then what runs is rolled back and the pool is closed, within 10 s."""
        tasks = {
            asyncio.create_task(self._watch(), name="watch"),
            asyncio.create_task(self._preparation.run(), name="preparation"),
            asyncio.create_task(stop.wait(), name="stop"),
        }
        ended, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        self._stopping = True
        log.info("stopping")
        for task in others:
            task.cancel()
        await asyncio.wait(tasks, timeout=STOP_SECONDS)
        await self._pool.close(seconds=POOL_CLOSE_SECONDS)
        for task in ended:
            task.result()  # only a fault of ours ends one before it is told to

    @property
    def _key(self) -> tuple[str, str]:
        return "", self._pool.target.database

    def _shown(self) -> Report:
        [report] = self._store.reports(datetime.now(UTC)).values()
        return report

    def _due(self, wait: float) -> datetime:
        limits = self._pool.target
        return due_by(wait=wait, connect_timeout=limits.connect_timeout, query_timeout=limits.query_timeout)

    def _not_checked(self) -> Report:
        """Nothing vouches for a database that was not seen: unhealthy, as it is not ready."""
        text = "The database was not checked yet."
        verdict = Verdict(Health.UNHEALTHY, "Starting", text)
        return Report(verdict, None, ready=False, reason="Starting", message=text, due_by=self._due(0.0))

    async def _watch(self) -> None:
        while True:
            try:
                await self._look()
            except Exception as fault:  # noqa: BLE001 - the report gets stale and says so; the next look may do better
                log_fault(fault)
            await asyncio.sleep(RETRY_SECONDS if self.not_ready() else CHECK_SECONDS)

    async def _look(self) -> None:
        if not self._preparation.busy:  # closing the pool would cost a long migration all that it has done
            await self._follow_target()
        previous = self._latest.verdict if self._latest else None
        self._latest = await check(self._pool, Thresholds(), previous, pool_alone=True)
        if self._latest.facts is not None:
            self._preparation.answered(self._latest.facts.identity)
        await self._report()

    async def _follow_target(self) -> None:
        """Another pool where certificates were renewed; what cannot be read for a moment changes nothing."""
        try:
            target = self._target()
        except ConfigurationError as problem:
            log.warning("going on with the certificates as they were", error=problem.message)
            return
        if target != self._pool.target:
            before, self._pool = self._pool, Pool(target, self._settings)
            log.info("certificates renewed")
            await before.close(seconds=POOL_CLOSE_SECONDS)

    async def _report(self) -> None:
        """Puts on the board what is known now."""
        answers = self._latest is not None and self._latest.facts is not None
        reached = self._preparation.reached
        schema = await self._schema() if answers else {}
        if schema.get("schema_version", reached) < reached:
            self._preparation.again()
        latest = self._latest  # only now: a check or a try that has ended meanwhile is not to be undone by this report
        if latest is None:
            return
        ready, reason, message = self._readiness(latest)
        before = self._shown()
        if (before.ready, before.reason) != (ready, reason):
            tell = log.info if ready else log.warning
            tell("ready" if ready else "not ready", reason=reason, text=message)
        self._store.put(
            self._key,
            Report(
                latest.verdict, latest.sample, ready, reason, message, self._due(CHECK_SECONDS),
                templates=self._preparation.templates if answers else {}, **schema,
            ),
        )  # fmt: skip

    def _readiness(self, latest: Check) -> tuple[bool, str, str]:
        if latest.verdict.health is Health.UNHEALTHY:
            return False, latest.verdict.reason, latest.verdict.warning or ""
        problem = self._preparation.problem
        if problem is not None:
            return False, problem.reason, problem.message
        if latest.facts is None or self._preparation.done_for != latest.facts.identity:
            return False, "Preparing", "The database is being migrated or seeded."
        return True, "Ready", "The database answers."

    async def _schema(self) -> dict[str, Any]:
        """What the history says; nothing where it cannot be read, which is told once and no reason to be not ready."""
        try:
            async with self._pool.connection() as connection:
                history = await read_history(connection, self._wanted.run.schema)
            version = current_version(history)
            plan = make_plan(self._wanted.migrations(), history, None)
        except DashdbError as problem:
            if problem.reason != self._history_problem:
                log.warning("the history was not read", reason=problem.reason, error=problem.message)
            self._history_problem = problem.reason
            return {}
        self._history_problem = None
        dirty = any(row.error is not None for row in history)
        return {"schema_version": version, "pending": len(plan.steps), "dirty": dirty}
