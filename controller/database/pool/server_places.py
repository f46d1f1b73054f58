"""Places for connections on one server, shared by the pools of all databases there.

A server has few connections, and a thousand databases on it must not take them all. Whoever waits for a place gets that
of an idle connection of another database, which is closed; namespaces get places in turn.
"""

from collections.abc import Callable
from typing import TypeAlias

from controller.runtime.fair_places import FairPlaces

GiveUpIdle: TypeAlias = Callable[[], None]
"""Function of a pool that closes one of its idle connections."""


class ServerPlaces:
    """Places on one server; for one event loop."""

    def __init__(self, count: int) -> None:
        self._places = FairPlaces(count)
        self._idle: dict[GiveUpIdle, None] = {}
        """Pools with idle connections, the one that used its last the longest ago first."""

    @property
    def wanted(self) -> bool:
        """True if a connection is better closed than kept idle, since another database waits."""
        return self._places.wanted

    async def take(self, tenant: str) -> None:
        """Wait for a place, for which an idle connection of another database is closed."""
        if not self._places.free and self._idle:
            give_up = next(iter(self._idle))
            del self._idle[give_up]
            give_up()
        await self._places.take(tenant)

    def give_back(self) -> None:
        """Return a place, once its connection is closed."""
        self._places.give_back()

    def keep_idle(self, give_up: GiveUpIdle) -> None:
        """Note that a pool has an idle connection, which it gives up if somebody waits."""
        self._idle.pop(give_up, None)
        self._idle[give_up] = None

    def forget_idle(self, give_up: GiveUpIdle) -> None:
        """Note that a pool has no idle connection any more."""
        self._idle.pop(give_up, None)


class Servers:
    """Places on each server that somebody connects to.

    Attributes:
        connections: places on a server.
    """

    def __init__(self, connections: int) -> None:
        self.connections = connections
        self._places: dict[tuple[str, int], tuple[ServerPlaces, int]] = {}

    def join(self, host: str, port: int) -> ServerPlaces:
        """Return the places of a server for one more pool; `leave` is to follow."""
        places, users = self._places.get((host, port), (None, 0))
        places = places or ServerPlaces(self.connections)
        self._places[host, port] = (places, users + 1)
        return places

    def leave(self, host: str, port: int) -> None:
        """Forget a server once its last pool is closed."""
        places, users = self._places.pop((host, port))
        if users > 1:
            self._places[host, port] = (places, users - 1)
