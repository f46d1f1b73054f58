"""All resources of this process: one reconcile loop for each."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from controller.database.pool.server_places import Servers
from controller.health.report import Key
from controller.health.store import ReportStore
from controller.migrate.files.migration import Migrations
from controller.operator.adapter import ResourceAdapter, ResourceLimits
from controller.operator.client import Client
from controller.operator.resource import Resource
from controller.reconcile.limiter import Limiter
from controller.reconcile.loop import ReconcileLoop
from controller.runtime.fence import Fence, unfenced

STOP_SECONDS = 8.0
"""Seconds for running reconciles to roll back when the process ends; within the 10 s that a Pod has to stop."""

ACTIONS_AT_ONCE = 4
"""Most resources with an action at the same time; a hundred actions on one server would slow each other down."""


@dataclass(frozen=True, slots=True)
class _Running:
    uid: str
    adapter: ResourceAdapter
    loop: ReconcileLoop
    task: asyncio.Task[None]


class Supervisor:
    """Starts a loop when a resource appears, and ends it when the resource is gone."""

    def __init__(
        self,
        *,
        client: Client,
        store: ReportStore,
        migrations: Callable[[], Migrations],
        service_namespace: Callable[[str], str | None],
        limits: ResourceLimits,
        connections_per_server: int,
        fence: Fence = unfenced,
    ) -> None:
        """Begin without resources; FENCE is asked before each change of a database, a status or an event."""
        self._client = client
        self._store = store
        self._migrations = migrations
        self._service_namespace = service_namespace
        self._limits = limits
        self._fence = fence
        self._limiter = Limiter(ACTIONS_AT_ONCE)
        self._servers = Servers(connections_per_server)
        self._running: dict[Key, _Running] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    def observe(self, resource: Resource) -> None:
        """Take up one resource as the watch shows it."""
        if self._stopping:
            return
        running = self._running.get(resource.key)
        if running is not None and running.uid == resource.uid:
            running.adapter.observe(resource)
            return
        if running is not None:  # its deletion was never reported: it fell into a gap of the watch
            self._end(running)
        self._start(resource)

    def forget(self, resource: Resource) -> None:
        """End the loop of a resource that is gone: what runs for it is rolled back, its data stays."""
        running = self._running.get(resource.key)
        if running is not None and running.uid == resource.uid:
            self._end(running)

    async def stop(self) -> None:
        """End all loops; reconciles under way roll back."""
        self._stopping = True
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)

    def _start(self, resource: Resource) -> None:
        namespace = self._service_namespace(resource.namespace)
        adapter = ResourceAdapter(
            resource, self._client, service_namespace=namespace, limits=self._limits, fence=self._fence
        )
        loop = ReconcileLoop(
            adapter,
            key=resource.key,
            store=self._store,
            migrations=self._migrations,
            limiter=self._limiter,
            servers=self._servers,
            fence=self._fence,
        )
        task = asyncio.create_task(_run(loop), name=f"loop {resource.key}")
        self._running[resource.key] = running = _Running(resource.uid, adapter, loop, task)
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._ended(running))

    def _end(self, running: _Running) -> None:
        del self._running[running.loop.key]
        self._store.remove(running.loop.key)
        running.task.cancel()

    def _ended(self, running: _Running) -> None:
        self._tasks.discard(running.task)
        if self._running.get(running.loop.key) is running:  # it saw by itself that the resource is gone
            self._end(running)


async def _run(loop: ReconcileLoop) -> None:
    namespace, name = loop.key
    structlog.contextvars.bind_contextvars(namespace=namespace, name=name)
    await loop.run()
