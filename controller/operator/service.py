"""Start and end of the operator: API client, kopf, reconcile loops; in this order, and back."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import kopf
import structlog
from kubernetes.aio.client import Configuration

from controller.errors import ConfigurationError
from controller.health.store import ReportStore
from controller.migrate.files.migration import Migrations
from controller.migrate.files.source import MigrationSource
from controller.operator.adapter import ResourceLimits
from controller.operator.client import ApiUnavailable, Client
from controller.operator.credentials import in_cluster, load_configuration
from controller.operator.handlers import registry
from controller.operator.kopf_settings import settings
from controller.operator.reviews import AccessReviews
from controller.operator.supervisor import Supervisor
from controller.runtime.logs import log_fault
from controller.runtime.signals import StopSignal

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 10.0
"""Seconds between two checks whether the API server still answers."""
LIST_EVERY = 6
"""Heartbeats between two lists of all resources, by which what the watch has missed is found within a minute."""


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """Options of the operator.

    Attributes:
        namespaces: to watch; none means all.
        migrations: folder with the migration files.
        limits: for every resource.
        connections_per_server: at the same time, for all databases on one server together.
    """

    namespaces: tuple[str, ...]
    kubeconfig: Path | None
    context: str | None
    migrations: Path
    limits: ResourceLimits = field(default_factory=ResourceLimits)
    connections_per_server: int = 5


@dataclass(slots=True)
class Operator:
    """Running operator, as its web server sees it."""

    store: ReportStore = field(default_factory=ReportStore)
    watching: bool = False
    _reviews: AccessReviews | None = None

    def not_ready(self) -> str | None:
        """Return why it cannot serve; None where it can."""
        return None if self.watching else "not watching the cluster yet, or the API server does not answer"

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
        # Else the first migration of all would wait for it.
        import controller.migrate.run.runner  # noqa: F401, PLC0415

        source = MigrationSource(wanted.migrations)
        source.read()  # a bad folder is said at the start, not in every resource
        configuration = await load_configuration(wanted.kubeconfig, wanted.context)
        client = Client(configuration, instance=socket.gethostname())
        self._reviews = AccessReviews(client)
        try:
            await self._watch(wanted, configuration, client, source.read, stop)
        finally:
            await client.close()

    async def _watch(
        self,
        wanted: OperatorSettings,
        configuration: Configuration,
        client: Client,
        migrations: Callable[[], Migrations],
        stop: StopSignal,
    ) -> None:
        supervisor = Supervisor(
            client=client,
            store=self.store,
            migrations=migrations,
            service_namespace=(lambda namespace: namespace) if in_cluster() else lambda _: None,
            limits=wanted.limits,
            connections_per_server=wanted.connections_per_server,
        )
        await self._until_reachable(client, wanted.namespaces, stop)
        kopf_stop = asyncio.Event()
        async with self._heartbeat(client, supervisor, wanted.namespaces):
            kopf_run = _run_kopf(supervisor, configuration, wanted.namespaces, stop, kopf_stop)
            watching = asyncio.create_task(kopf_run, name="kopf")
            stopping = asyncio.create_task(stop.wait(), name="stop")
            await asyncio.wait({watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
            self.watching = False
            log.info("stopping")
            await supervisor.stop()
            kopf_stop.set()
            stopping.cancel()
            await watching

    async def _until_reachable(self, client: Client, namespaces: Sequence[str], stop: StopSignal) -> None:
        """Wait for the API server; a missing CRD is a mistake of the installation, reported at once."""
        while not stop.is_set():
            try:
                await client.ping(namespaces[0] if namespaces else None)
            except ApiUnavailable as error:
                if error.status == 404:  # noqa: PLR2004
                    raise ConfigurationError(
                        "The cluster does not know DashboardDatabase. Install it: kubectl apply -k manifests/."
                    ) from None
                log.warning("waiting for the API server", error=error.message)
                with suppress(TimeoutError):
                    async with asyncio.timeout(2):
                        await stop.wait()
            else:
                return

    @asynccontextmanager
    async def _heartbeat(
        self, client: Client, supervisor: Supervisor, namespaces: Sequence[str]
    ) -> AsyncIterator[None]:
        """Keep `watching` true while the API server answers; readiness follows it."""

        async def beat() -> None:
            for number in itertools.count(1):
                try:
                    await client.ping(namespaces[0] if namespaces else None)
                    self.watching = True
                except ApiUnavailable as error:
                    self.watching = False
                    log.warning("the API server cannot be used", error=error.message)
                if self.watching and number % LIST_EVERY == 0:
                    await _compare(supervisor, namespaces)
                await asyncio.sleep(HEARTBEAT_SECONDS)

        task = asyncio.create_task(beat(), name="heartbeat")
        try:
            yield
        finally:
            task.cancel()


async def _compare(supervisor: Supervisor, namespaces: Sequence[str]) -> None:
    """Find what the watch has missed; where that fails, the next time is soon enough."""
    try:
        await supervisor.compare(namespaces)
    except ApiUnavailable as error:
        log.warning("resources not listed", error=error.message)
    except Exception as fault:  # noqa: BLE001 - the heartbeat has to go on
        log_fault(fault)


async def _run_kopf(
    supervisor: Supervisor,
    configuration: Configuration,
    namespaces: Sequence[str],
    stop: StopSignal,
    kopf_stop: asyncio.Event,
) -> None:
    """Run kopf inside our event loop.

    It cancels every task that began after it, and takes the signals: we take them back.
    """
    before = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=registry(supervisor, configuration),
        settings=settings(),
        standalone=True,
        # kopf's own guess needs a user name, which many a uid in a Pod has not; its type has no public name
        identity=socket.gethostname(),  # type: ignore[arg-type]
        clusterwide=not namespaces,
        namespaces=namespaces,
        stop_flag=kopf_stop,
    )
    stop.install()
    await kopf.run_tasks(tasks, ignored=before)
