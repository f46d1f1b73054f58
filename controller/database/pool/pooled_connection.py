"""A connection as its pool sees it."""

import select
from dataclasses import dataclass, field

from controller.database.connection import Connection


@dataclass(slots=True, eq=False)
class PooledConnection:
    """One connection of a pool; times are the event loop's."""

    connection: Connection
    dies_at: float
    idle_since: float = 0.0
    _poll: "select.poll | None" = field(default=None, init=False)

    @property
    def usable(self) -> bool:
        """False where its end has come, even if the event loop has not got round to telling us yet.

        An idle PostgreSQL says nothing: whatever there is to be read is its farewell.
        """
        if self.connection.is_closed():
            return False
        sock = self.connection._transport.get_extra_info("socket")  # asyncpg offers no public way to its socket
        if sock is None or sock.fileno() < 0:  # TLS closes the socket a moment before it tells asyncpg
            return False
        if self._poll is None:  # made once, since it is asked before every use
            self._poll = select.poll()
            self._poll.register(sock, select.POLLIN)
        return not self._poll.poll(0)
