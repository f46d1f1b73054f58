"""One DashboardDatabase for the reconcile loop: its spec and Secrets come in, its status and events go out."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TypeAlias

import structlog

from controller.database.addresses import ALL_ADDRESSES, AddressRules
from controller.database.secret import NamedSecret, SecretData, target_from_secrets
from controller.database.target import Target
from controller.desired import Desired
from controller.errors import ConfigurationError
from controller.operator.client import ApiUnavailable, Client, StatusConflict
from controller.operator.resource import Resource
from controller.operator.secrets import SecretReads, SecretsOfResource
from controller.operator.status import events_between, shown_by, status_in_progress, status_of, status_of_invalid_spec
from controller.reconcile.result import Event, MigrationProgress, ReconcileResult
from controller.resource.spec import DashboardDatabaseSpec, to_desired
from controller.resource.status import DashboardDatabaseStatus
from controller.runtime.fence import Fence

log = structlog.get_logger(__name__)

NOT_THE_SECRETS_FAULT = frozenset(
    ("ConnectionLost", "ConnectionRefused", "NetworkUnreachable", "ServerNotReady", "Timeout", "TooManyConnections")
)
"""Reasons of a server that is down or full: its Secrets are read in their turn, and not at each try."""
MOST_CONFLICTS = 5
"""Most tries of one status write while others change the resource; then the next result is written."""

_Change: TypeAlias = tuple[DashboardDatabaseStatus, DashboardDatabaseStatus]
"""Status before and after a write."""


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """Limits that whoever runs the operator sets for all resources.

    Attributes:
        shortest_interval: seconds between two checks of a database at least, whatever its resource asks for.
        plaintext_allowed: a resource may say sslMode disable where its Secret says nothing.
        address_rules: addresses at which no database is dialled.
    """

    shortest_interval: float = 5.0
    plaintext_allowed: bool = False
    address_rules: AddressRules = ALL_ADDRESSES


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Resource and Secrets as they were read, and the desired state that they give."""

    resource: Resource
    secrets: Mapping[str, SecretData | None]
    desired: Desired


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
        fence: Fence,
    ) -> None:
        """Take up RESOURCE; a host without a dot is a Service in SERVICE_NAMESPACE, None outside a cluster.

        FENCE is asked before each write to the API server.
        """
        self.changed = asyncio.Event()
        self.resource: Resource | None = resource
        self._generation = resource.generation
        self._unposted: tuple[Event, ...] = ()
        self._client = client
        self._service_namespace = service_namespace
        self._limits = limits
        self._fence = fence
        self._namespace = resource.namespace
        self._secrets = SecretsOfResource(client, reads, resource.namespace)
        self._in_doubt = False
        self._kept: _Inputs | None = None
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
            ApiUnavailable: a Secret that was never seen could not be read.
        """
        resource, kept = self.resource, self._kept
        if resource is None or resource.deleting:
            return None
        self._generation = resource.generation
        same = kept is not None and kept.resource is resource
        names = kept.secrets.keys() if same and kept else self._secret_names(resource)
        secrets = {name: await self._secrets.read(name, in_doubt=self._in_doubt or not due) for name in names}
        if not same or kept is None or any(secrets[name] is not kept.secrets[name] for name in names):
            kept = self._kept = _Inputs(resource, secrets, self._desired(resource, secrets))
        return kept.desired

    def _secret_names(self, resource: Resource) -> set[str]:
        """Return the Secrets that the spec names, and forget all others."""
        wanted = _spec_of(resource).connection
        ca = wanted.ca_secret_ref
        self._secrets.keep(wanted.secret_names, ca.key if ca else None)
        return wanted.secret_names

    def _desired(self, resource: Resource, secrets: Mapping[str, SecretData | None]) -> Desired:
        spec = _spec_of(resource)
        return to_desired(
            spec,
            self._target(spec, secrets),
            used_approval=resource.status.used_approval,
            shortest_interval=self._limits.shortest_interval,
        )

    async def inputs_changed(self) -> bool:
        """Return True where one of the Secrets is another one now, or the resource is gone."""
        return self.resource is None or await self._secrets.changed()

    def is_ready(self, result: ReconcileResult) -> bool:
        """Return True where the resource is Ready."""
        return result.ready

    async def report(self, result: ReconcileResult) -> None:
        """Write the status where it differs, and post what happened; after a failed write, with the next result."""
        error = result.observed.connection_error
        self._in_doubt = error is not None and error.reason not in NOT_THE_SECRETS_FAULT
        self._unposted += result.events
        if self._shown is not None and self.resource is not None and not self._unposted:
            shown, content = self._shown
            if shown is self.resource and content == (self._generation, shown_by(result)):
                return

        def status(previous: DashboardDatabaseStatus) -> DashboardDatabaseStatus:
            return status_of(result, generation=self._generation, previous=previous)

        changed = await self._write(status)
        if changed is None or self.resource is None:
            return
        if changed[1].to_wire() == self.resource.status_on_server:  # else somebody else wrote in between
            self._shown = self.resource, (self._generation, shown_by(result))
        events, self._unposted = (*self._unposted, *events_between(*changed)), ()
        for event in events:
            await self._post(event)

    async def report_progress(self, progress: MigrationProgress) -> None:
        """Show in the status what a long migration does."""
        await self._write(lambda previous: status_in_progress(previous, progress, self._generation, datetime.now(UTC)))

    async def reject(self, error: ConfigurationError) -> None:
        """Show in the status that the spec cannot be read."""
        await self._write(
            lambda previous: status_of_invalid_spec(
                error.message, generation=self._generation, previous=previous, now=datetime.now(UTC)
            )
        )

    def _target(
        self, spec: DashboardDatabaseSpec, secrets: Mapping[str, SecretData | None]
    ) -> Target | ConfigurationError:
        """Return the database that spec and Secrets name, or what is wrong with them."""

        def named(name: str) -> NamedSecret:
            return NamedSecret(name, secrets[name])

        wanted = spec.connection
        ca, client = wanted.ca_secret_ref, wanted.client_certificate_secret_ref
        try:
            target = target_from_secrets(
                named(wanted.secret_ref.name),
                ca=(named(ca.name), ca.key) if ca else None,
                client_certificate=named(client.name) if client else None,
                ssl_mode=wanted.ssl_mode,
                pooler=wanted.pooler,
                service_namespace=self._service_namespace,
                connect_timeout=spec.pool.connect_timeout_seconds,
                query_timeout=spec.pool.query_timeout_seconds,
                plaintext_allowed=self._limits.plaintext_allowed,
            )
            return replace(target, tenant=self._namespace, address_rules=self._limits.address_rules)
        except ConfigurationError as error:
            return error.with_traceback(None)  # which would keep the frames of this call, and all that is in them

    async def _write(self, make: Callable[[DashboardDatabaseStatus], DashboardDatabaseStatus]) -> _Change | None:
        """Write the status that MAKE returns for the one that is there, if they differ.

        Returns:
            Both; None where the resource is gone.

        Raises:
            NotLeading: another replica may write now.
            ApiUnavailable: it was not written.
        """
        for _ in range(MOST_CONFLICTS):
            resource = self.resource
            if resource is None:  # gone while the reconcile ran
                return None
            previous = resource.status
            change = previous, make(previous)
            wire = change[1].to_wire()
            if wire == resource.status_on_server:
                return change
            await self._fence()
            try:
                written = await self._client.write_status(resource, wire)
            except StatusConflict as conflict:  # a user changed the resource, or another replica its status
                if self.resource is resource:  # even one with a lower version: after a restore, that is the newest
                    self._take_up(conflict.found, resource)
                continue
            if written is None:
                self.vanished()
                return None
            # A change of the spec that came in between is not lost: its generation is not the one we know.
            self.observe(written)
            return change
        raise ApiUnavailable(f"write a status in {self._namespace}", HTTPStatus.CONFLICT)

    async def _post(self, event: Event) -> None:
        """Post an event; where that fails, the condition says the same, and no reconcile is repeated for it."""
        if (resource := self.resource) is None:
            return
        await self._fence()
        log.info("event", reason=event.reason, text=event.message)
        try:
            await self._client.post_event(resource, event)
        except ApiUnavailable as error:
            log.warning("event not posted", reason=event.reason, error=error.message)


def _spec_of(resource: Resource) -> DashboardDatabaseSpec:
    """Return the spec.

    Raises:
        ConfigurationError: it cannot be read.
    """
    spec = resource.spec
    if isinstance(spec, str):
        raise ConfigurationError(spec, reason="SpecInvalid")
    return spec
