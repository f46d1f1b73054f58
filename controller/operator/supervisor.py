"""All resources of this process: one loop each."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from controller.health.store import Key, ReportStore
from controller.migrate.files.migration import Migrations
from controller.operator.client import Client
from controller.operator.resource_loop import ResourceLoop
from controller.reconcile.limiter import Limiter

STOP_SECONDS = 8.0
"""For turns under way to roll back when the process ends; within the 10 s that a Pod is promised."""

ACTIONS_AT_ONCE = 4
"""Resources on which something is being done; a hundred at once on one server would hinder each other."""


@dataclass(frozen=True, slots=True)
class _RunningLoop:
    uid: str
    loop: ResourceLoop
    task: asyncio.Task[None]


class Supervisor:
    """Starts a loop when a resource appears and ends it when the resource is gone."""

    def __init__(
        self,
        *,
        client: Client,
        store: ReportStore,
        migrations: Callable[[], Migrations],
        service_namespace: Callable[[str], str | None],
    ) -> None:
        self._client = client
        self._store = store
        self._migrations = migrations
        self._service_namespace = service_namespace
        self._limiter = Limiter(ACTIONS_AT_ONCE)
        self._running: dict[Key, _RunningLoop] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    def observe(self, body: dict[str, Any]) -> None:
        """Takes up one resource as the watch shows it."""
        if self._stopping:
            return
        key, uid = (body["metadata"]["namespace"], body["metadata"]["name"]), body["metadata"]["uid"]
        running = self._running.get(key)
        if running is not None and running.uid == uid:
            running.loop.observe(body)
            return
        if running is not None:  # nobody told of its end: it was in a gap of the watch
            self._let_go(running)
        loop = ResourceLoop(
            body,
            client=self._client,
            store=self._store,
            migrations=self._migrations,
            service_namespace=self._service_namespace,
            limiter=self._limiter,
        )
        task = asyncio.create_task(loop.run(), name=f"loop {key}")
        self._running[key] = running = _RunningLoop(uid, loop, task)
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._ended(running))

    def forget(self, body: dict[str, Any]) -> None:
        """The resource is gone: what runs for it is rolled back, its data stays."""
        running = self._running.get((body["metadata"]["namespace"], body["metadata"]["name"]))
        if running is not None and running.uid == body["metadata"]["uid"]:
            self._let_go(running)

    async def stop(self) -> None:
        """Ends all loops; turns under way roll back."""
        self._stopping = True
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)

    def _let_go(self, running: _RunningLoop) -> None:
        del self._running[running.loop.key]
        self._store.remove(running.loop.key)
        running.task.cancel()

    def _ended(self, running: _RunningLoop) -> None:
        self._tasks.discard(running.task)
        if self._running.get(running.loop.key) is running:  # it saw by itself that the resource is gone
            self._let_go(running)
