"""All resources of this process, those of its shard: one reconcile loop for each."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from functools import partial

import structlog

from controller.database.pool.server_places import Servers
from controller.health.report import Key
from controller.health.store import ReportStore
from controller.migrate.files.migration import Migrations
from controller.operator.adapter import ResourceAdapter
from controller.operator.client import Client, Listing
from controller.operator.inputs import ResourceLimits
from controller.operator.resource import Resource
from controller.operator.secrets import SecretReads
from controller.operator.shard import WHOLE, Shard
from controller.reconcile.claims import Claims
from controller.reconcile.loop import ReconcileLoop
from controller.reconcile.turns import Turns
from controller.runtime.fence import Fence, unfenced
from controller.runtime.waits import Waits

WATCH_LAG_SECONDS = 2.0
"""Seconds by which the watch may lag behind a list without having missed anything."""
STOP_SECONDS = 8.0
"""Seconds for running reconciles to roll back when the process ends; within the 10 s that a Pod has to stop."""


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
        shard: Shard = WHOLE,
        fence: Fence = unfenced,
    ) -> None:
        """Begin without resources; FENCE is asked before each change of a database, a status or an event."""
        self._client = client
        self._store = store
        self._migrations = migrations
        self._service_namespace = service_namespace
        self._limits = limits
        self._shard = shard
        self._fence = fence
        store.connection_waits = waits = Waits()
        self._turns = Turns(on_a_server=connections_per_server, waits=waits)
        self._servers = Servers(connections_per_server, waits)
        self._claims = Claims()
        self._listed: dict[str | None, int] = {}
        """Version of the last list of each namespace, or of all; a lower one comes from a backup of etcd."""
        self._running: dict[Key, _Running] = {}
        self._reads = SecretReads(lambda: len(self._running))
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
        # A task keeps the context that it began in; kopf's holds the whole object of the API, with managedFields.
        Context().run(self._start, resource)

    def forget(self, resource: Resource) -> None:
        """End the loop of a resource that is gone: what runs for it is rolled back, its data stays.

        A file without a transaction runs to its end first, since a part of it would stay.
        """
        running = self._running.get(resource.key)
        if running is not None and running.uid == resource.uid:
            self._end(running)

    async def compare(self, namespace: str | None) -> int:
        """List what there is in NAMESPACE, None for all; take up deletions and changes that the watch has not told.

        Returns:
            How many deletions, changes and new resources the watch has missed. The new ones are not taken up: a watch
            that begins anew lists them all.

        Raises:
            ApiUnavailable: no answer.
        """
        listed = await self._client.list_versions(namespace)
        restored, self._listed[namespace] = listed.version < self._listed.get(namespace, 0), listed.version
        known = [each for each in self._running.values() if namespace in (None, each.loop.key[0])]
        differing = [each for each in known if restored or _differs(each, listed)]
        absent = [key for key in listed.resources if key not in self._running and self._shard.holds(key)]
        if differing or absent:
            await asyncio.sleep(WATCH_LAG_SECONDS)
        missed = [
            each
            for each in differing
            if self._running.get(each.loop.key) is each and (restored or _differs(each, listed))
        ]
        for running in missed:
            await self._take_up(running, listed, restored=restored)
        return len(missed) + sum(key not in self._running for key in absent)

    async def _take_up(self, running: _Running, listed: Listing, *, restored: bool) -> None:
        namespace, name = running.loop.key
        uid, _ = listed.resources.get(running.loop.key, ("", 0))
        if uid != running.uid:
            running.adapter.vanished()
        elif (found := await self._client.read_resource(namespace, name)) is not None:
            if restored and found.uid == running.uid:
                running.adapter.restored(found)
            else:
                self.observe(found)

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
            resource,
            self._client,
            self._reads,
            service_namespace=namespace,
            limits=self._limits,
            store=self._store,
            fence=self._fence,
        )
        loop = ReconcileLoop(
            adapter,
            key=resource.key,
            store=self._store,
            migrations=self._migrations,
            turns=self._turns,
            servers=self._servers,
            claim=partial(self._claims.claim, resource.key, resource.created),
            fence=self._fence,
        )
        task = asyncio.create_task(_run(loop), name=f"loop {resource.key}")
        self._running[resource.key] = running = _Running(resource.uid, adapter, loop, task)
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._ended(running))

    def _end(self, running: _Running) -> None:
        del self._running[running.loop.key]
        self._store.remove(running.loop.key)
        self._claims.release(running.loop.key)
        if running.loop.leaves_part:
            running.adapter.vanished()
        else:
            running.task.cancel()

    def _ended(self, running: _Running) -> None:
        self._tasks.discard(running.task)
        if self._running.get(running.loop.key) is running:  # it saw by itself that the resource is gone
            self._end(running)
        elif running.loop.key not in self._running:  # it has shown its result since
            self._store.remove(running.loop.key)


def _differs(running: _Running, listed: Listing) -> bool:
    """Return True where a list says something else of a resource than is known, and is not older."""
    resource = running.adapter.resource
    if resource is None or resource.version > listed.version:
        return False
    uid, version = listed.resources.get(resource.key, ("", 0))
    return uid != running.uid or version > resource.version


async def _run(loop: ReconcileLoop) -> None:
    namespace, name = loop.key
    structlog.contextvars.bind_contextvars(namespace=namespace, name=name)
    await loop.run()
