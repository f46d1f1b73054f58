"""Turns of databases to be looked at and worked on, so that a thousand of them do not ask at the same time.

Without turns each look would wait for all others in this process, and be called slow, or run out of time. A server that
does not answer holds up the databases on it, and no others.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Hashable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext

from controller.runtime.fair_places import FairPlaces
from controller.runtime.waits import Waits

AT_ONCE = 8
"""Looks and actions of the process at the same time. More would only wait for its one core; fewer would let it wait
for servers."""
SLOW_SECONDS = 0.5
"""Seconds after which a look or an action goes on without a place of the process: mostly it waits for its server."""
SILENT_SECONDS = 0.02
"""The same for a server that did not answer the last time: a connection is begun in less, and nearly all the rest is to
wait. With `SLOW_SECONDS`, hundreds of servers that hang would let the others wait for seconds."""
LET_PASS_SECONDS = 2.0
"""Seconds between two questions whether databases of the namespace still wait for their first turn."""
STALLED_SECONDS = 1.0
"""Seconds in which no action on a server ended, after which a database there is looked at without a turn to act."""


class Turns:
    """Turns of all databases of a process: places of the process, and places on each server.

    Namespaces get both in turn, and none of them gets all.
    """

    def __init__(self, at_once: int = AT_ONCE, on_a_server: int | None = None, waits: Waits | None = None) -> None:
        """Allow ON_A_SERVER looks at the same time, and one action less, so that a look is always possible.

        Args:
            at_once: looks and actions in the process.
            on_a_server: connections that the process may have there; None for no limit.
            waits: counts those who wait for a place on a server.
        """
        self._at_once = FairPlaces(at_once, shared=True)
        self._on_a_server = on_a_server
        self._actions_on_a_server = None if on_a_server is None else max(1, on_a_server - 1)
        self._waits = waits or Waits()
        self._looks: dict[Hashable, FairPlaces] = {}
        self._actions: dict[Hashable, FairPlaces] = {}
        self._new: Counter[str] = Counter()
        """Databases of each namespace that wait for their first turn."""

    async def let_new_ones_pass(self, group: str, seconds: float) -> None:
        """Wait while databases of a namespace wait for their first turn, for SECONDS at most.

        When a thousand are applied at once, those that are ready are due again before the last one had its first turn.
        To look at them meanwhile would take as much time as all the first turns.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self._new[group] and (left := until - loop.time()) > 0:  # noqa: ASYNC110 - an event would wake all at once
            await asyncio.sleep(min(left, LET_PASS_SECONDS))

    @asynccontextmanager
    async def look(self, server: Hashable, group: str, *, silent: bool = False) -> AsyncIterator[None]:
        """Wait for the turn to look at a database, and have it for the time of a `with`.

        Args:
            server: its host and port.
            group: its namespace.
            silent: it did not answer the last time.
        """
        async with self._on(self._looks, self._on_a_server, server, group), self._in_process(group, silent=silent):
            yield

    @asynccontextmanager
    async def action(self, server: Hashable, group: str) -> AsyncIterator[None]:
        """Wait for the turn to work on a database, and have it for the time of a `with`; see `look`."""
        async with self._on(self._actions, self._actions_on_a_server, server, group), self._in_process(group):
            yield

    @asynccontextmanager
    async def look_and_act(
        self, server: Hashable, group: str, *, silent: bool = False, new: bool = False, urgent: bool = False
    ) -> AsyncIterator[bool]:
        """Wait for the turn to look at a database in which there is most likely something to do; see `look`.

        One turn for both spares a login, since meanwhile other databases would want the connection.

        Args:
            new: it is the first turn of the database; checks of others let it pass.
            urgent: it comes before others of its namespace that are new as well.

        Yields:
            True where the turn is one to work as well; False where no action on the server ended for `STALLED_SECONDS`.
        """
        async with AsyncExitStack() as turn:
            acts = True
            # Not for longer: one that waits for a server which does not answer is nobody to wait for.
            with self._waiting_for_first(group) if new else nullcontext():
                try:
                    await turn.enter_async_context(
                        self._on(
                            self._actions,
                            self._actions_on_a_server,
                            server,
                            group,
                            urgent=urgent,
                            stalled_seconds=STALLED_SECONDS,
                        )
                    )
                except TimeoutError:
                    acts = False
                else:
                    await turn.enter_async_context(self._in_process(group, silent=silent, urgent=urgent))
            if not acts:
                await turn.enter_async_context(self.look(server, group, silent=silent))
            yield acts

    @contextmanager
    def _waiting_for_first(self, group: str) -> Iterator[None]:
        self._new[group] += 1
        try:
            yield
        finally:
            self._new[group] -= 1
            if not self._new[group]:
                del self._new[group]

    @asynccontextmanager
    async def _on(
        self,
        servers: dict[Hashable, FairPlaces],
        most: int | None,
        server: Hashable,
        group: str,
        *,
        urgent: bool = False,
        stalled_seconds: float | None = None,
    ) -> AsyncIterator[None]:
        if most is None:
            yield
            return
        places = servers.setdefault(server, FairPlaces(most, shared=True))
        with self._waits.one(time.monotonic()):
            await places.take(group, urgent=urgent, stalled_seconds=stalled_seconds)
        try:
            yield
        finally:
            places.give_back(group)
            if not places.taken:  # nobody is there, and nobody waits
                servers.pop(server, None)

    @asynccontextmanager
    async def _in_process(self, group: str, *, silent: bool = False, urgent: bool = False) -> AsyncIterator[None]:
        """Hold a place of the process, for `SLOW_SECONDS` at most, or `SILENT_SECONDS`."""
        await self._at_once.take(group, urgent=urgent)
        loop = asyncio.get_running_loop()
        timer = loop.call_later(SILENT_SECONDS if silent else SLOW_SECONDS, self._at_once.give_back, group)
        try:
            yield
        finally:
            if loop.time() < timer.when():
                timer.cancel()
                self._at_once.give_back(group)
