"""Connection of a pool, with its times."""

import select
from dataclasses import dataclass, field

from controller.database.connection import Connection


@dataclass(slots=True, eq=False)
class PooledConnection:
    """Connection of a pool; times are those of the event loop's clock."""

    connection: Connection
    dies_at: float
    idle_since: float = 0.0
    _poll: "select.poll | None" = field(default=None, init=False)

    @property
    def usable(self) -> bool:
        """True if the connection is alive; False once it has ended, even before the event loop notices.

        An idle PostgreSQL sends nothing: data to be read means that the server ended the session.
        """
        if self.connection.is_closed():
            return False
        sock = self.connection._transport.get_extra_info("socket")  # asyncpg offers no public way to its socket
        if sock is None or sock.fileno() < 0:  # TLS closes the socket a moment before asyncpg learns of it
            return False
        if self._poll is None:  # made once, since it is used before every lease
            self._poll = select.poll()
            self._poll.register(sock, select.POLLIN)
        return not self._poll.poll(0)
