"""All resources of this process: one loop each."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from controller.health.board import Board
from controller.migrate.files import Migrations
from controller.operator.client import Client
from controller.operator.resource_loop import ResourceLoop
from controller.reconcile.slots import Slots

log = structlog.get_logger(__name__)

STOP_SECONDS = 8.0
"""For turns under way to roll back when the process ends; within the 10 s that a Pod is promised."""

ACTIONS_AT_ONCE = 4
"""Migrations and seedings under way at the same time; a hundred on one server take twice as long as four by four."""


@dataclass(slots=True)
class _Member:
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
        self._members: dict[str, _Member] = {}

    def observe(self, body: dict[str, Any]) -> None:
        """Takes up one resource as the watch shows it."""
        uid = body["metadata"]["uid"]
        member = self._members.get(uid)
        if member is not None:
            member.loop.observe(body)
            return
        loop = ResourceLoop(
            body,
            client=self._client,
            board=self._board,
            migrations=self._migrations,
            service_namespace=self._service_namespace,
            slots=self._slots,
        )
        task = asyncio.create_task(loop.run(), name=f"loop {loop.key}")
        self._members[uid] = _Member(loop, task)
        task.add_done_callback(lambda done: self._ended(uid, done))

    def forget(self, uid: str) -> None:
        """The resource is gone: what runs for it is rolled back, its data stays."""
        if (member := self._members.get(uid)) is not None:
            member.task.cancel()

    async def stop(self) -> None:
        """Ends all loops; turns under way roll back."""
        tasks = {member.task for member in self._members.values()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)

    def _ended(self, uid: str, task: asyncio.Task[None]) -> None:
        member = self._members.pop(uid)
        if task.cancelled() or task.exception() is None:
            return
        # A fault of ours in one loop: said aloud, and the resource is taken up anew, slowly.
        log.error("loop failed", resource=member.loop.key, exc_info=task.exception())
        asyncio.get_running_loop().call_later(15, self._restart, uid, member.loop.body)

    def _restart(self, uid: str, body: dict[str, Any]) -> None:
        if uid not in self._members and body:
            self.observe(body)
