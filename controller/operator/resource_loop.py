"""One resource: waits for the first of {change, changed Secret, next look}, takes one turn, writes what came of it."""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic import ValidationError

from controller.health.check import Check, check, due_by
from controller.health.store import Key, Report, ReportStore
from controller.health.verdict import Health
from controller.migrate.files.migration import Migrations
from controller.operator.client import ApiUnavailable, Client
from controller.operator.secrets import SecretsOfNamespace
from controller.reconcile.limiter import Limiter
from controller.reconcile.memory import Session
from controller.reconcile.observe import Surroundings, thresholds
from controller.reconcile.outcome import Event, in_progress, invalid_spec
from controller.reconcile.reconcile import Turn, Wanted, take_turn
from controller.resource.spec import DashboardDatabaseSpec
from controller.resource.status import ConditionType, DashboardDatabaseStatus
from controller.runtime.logs import log_fault

log = structlog.get_logger(__name__)

SECRET_POLL_SECONDS = 2.0
"""Between two looks at a Secret that keeps a resource from connecting: a mended one is taken up within 5 s."""
REFRESH_SECONDS = 30.0
"""For which the resource as it was read, or written, last is believed to be there still."""
ANNOUNCE_AFTER_SECONDS = 2.0
"""A migration that takes longer than this, or waits for a lock, is shown in the status while it runs."""
SETTLED_SECONDS = 0.5
"""That a try outlives the time-out of a lock, to be work and no wait."""
API_RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Waits between two tries to reach an API server that is away; the last one repeats."""


class ResourceLoop:
    """The life of one DashboardDatabase in this process."""

    def __init__(
        self,
        body: dict[str, Any],
        *,
        client: Client,
        store: ReportStore,
        migrations: Callable[[], Migrations],
        service_namespace: Callable[[str], str | None],
        limiter: Limiter,
    ) -> None:
        self.body = body
        self.key: Key = (body["metadata"]["namespace"], body["metadata"]["name"])
        self.client = client
        self.store = store
        self.session = Session()
        self.secrets = SecretsOfNamespace(client, self.key[0])
        self.around = Surroundings(self.secrets, migrations, service_namespace(self.key[0]), limiter)
        self.changed = asyncio.Event()
        self._refreshed_at = -math.inf

    def observe(self, body: dict[str, Any]) -> None:
        """Takes up what the watch says, unless more is known; only a changed spec is a reason to look at once."""
        if _is_older(body, self.body):
            return
        if body["metadata"].get("generation") != self.body["metadata"].get("generation"):
            self.changed.set()
        self.body = body

    async def run(self) -> None:
        """Turns until the resource is gone."""
        structlog.contextvars.bind_contextvars(namespace=self.key[0], name=self.key[1])
        failures = 0
        try:
            while not self._gone:
                self.changed.clear()
                try:
                    wait, watch_secrets = await self._turn()
                    failures = 0
                except ApiUnavailable as error:
                    log.warning("the API server cannot be used", error=error.message)
                    wait, watch_secrets = API_RETRY_SECONDS[min(failures, len(API_RETRY_SECONDS) - 1)], False
                    failures += 1
                except Exception as fault:  # noqa: BLE001 - one resource's fault is not the end of its loop
                    log_fault(fault)
                    wait, watch_secrets = API_RETRY_SECONDS[-1], False
                if await self._sleep(wait, watch_secrets=watch_secrets):
                    await self._refresh()
        finally:
            await self.session.close()

    @property
    def _gone(self) -> bool:
        return not self.body or "deletionTimestamp" in self.body["metadata"]

    async def _turn(self) -> tuple[float, bool]:
        """One turn; returns how long to wait, in seconds, and whether a changed Secret is worth waiting for."""
        started = time.monotonic()
        try:
            spec = DashboardDatabaseSpec.model_validate(self.body["spec"])
        except ValidationError as error:
            return await self._refuse(error)
        wanted = Wanted(spec, self.body["metadata"]["generation"], self._status())
        self.secrets.keep(spec.connection.secret_names)
        turn = await self._take(wanted)
        self.store.put(self.key, _report(turn, spec))
        await self._write(turn.outcome.status, turn.outcome.events)
        log.debug("turn", ready=turn.outcome.ready, duration_seconds=round(time.monotonic() - started, 3))
        return turn.outcome.wait_seconds, turn.outcome.watch_secrets

    async def _take(self, wanted: Wanted) -> Turn:
        """The turn; a migration that takes its time is shown in the status meanwhile, and the database is watched."""
        turn = asyncio.create_task(take_turn(wanted, self.around, self.session), name=f"turn {self.key}")
        watch = asyncio.create_task(self._watch_migration(wanted.spec), name=f"watch {self.key}")
        try:
            while not (await asyncio.wait({turn}, timeout=ANNOUNCE_AFTER_SECONDS))[0]:
                work = self.session.work
                # Younger than a lock's time-out: it may be one of many tries, and give way to a wait at once.
                settled = wanted.spec.schema_.lock_timeout_milliseconds / 1000 + SETTLED_SECONDS
                if work is not None and (work.waits or time.monotonic() - work.since >= settled):
                    await self._announce(in_progress(self._status(), work, wanted.generation, datetime.now(UTC)))
            return turn.result()
        finally:
            turn.cancel()
            watch.cancel()
            # What was begun is rolled back before anything else.
            await asyncio.gather(turn, watch, return_exceptions=True)

    async def _watch_migration(self, spec: DashboardDatabaseSpec) -> None:
        """Checks the database while a migration runs in it, which may take hours."""
        wait = ANNOUNCE_AFTER_SECONDS
        while True:
            await asyncio.sleep(wait)
            wait = spec.health.interval_seconds
            work, pool = self.session.work, self.session.pool
            if work is not None and pool is not None:
                found = await check(pool, thresholds(spec), self.session.verdict)
                before = self.store.get(self.key, datetime.now(UTC))
                self.store.put(self.key, _while_migrating(before, found, work.message, _due_by(spec, wait)))

    async def _announce(self, status: DashboardDatabaseStatus) -> None:
        try:
            await self._write(status, ())
        except ApiUnavailable as error:  # no reason to roll back hours of work
            log.warning("progress not shown", error=error.message)

    async def _refuse(self, error: ValidationError) -> tuple[float, bool]:
        first = error.errors(include_input=False, include_url=False)[0]
        message = f"spec.{'.'.join(str(part) for part in first['loc'])}: {first['msg']}."
        generation = self.body["metadata"]["generation"]
        status = invalid_spec(message, generation=generation, previous=self._status(), now=datetime.now(UTC))
        await self._write(status, ())
        return 3600.0, False  # a changed spec wakes the loop before

    def _status(self) -> DashboardDatabaseStatus:
        try:
            return DashboardDatabaseStatus.model_validate(self.body.get("status") or {})
        except ValidationError:
            return DashboardDatabaseStatus()  # somebody wrote into it; the next write mends it

    async def _write(self, status: DashboardDatabaseStatus, events: tuple[Event, ...]) -> None:
        """Writes the status where it differs, and posts what happened."""
        if not self.body:  # gone while the turn ran
            return
        wire = status.to_wire()
        if wire != (self.body.get("status") or {}):
            written = await self.client.write_status(*self.key, self.body["metadata"]["uid"], wire)
            if written is None:
                self.body = {}
                return
            # A change of the spec that came in between is not lost: its generation is not the one we know.
            self.observe(written)
        for event in events:
            log.info("event", reason=event.reason, text=event.message)
            try:
                await self.client.post_event(self.body, event)
            except ApiUnavailable as error:  # the condition says the same; no turn is repeated for an event
                log.warning("event not posted", reason=event.reason, error=error.message)

    async def _sleep(self, wait: float, *, watch_secrets: bool) -> bool:
        """Waits; True where the time was over, False where something changed."""
        due = time.monotonic() + wait
        while (left := due - time.monotonic()) > 0 and not self._gone:
            step = min(left, SECRET_POLL_SECONDS * random.uniform(0.9, 1.0)) if watch_secrets else left  # noqa: S311
            try:
                async with asyncio.timeout(step):
                    await self.changed.wait()
            except TimeoutError:
                if watch_secrets and await self._secret_changed():
                    self.session.failures = 0
                    return False
            else:
                self.session.failures = 0
                return False
        return True

    async def _secret_changed(self) -> bool:
        try:
            return await self.secrets.changed()
        except ApiUnavailable as error:
            log.warning("the Secrets were not read anew", error=error.message)
            return False

    async def _refresh(self) -> None:
        """Reads the resource anew: after a gap in the watch nobody tells of a deletion (kopf relists without it)."""
        if time.monotonic() - self._refreshed_at < REFRESH_SECONDS:
            return
        self._refreshed_at = time.monotonic()
        try:
            body = await self.client.read_resource(*self.key)
        except ApiUnavailable as error:
            log.warning("the resource was not read anew", error=error.message)
            return  # the database is looked at all the same
        if body is None or body["metadata"]["uid"] != self.body["metadata"]["uid"]:
            self.body = {}
        else:
            self.body = body


def _is_older(body: dict[str, Any], known: dict[str, Any]) -> bool:
    """True for news that our own write or look has overtaken: on an old status the same event would follow again.

    Resource versions of one kind can be compared as numbers:
    https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions.
    """
    news, latest = (str(seen.get("metadata", {}).get("resourceVersion")) for seen in (body, known))
    return news.isdecimal() and latest.isdecimal() and int(news) < int(latest)


def _report(turn: Turn, spec: DashboardDatabaseSpec) -> Report:
    status = turn.outcome.status
    ready = status.condition(ConditionType.READY)
    assert ready is not None  # noqa: S101 - every outcome has one
    return Report(
        verdict=turn.verdict,
        sample=turn.sample,
        ready=turn.outcome.ready,
        reason=ready.reason,
        message=ready.message,
        due_by=_due_by(spec, turn.outcome.wait_seconds),
        schema_version=status.schema_.current if status.schema_ else None,
        pending=status.schema_.pending if status.schema_ else None,
        dirty=status.schema_.dirty if status.schema_ else None,
        templates=Counter(template.state for template in status.templates or ()),
    )


def _while_migrating(before: Report | None, found: Check, message: str, due: datetime) -> Report:
    """What is known from before, with what a check beside the migration found."""
    known = before or Report(found.verdict, None, ready=False, reason="Migrating", message=message, due_by=due)
    ready = known.ready and found.verdict.health is not Health.UNHEALTHY
    return replace(known, verdict=found.verdict, sample=found.sample, ready=ready, due_by=due)


def _due_by(spec: DashboardDatabaseSpec, wait: float) -> datetime:
    limits = spec.pool
    return due_by(wait=wait, connect_timeout=limits.connect_timeout_seconds, query_timeout=limits.query_timeout_seconds)
