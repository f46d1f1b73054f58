"""Start and end of the operator: API client, election, kopf, reconcile loops; in this order, and back."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus

import structlog

from controller.errors import ConfigurationError
from controller.health.role import Role
from controller.health.store import ReportStore
from controller.migrate.files.source import MigrationSource
from controller.operator.client import ApiUnavailable, Client
from controller.operator.credentials import Logins, load_configuration
from controller.operator.election import Election
from controller.operator.reviews import AccessReviews
from controller.operator.settings import LeaseSettings, OperatorSettings
from controller.operator.work import Work, first_done
from controller.runtime.signals import StopSignal

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 10.0
"""Seconds between two checks whether the API server still answers."""
HEARTBEAT_CALLS = 2
"""Calls of one of them for each namespace: a list, and a watch that is only opened."""


@dataclass(slots=True)
class Operator:
    """Running operator, as its web server sees it."""

    store: ReportStore = field(default_factory=ReportStore)
    _trouble: str | None = "the API server was not asked yet"
    _reviews: AccessReviews | None = None
    _election: Election | None = None
    _working: bool = False
    _stop: StopSignal | None = None

    def not_ready(self) -> str | None:
        """Return why it can neither serve nor take over; None where it can."""
        if self._stop is not None and self._stop.is_set():
            return "it is about to end"
        if self._trouble is not None:
            return f"not watching: {self._trouble}"
        if (refused := self.store.status_refused_for) is not None:
            return f"cannot write the status of a resource: {refused}"
        trouble = None if self._election is None else self._election.trouble
        return f"cannot take part in the election: {trouble}" if trouble else None

    def role(self) -> Role | None:
        """Return its part in the election; None where there is none."""
        if self._election is None:
            return None
        role = self._election.role
        return replace(role, standby=role.standby and not self._working)

    async def may_read(self, token: str, verb: str, path: str, address: str) -> HTTPStatus:
        """Return whether the owner of TOKEN may read an endpoint, as the API server says."""
        if self._reviews is None:
            return HTTPStatus.SERVICE_UNAVAILABLE
        return await self._reviews.decide(token, verb, path, address)

    async def run(self, wanted: OperatorSettings, stop: StopSignal) -> None:
        """Work until `stop` is set.

        Raises:
            ConfigurationError: no way to the API server, or the CRD is not installed.
            MigrationFileError: the migrations cannot be used.
        """
        self._stop, self.store.watching = stop, False
        if wanted.shard.count > 1:
            log.info("looking after one shard of the resources", shard=str(wanted.shard))
        # Else the first migration of all would wait for it.
        import controller.migrate.run.runner  # noqa: F401, PLC0415

        source = MigrationSource(wanted.migrations)
        source.read()  # a bad folder is said at the start, not in every resource
        configuration = await load_configuration(wanted.kubeconfig, wanted.context)
        client = Client(configuration, instance=socket.gethostname())
        self._reviews = AccessReviews(client)
        try:
            await self._until_reachable(client, wanted.namespaces, stop)
            async with self._heartbeat(client, wanted.namespaces):
                reload = partial(load_configuration, wanted.kubeconfig, wanted.context)
                work = Work(wanted, Logins(configuration, reload), client, self.store, source.read, stop)
                if wanted.lease is None:
                    await work.run()
                else:
                    await self._work_while_leading(work, wanted.lease)
        finally:
            await client.close()

    async def _work_while_leading(self, work: Work, lease: LeaseSettings) -> None:
        """Take part in the election until the process is to stop; work whenever this replica leads."""
        client = Client(work.logins.configuration, instance=socket.gethostname())
        identity = f"{socket.gethostname()}_{secrets.token_hex(4)}"
        self._election = Election(client, lease.path, identity, lease.times)
        try:
            async with self._election.running():
                log.info("standby", identity=identity)
                while not work.stop.is_set():
                    await first_done(self._election.began.wait(), work.stop.wait())
                    term = self._election.term
                    if term is not None and not term.ended.is_set() and not work.stop.is_set():
                        self._working = True
                        try:
                            await work.run(term, self._election.release)
                        finally:
                            self._working = False
        finally:
            await client.close()

    async def _until_reachable(self, client: Client, namespaces: Sequence[str], stop: StopSignal) -> None:
        """Wait until the API server lists the resources of one namespace at least.

        Raises:
            ConfigurationError: the CRD is missing, a mistake of the installation.
        """
        while not stop.is_set():
            errors = await _ping(client, namespaces)
            if any(error.status == HTTPStatus.NOT_FOUND for error in errors.values()):
                raise ConfigurationError(
                    "The cluster does not know DashboardDatabase. Apply its CRD: kubectl apply -f crds/."
                )
            if len(errors) < max(1, len(namespaces)):
                return
            log.warning("waiting for the API server", error=_worst(errors))
            with suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await stop.wait()

    @asynccontextmanager
    async def _heartbeat(self, client: Client, namespaces: Sequence[str]) -> AsyncIterator[None]:
        """Keep `_trouble` up to date while the API server answers or not; readiness follows it."""

        async def beat() -> None:
            while True:
                errors = await _ping(client, namespaces, watch=True)
                trouble = _worst(errors) if errors else None
                if trouble is not None and trouble != self._trouble:
                    log.warning("the API server cannot be used", error=trouble)
                elif trouble is None and self._trouble is not None:
                    log.info("the API server answers")
                self._trouble, self.store.watching = trouble, trouble is None
                await asyncio.sleep(HEARTBEAT_SECONDS)

        task = asyncio.create_task(beat(), name="heartbeat")
        try:
            yield
        finally:
            task.cancel()


async def _ping(client: Client, namespaces: Sequence[str], *, watch: bool = False) -> dict[str | None, ApiUnavailable]:
    """Return why the resources of a namespace cannot be listed, for each where it is so; None stands for all.

    Args:
        watch: or watched. Without that right alone, changes are still found by the list of once a minute.
    """
    asked: Sequence[str | None] = namespaces or (None,)
    errors = {}
    for namespace in asked:
        try:
            await client.ping(namespace, watch=watch)
        except ApiUnavailable as error:
            if error.status == 0:  # no answer: the others would get none either
                return dict.fromkeys(asked, error)
            errors[namespace] = error
    return errors


def _worst(errors: Mapping[str | None, ApiUnavailable]) -> str:
    """Return the error of the first namespace, and the names of the others."""
    (namespace, first), *others = errors.items()
    where = f"namespace {namespace}: " if namespace and first.status else ""
    more = f" The same for: {', '.join(str(name) for name, _ in others)}." if others else ""
    return f"{where}{first.message}{more}"
