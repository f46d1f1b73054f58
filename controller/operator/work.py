"""The work of the replica that acts: the watch of the resources, and a loop for each."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import kopf
import structlog

from controller.health.store import ReportStore
from controller.migrate.files.migration import Migrations
from controller.operator.client import ApiUnavailable, Client
from controller.operator.credentials import Logins, in_cluster
from controller.operator.election import Term
from controller.operator.handlers import registry
from controller.operator.kopf_settings import API_BACKOFF, settings
from controller.operator.settings import OperatorSettings
from controller.operator.supervisor import Supervisor
from controller.runtime.fence import unfenced
from controller.runtime.logs import log_failure, log_fault
from controller.runtime.signals import StopSignal

log = structlog.get_logger(__name__)

LIST_SECONDS = 60.0
"""Seconds between two lists of all resources, by which a deletion or a change that the watch has missed is found."""


async def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Work:
    """Work with all that it needs; it may be run again after its end.

    Attributes:
        store: gets a report of each database, and is left empty.
        migrations: reads the files.
        stop: set once the process is to end.
    """

    settings: OperatorSettings
    logins: Logins
    client: Client
    store: ReportStore
    migrations: Callable[[], Migrations]
    stop: StopSignal

    async def run(self, term: Term | None = None, give_way: Callable[[], Awaitable[None]] = _nothing) -> None:
        """Work until the process is to stop, or the term has ended; what is under way then is rolled back.

        Args:
            term: None for an operator that is alone, and always acts.
            give_way: called before the process ends, once nothing is under way any more.
        """
        supervisor = Supervisor(
            client=self.client,
            store=self.store,
            migrations=self.migrations,
            service_namespace=(lambda namespace: namespace) if in_cluster() else lambda _: None,
            limits=self.settings.limits,
            shard=self.settings.shard,
            connections_per_server=self.settings.connections_per_server,
            fence=term.confirm if term else unfenced,
        )
        missing = asyncio.Event()
        async with self._watching(supervisor, missing) as watching, self._comparing(supervisor, missing):
            await first_done(watching, self.stop.wait(), *([term.ended.wait()] if term else []))
            log.info("stopping" if self.stop.is_set() else "standing by")
            await supervisor.stop()
            if self.stop.is_set():
                await give_way()

    @asynccontextmanager
    async def _watching(self, supervisor: Supervisor, missing: asyncio.Event) -> AsyncIterator["asyncio.Task[None]"]:
        """Run kopf for the time of a `with`; yield its task, which does not end by itself."""
        ending = asyncio.Event()
        task = asyncio.create_task(self._keep_watching(supervisor, ending, missing), name="kopf")
        try:
            yield task
        finally:
            ending.set()
            await task

    async def _keep_watching(self, supervisor: Supervisor, ending: asyncio.Event, missing: asyncio.Event) -> None:
        """Run kopf until ENDING is set, and again where it gives up, as on a CRD that is gone, or while MISSING is set.

        Args:
            missing: the watch has missed something, so it may be dead.
        """
        failures = 0
        while not ending.is_set():
            began, stop = time.monotonic(), asyncio.Event()
            missing.clear()
            running = asyncio.create_task(self._run_kopf(supervisor, stop), name="kopf run")
            await first_done(running, ending.wait(), missing.wait())
            stop.set()
            try:
                await running
            except Exception as error:  # noqa: BLE001 - its errors have no public class
                failures = failures + 1 if time.monotonic() - began < API_BACKOFF.longest else 0
                status = getattr(error, "status", None)
                log.warning("the watch ended, and begins anew", error=type(error).__name__, status=status)
                # Without an error it ended since it had missed something, and begins anew at once.
                if not ending.is_set():
                    await first_done(ending.wait(), asyncio.sleep(API_BACKOFF.pause(failures, 0.0)))
            self.store.watch_restarts += not ending.is_set()

    @asynccontextmanager
    async def _comparing(self, supervisor: Supervisor, missing: asyncio.Event) -> AsyncIterator[None]:
        """List all resources now and then for the time of a `with`; set MISSING if the watch has missed something."""

        async def compare() -> None:
            while True:
                await asyncio.sleep(LIST_SECONDS)
                for namespace in self.settings.namespaces or (None,):
                    try:
                        count = await supervisor.compare(namespace)
                        if count:
                            log.warning("the watch has missed changes, and begins anew", count=count)
                            missing.set()
                    except ApiUnavailable as error:
                        log_failure("resources not listed", error.message, told_once=error.told_once)
                    except Exception as fault:  # noqa: BLE001 - the next list may do better
                        log_fault(fault)

        task = asyncio.create_task(compare(), name="compare")
        try:
            yield
        finally:
            task.cancel()

    async def _run_kopf(self, supervisor: Supervisor, ending: asyncio.Event) -> None:
        """Run kopf inside our event loop; it takes the signals, and we take them back."""
        namespaces = self.settings.namespaces
        self.logins.begin()
        tasks = await kopf.spawn_tasks(
            registry=registry(supervisor, self.logins, self.settings.shard),
            settings=settings(),
            standalone=True,
            # kopf's own guess needs a user name, which many a uid in a Pod has not; its type has no public name
            identity=socket.gethostname(),  # type: ignore[arg-type]
            clusterwide=not namespaces,
            namespaces=namespaces,
            stop_flag=ending,
        )
        self.stop.install()
        await kopf.run_tasks(tasks, ignored=_EveryTask())


class _EveryTask(frozenset["asyncio.Task[None]"]):
    """All tasks of the process, also those that begin later: kopf cancels all others at its end, not only its own.

    Those that it did not end by itself are its watchers' workers, which have nothing left to do.
    """

    def __contains__(self, _: object) -> bool:
        return True


async def first_done(*waits: Awaitable[object]) -> None:
    """Wait until one of WAITS is done; coroutines are cancelled then, and tasks go on."""
    tasks = [asyncio.ensure_future(each) for each in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task, given in zip(tasks, waits, strict=True):
            if task is not given:
                task.cancel()
