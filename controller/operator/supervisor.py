"""All resources of this process: one loop each."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from controller.health.store import Board, Key
from controller.migrate.files.folder import Migrations
from controller.operator.client import Client
from controller.operator.resource_loop import ResourceLoop
from controller.reconcile.limiter import Slots

STOP_SECONDS = 8.0
"""For turns under way to roll back when the process ends; within the 10 s that a Pod is promised."""

ACTIONS_AT_ONCE = 4
"""Resources on which something is being done; a hundred at once on one server would hinder each other."""


@dataclass(frozen=True, slots=True)
class _Member:
    uid: str
    loop: ResourceLoop
    task: asyncio.Task[None]


class Fleet:
    """Starts a loop when a resource appears and ends it when the resource is gone."""

    def __init__(
        self,
        *,
        client: Client,
        board: Board,
        migrations: Callable[[], Migrations],
        service_namespace: Callable[[str], str | None],
    ) -> None:
        self._client = client
        self._board = board
        self._migrations = migrations
        self._service_namespace = service_namespace
        self._slots = Slots(ACTIONS_AT_ONCE)
        self._members: dict[Key, _Member] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    def observe(self, body: dict[str, Any]) -> None:
        """Takes up one resource as the watch shows it."""
        if self._stopping:
            return
        key, uid = (body["metadata"]["namespace"], body["metadata"]["name"]), body["metadata"]["uid"]
        member = self._members.get(key)
        if member is not None and member.uid == uid:
            member.loop.observe(body)
            return
        if member is not None:  # nobody told of its end: it was in a gap of the watch
            self._let_go(member)
        loop = ResourceLoop(
            body,
            client=self._client,
            board=self._board,
            migrations=self._migrations,
            service_namespace=self._service_namespace,
            slots=self._slots,
        )
        task = asyncio.create_task(loop.run(), name=f"loop {key}")
        self._members[key] = member = _Member(uid, loop, task)
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._ended(member))

    def forget(self, body: dict[str, Any]) -> None:
        """The resource is gone: what runs for it is rolled back, its data stays."""
        member = self._members.get((body["metadata"]["namespace"], body["metadata"]["name"]))
        if member is not None and member.uid == body["metadata"]["uid"]:
            self._let_go(member)

    async def stop(self) -> None:
        """Ends all loops; turns under way roll back."""
        self._stopping = True
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)

    def _let_go(self, member: _Member) -> None:
        del self._members[member.loop.key]
        self._board.remove(member.loop.key)
        member.task.cancel()

    def _ended(self, member: _Member) -> None:
        self._tasks.discard(member.task)
        if self._members.get(member.loop.key) is member:  # it saw by itself that the resource is gone
            self._let_go(member)
