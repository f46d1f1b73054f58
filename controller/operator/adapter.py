"""One DashboardDatabase for the reconcile loop: its spec and Secrets come in, its status and events go out."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TypeAlias

import structlog

from controller.desired import Desired
from controller.errors import ConfigurationError
from controller.health.store import ReportStore
from controller.operator.client import ApiUnavailable, Client, StatusConflict
from controller.operator.inputs import ResourceInputs, ResourceLimits
from controller.operator.refusals import Refusals
from controller.operator.resource import Resource
from controller.operator.secrets import SecretReads
from controller.operator.status import (
    events_between,
    shown_by,
    status_in_progress,
    status_of,
    status_of_invalid_spec,
    unknown_fields_text,
)
from controller.reconcile.result import Event, MigrationProgress, ReconcileResult
from controller.resource.status import ConditionStatus, ConditionType, DashboardDatabaseStatus
from controller.runtime.fence import Fence
from controller.runtime.logs import log_failure

log = structlog.get_logger(__name__)

NOT_THE_SECRETS_FAULT = frozenset(
    ("ConnectionLost", "ConnectionRefused", "NetworkUnreachable", "ServerNotReady", "Timeout", "TooManyConnections")
)
"""Reasons of a server that is down or full: its Secrets are read in their turn, and not at each try."""
MOST_CONFLICTS = 5
"""Most tries of one status write while others change the resource; then the next result is written."""

REFUSED_SECONDS = 60.0
"""Seconds after which a status that the API server refused is tried again: a right, or a newer CRD, may be there."""

_MakeStatus: TypeAlias = Callable[[DashboardDatabaseStatus], DashboardDatabaseStatus]
"""Returns the status to be shown in place of the one that is there."""
_Change: TypeAlias = tuple[DashboardDatabaseStatus, DashboardDatabaseStatus]
"""Status before and after a write."""


@dataclass(frozen=True, slots=True)
class _KeptBack:
    """Status of which the API server stored nothing, or not all.

    Attributes:
        on_server: what it has instead.
        refused_at: seconds of the monotonic clock; infinity where it left out a part, as an older CRD does.
    """

    status: DashboardDatabaseStatus
    on_server: bytes
    refused_at: float = math.inf


class ResourceAdapter:
    """One resource of the cluster; implements `reconcile.loop.Adapter`.

    Attributes:
        changed: set when the spec changed, or the resource is gone.
        resource: the newest version that is known; None once it is gone.
    """

    def __init__(
        self,
        resource: Resource,
        client: Client,
        reads: SecretReads,
        *,
        service_namespace: str | None,
        limits: ResourceLimits,
        store: ReportStore,
        fence: Fence,
    ) -> None:
        """Take up RESOURCE.

        Args:
            service_namespace, limits: see `ResourceInputs`.
            store: is told whether a status can be written.
            fence: asked before each write to the API server.
        """
        self.changed = asyncio.Event()
        self.resource: Resource | None = resource
        self._generation = resource.generation
        self._unposted: tuple[Event, ...] = ()
        self._client = client
        self._store = store
        self._fence = fence
        self._namespace = resource.namespace
        self._inputs = ResourceInputs(
            client, reads, resource.namespace, service_namespace=service_namespace, limits=limits
        )
        self._in_doubt = False
        self._kept_back: _KeptBack | None = None
        self._refusals = Refusals()
        self._told_generation = 0
        """Generation whose unknown fields were looked for."""
        self._shown: tuple[Resource, object] | None = None
        """Resource whose status shows a result, and what of the result it shows."""

    def observe(self, news: Resource) -> None:
        """Take up what the watch says, unless more is known; only a changed spec wakes the loop."""
        known = self.resource
        if known is not None and not news.is_older_than(known):
            self._take_up(news, known)

    def _take_up(self, news: Resource, known: Resource) -> None:
        self.resource = news
        if news.generation != known.generation or news.deleting:
            log.debug("resource changed", generation=news.generation, deleting=news.deleting)
            self.changed.set()

    def restored(self, news: Resource) -> None:
        """Take up NEWS though it is older than what is known: the API server was restored from a backup."""
        if self.resource is not None:
            self._take_up(news, self.resource)

    def vanished(self) -> None:
        """Note that the resource is gone, which no watch event told."""
        self.resource = None
        self.changed.set()

    async def read_desired(self, *, due: bool) -> Desired | None:
        """Return the desired state; None once the resource is gone, or being deleted.

        Raises:
            ConfigurationError: the spec cannot be read.
        """
        resource = self.resource
        if resource is None or resource.deleting:
            return None
        self._generation = resource.generation
        desired = await self._inputs.read(resource, in_doubt=self._in_doubt or not due)
        await self._tell_unknown_fields(resource)
        return desired

    def still_wanted(self, *, dialling: bool = False) -> bool:
        """Return False where the resource is gone, or what decides over changes is not what was read last."""
        resource = self.resource
        if resource is None or resource.deleting:
            return False
        return self._inputs.still_asked_for(resource, dialling=dialling)

    async def inputs_changed(self) -> bool:
        """Return True where one of the Secrets is another one now, or the resource is gone."""
        return self.resource is None or await self._inputs.changed()

    def is_ready(self, result: ReconcileResult) -> bool:
        """Return True where the resource is Ready."""
        return result.ready

    def unchanged_since(self, *, ready: bool) -> datetime | None:
        """Return since when the status says that the resource is ready, or is not; None where it says another thing."""
        condition = self.resource.status.condition(ConditionType.READY) if self.resource else None
        if condition is None or condition.status is not (ConditionStatus.TRUE if ready else ConditionStatus.FALSE):
            return None
        try:
            moment = datetime.fromisoformat(condition.last_transition_time)
        except ValueError:  # another program wrote the status
            return None
        return moment.astimezone(UTC) if moment.tzinfo else None

    async def report(self, result: ReconcileResult) -> None:
        """Write the status where it differs, and post what happened; after a failed write, with the next result."""
        error = result.observed.connection_error
        self._in_doubt = error is not None and error.reason not in NOT_THE_SECRETS_FAULT
        self._unposted += result.events
        if self._shown is not None and self.resource is not None and not self._unposted and self._kept_back is None:
            shown, content = self._shown
            if shown is self.resource and content == (self._generation, shown_by(result)):
                return

        def status(previous: DashboardDatabaseStatus) -> DashboardDatabaseStatus:
            return status_of(result, generation=self._generation, previous=previous)

        written = await self._show(status)
        resource = self.resource
        if written is not None and resource is not None and written.to_wire() == resource.status_on_server:
            self._shown = resource, (self._generation, shown_by(result))  # else somebody else wrote in between

    async def report_progress(self, progress: MigrationProgress) -> None:
        """Show in the status what a long migration does."""
        await self._write(lambda previous: status_in_progress(previous, progress, self._generation, datetime.now(UTC)))

    async def reject(self, error: ConfigurationError) -> None:
        """Show in the status that the spec cannot be read."""
        resource = self.resource
        generation = self._generation if resource is None else resource.generation

        def status(previous: DashboardDatabaseStatus) -> DashboardDatabaseStatus:
            now = datetime.now(UTC)
            return status_of_invalid_spec(error.message, generation=generation, previous=previous, now=now)

        await self._show(status)

    async def _show(self, make: _MakeStatus) -> DashboardDatabaseStatus | None:
        """Write a status, and post the events that are due and those that its change means; see `_write`."""
        changed = await self._write(make)
        if changed is None:
            return None
        events, self._unposted = (*self._unposted, *events_between(*changed)), ()
        for event in events:
            await self._post(event)
        return changed[1]

    async def _tell_unknown_fields(self, resource: Resource) -> None:
        """Post once for each generation which fields of the spec are left out of account."""
        if resource.generation == self._told_generation:  # at nearly every look, which is to parse nothing
            return
        self._told_generation = resource.generation
        told_before = resource.status.observed_generation == resource.generation
        if not told_before and (unknown := resource.unknown_fields):
            await self._post(Event("SpecFieldUnknown", unknown_fields_text(unknown), warning=True))

    async def _write(self, make: _MakeStatus) -> _Change | None:
        """Write the status that MAKE returns for the one that is there, if they differ.

        Returns:
            Both, also where the API server refuses to store it: events tell the change then. None where the resource
            is gone.

        Raises:
            NotLeading: another replica may write now.
            ApiUnavailable: it was not written, and may be if it is tried again.
        """
        for _ in range(MOST_CONFLICTS):
            resource = self.resource
            if resource is None:  # gone while the reconcile ran
                return None
            previous = self._known_status(resource)
            status = make(previous)
            wire = status.to_wire()
            if wire == resource.status_on_server:
                self._note_stored(resource)
                return previous, status
            if self._tried_in_vain(status, resource):
                return previous, status
            await self._fence()
            try:
                written = await self._client.write_status(resource, wire)
            except StatusConflict as conflict:  # a user changed the resource, or another replica its status
                if self.resource is resource:  # even one with a lower version: after a restore, that is the newest
                    self._take_up(conflict.found, resource)
                continue
            except ApiUnavailable as error:
                if not self._refusals.lasts(error.status):
                    raise
                self._note_refused(resource, status, error)
                return previous, status
            self._refusals.stored()
            self._note_stored(resource)
            if written is None:
                self.vanished()
                return None
            # A change of the spec that came in between is not lost: its generation is not the one we know.
            self.observe(written)
            pruned = written.status_on_server != wire
            self._kept_back = _KeptBack(status, written.status_json) if pruned else None
            return previous, status
        raise ApiUnavailable(f"write a status in {self._namespace}", HTTPStatus.CONFLICT)

    def _note_refused(self, resource: Resource, status: DashboardDatabaseStatus, error: ApiUnavailable) -> None:
        """Keep back a status that the API server does not store, and say so."""
        if self._store.note_status_refused(resource.key, error.message):
            log.warning("a status cannot be written", error=error.message)
        self._kept_back = _KeptBack(status, resource.status_json, time.monotonic())

    def _note_stored(self, resource: Resource) -> None:
        """Note that the API server has the wanted status, so that none is kept back, and none counts as refused."""
        self._kept_back = None
        self._store.note_status_refused(resource.key, None)

    def _known_status(self, resource: Resource) -> DashboardDatabaseStatus:
        """Return the status that was shown last, as it was before the API server refused it or left out a part."""
        kept = self._kept_back
        return kept.status if kept is not None and kept.on_server == resource.status_json else resource.status

    def _tried_in_vain(self, status: DashboardDatabaseStatus, resource: Resource) -> bool:
        """Return True where another write of STATUS would change nothing."""
        kept = self._kept_back
        if kept is None or (kept.status, kept.on_server) != (status, resource.status_json):
            return False
        return time.monotonic() - kept.refused_at < REFUSED_SECONDS

    async def _post(self, event: Event) -> None:
        """Post an event; where that fails, the condition says the same, and no reconcile is repeated for it."""
        if (resource := self.resource) is None:
            return
        await self._fence()
        (log.warning if event.warning else log.info)(event.message, reason=event.reason, posted=True)
        try:
            await self._client.post_event(resource, event)
        except ApiUnavailable as error:
            log_failure("event not posted", error.message, told_once=error.told_once, reason=event.reason)
