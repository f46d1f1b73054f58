"""Places for connections on one server, shared by the pools of all databases there.

A server has few connections, and a thousand databases on it must not take them all. Whoever waits for a place gets that
of an idle connection of another database, which is closed. Namespaces get places in turn, and none of them gets all.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol, TypeAlias

from controller.database.target import Target
from controller.errors import DatabaseUnavailable
from controller.runtime.fair_places import FairPlaces
from controller.runtime.waits import Waits

NO_PLACE = "NoConnectionLeft"
"""Reason where other databases of the same server use all connections that this process may have there."""

SPARE = 3
"""Connections of a server that are never taken while others may want them."""
LEAST = 2
"""Connections that are tried all the same: only that shows whether there is room again, and a migration needs two."""

Retry: TypeAlias = Callable[[], None]
"""Function of a database that tries to reach it at once."""
GiveUpIdle: TypeAlias = Callable[[], None]
"""Function of a pool that closes one of its idle connections."""


class Places(Protocol):
    """Places as a pool uses them."""

    @property
    def taken(self) -> int: ...
    async def take(self, target: Target, deadline: float, *, first: bool) -> float: ...
    def wanted(self, tenant: str) -> bool: ...
    def note_ending(self, tenant: str) -> None: ...
    def give_back(self, tenant: str, *, ending: bool = False) -> None: ...
    def note_idle(self, give_up: GiveUpIdle, tenant: str, *, has_idle: bool) -> None: ...
    def note_room(self, room: int) -> None: ...


class NoPlaces:
    """Places without a limit, for a process with one database."""

    taken = 0

    async def take(self, target: Target, deadline: float, *, first: bool) -> float:  # noqa: ARG002
        return deadline

    def wanted(self, tenant: str) -> bool:  # noqa: ARG002
        return False

    def note_ending(self, tenant: str) -> None:
        pass

    def give_back(self, tenant: str, *, ending: bool = False) -> None:
        pass

    def note_idle(self, give_up: GiveUpIdle, tenant: str, *, has_idle: bool) -> None:
        pass

    def note_room(self, room: int) -> None:
        pass


class ServerPlaces:
    """Places on one server; for one event loop."""

    def __init__(self, count: int, waits: Waits | None = None) -> None:
        """Begin with COUNT places; WAITS counts those who wait for one."""
        self._most = count
        self._waits = waits or Waits()
        self._places = FairPlaces(count, shared=True)
        self._ending: Counter[str] = Counter()
        """Connections of each tenant that are being closed, whose places are free in a moment."""
        self._idle: dict[GiveUpIdle, str] = {}
        """Pools with idle connections and their tenants, the one that used its last the longest ago first."""
        self._unreachable: dict[Retry, None] = {}

    def wanted(self, tenant: str) -> bool:
        """Return True if a connection of TENANT is better closed than kept idle: more wait than places get free."""
        if self._places.waiting() > self._ending.total():
            return True
        own_most = self._places.has_its_most(tenant)  # then places of others are of no use to it
        return own_most and self._places.waiting(tenant) > self._ending[tenant]

    @property
    def taken(self) -> int:
        """Number of connections of all databases on the server, with those being opened and closed."""
        return self._places.taken

    async def take(self, target: Target, deadline: float, *, first: bool) -> float:
        """Wait for a place, for which an idle connection of another database is closed.

        Args:
            deadline: time of the event loop's clock until which to wait.
            first: the pool has no other connection; then it waits as long as it takes.

        Returns:
            The deadline for dialling: later by the wait, if that was to take as long as it takes.

        Raises:
            DatabaseUnavailable: `NO_PLACE`; other databases used all places until the deadline.
        """
        if self._places.has_its_most(target.tenant):
            self._give_up_one(of=target.tenant)
        elif not self._places.free:
            self._give_up_one()
        began = time.monotonic()
        with self._waits.one(began):
            if first:
                await self._places.take(target.tenant)
                return deadline + time.monotonic() - began
            try:
                async with asyncio.timeout_at(deadline):
                    await self._places.take(target.tenant)
            except TimeoutError:
                text = "other databases use all connections that dashdb may have on this server."
                raise DatabaseUnavailable(f"{target.description}: {text}", reason=NO_PLACE) from None
        return deadline

    def _give_up_one(self, *, of: str | None = None) -> None:
        """Let the pool close an idle connection that used its last the longest ago, if any has one.

        Args:
            of: tenant of the pool; None for any.
        """
        give_up = next((each for each, tenant in self._idle.items() if of in (None, tenant)), None)
        if give_up is not None:
            del self._idle[give_up]
            give_up()

    def note_ending(self, tenant: str) -> None:
        """Note that a connection of TENANT is being closed; `give_back` is to follow."""
        self._ending[tenant] += 1

    def give_back(self, tenant: str, *, ending: bool = False) -> None:
        """Return a place of TENANT, once its connection is closed; ENDING as noted before."""
        if ending:
            self._ending[tenant] -= 1
            if not self._ending[tenant]:
                del self._ending[tenant]
        self._places.give_back(tenant)

    def note_room(self, room: int) -> None:
        """Note how many more connections the server allows; a server that is nearly full is left to its users."""
        self._places.resize(min(self._most, max(LEAST, room + self._places.taken - SPARE)))
        for _ in range(self._places.taken - self._places.count):
            self._give_up_one()

    def note_unreachable(self, retry: Retry) -> None:
        """Note that a database on the server cannot be reached; RETRY is called once another of those can."""
        self._unreachable[retry] = None

    def note_reachable(self, retry: Retry) -> None:
        """Note that a database can be reached; if it could not before, the others are tried at once."""
        if retry in self._unreachable:
            del self._unreachable[retry]
            others, self._unreachable = self._unreachable, {}
            for other in others:
                other()

    def forget(self, retry: Retry) -> None:
        """Forget a database that nobody asks for any more."""
        self._unreachable.pop(retry, None)

    def note_idle(self, give_up: GiveUpIdle, tenant: str, *, has_idle: bool) -> None:
        """Note whether a pool of TENANT has an idle connection, which it gives up if somebody waits."""
        self._idle.pop(give_up, None)
        if has_idle:
            self._idle[give_up] = tenant


class Servers:
    """Places on each server that somebody connects to.

    Attributes:
        connections: places on a server.
    """

    def __init__(self, connections: int, waits: Waits | None = None) -> None:
        """Begin without servers; WAITS counts those who wait for a place on any."""
        self.connections = connections
        self._waits = waits
        self._places: dict[tuple[str, int], tuple[ServerPlaces, int]] = {}

    def join(self, host: str, port: int) -> ServerPlaces:
        """Return the places of a server for one more pool; `leave` is to follow."""
        places, users = self._places.get((host, port), (None, 0))
        places = places or ServerPlaces(self.connections, self._waits)
        self._places[host, port] = (places, users + 1)
        return places

    def leave(self, host: str, port: int) -> None:
        """Forget a server once its last pool is closed."""
        places, users = self._places.pop((host, port))
        if users > 1:
            self._places[host, port] = (places, users - 1)
