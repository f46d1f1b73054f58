"""Connections of the web server: how many, for how long, and how much each may send.

The listener accepts by itself instead of by `loop.create_server`, for two reasons: asyncio takes connections without a
limit until descriptors end, and then writes a log record with a traceback for each failed try, a thousand a second.

At the limit the newest connection always gets in, and one of the address that holds most is closed: one that has waited
for a while, else the oldest. So a probe or a scrape, which sends its request at once, is served whatever others do; a
client that was closed while it waited lost nothing, and connects again.
"""

import asyncio
import os
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web

from controller.runtime.descriptors import descriptor_limit
from controller.runtime.logs import log_fault
from controller.runtime.throttle import LogThrottle

log = structlog.get_logger(__name__)

CONNECTIONS = 64
"""Most open connections: several times what kubelet, two Prometheus and a few dashboards hold. Each may take
`UNANSWERED_BYTES` of memory, and twice that in the kernel."""
DESCRIPTORS_PART = 4
"""One in so many descriptors is for HTTP, where few are allowed; the rest is for databases and the API server."""
HEADER_SECONDS = 10.0
"""Seconds from the connection to the end of its first request's header, the TLS handshake included. kubelet's probes
wait for less."""
ANSWER_SECONDS = 60.0
"""Seconds that an answer may take to make. Nothing here takes more than a few."""
IDLE_SECONDS = 75.0
"""Seconds between an answer and the next whole request, and for reading the answer: more than the minute between two
scrapes that many a Prometheus makes, so that it keeps its connection."""
UNANSWERED_BYTES = 64 * 1024
"""Bytes that a client may send before it has an answer: headers, body and further requests together. A request with
the longest token that is accepted takes 10 KiB."""
ACCEPTS = 16
"""Connections accepted before other work gets its turn."""
BACKLOG = 1024
"""Connections that the kernel holds until they are accepted; the one above that tries again only after a second."""
GRACE_SECONDS = 0.5
"""Seconds that a new connection has for its request before it counts as one that waits."""
PAUSE_SECONDS = 0.1
"""Seconds without accepting after the system refused a connection."""


class _Connection(web.RequestHandler):
    """One connection; waiting for a request, or busy with one."""

    def __init__(self, listener: "Listener", server: web.Server, address: str) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=IDLE_SECONDS - 1,  # aiohttp's own end of an idle connection is in better order than ours
            access_log=None,  # type: ignore[arg-type]
            max_headers=64,
            lingering_time=1.0,
        )
        self.address = address
        self.busy = False
        self.opening: asyncio.Task[None] | None = None
        self._listener = listener
        self._stream: asyncio.Transport | None = None
        self._unanswered = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._since = 0.0
        self.wait(HEADER_SECONDS)

    @property
    def can_be_spared(self) -> bool:
        """True if it has waited for its next request for longer than a client with one needs."""
        return not self.busy and asyncio.get_running_loop().time() - self._since > GRACE_SECONDS

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream, not datagrams
        self._stream = transport
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._unanswered += len(data)
        if self._unanswered > UNANSWERED_BYTES:
            self.cut()
            return
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.forget()

    def begin(self) -> None:
        """Note that a request is being answered."""
        self.busy = True
        self._expect(ANSWER_SECONDS)

    def wait(self, seconds: float) -> None:
        """Note that the next request has to be there in SECONDS."""
        self.busy = False
        self._unanswered = 0
        self._expect(seconds)

    def cut(self) -> None:
        """Close it without waiting for the client to take what was written."""
        if self._stream is not None:
            self._stream.abort()
        elif self.opening is not None:
            self.opening.cancel()
        self.forget()

    def forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._listener.forget(self)

    def _expect(self, seconds: float) -> None:
        self._since = asyncio.get_running_loop().time()
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_later(seconds, self.cut)


class Listener:
    """Listening sockets of an application, and its open connections."""

    def __init__(
        self, runner: web.BaseRunner, tls: Callable[[], ssl.SSLContext | None], limit: int | None = None
    ) -> None:
        """Serve what RUNNER was set up for; TLS returns the context for the next connection, None for plain HTTP."""
        self.limit = limit or min(CONNECTIONS, descriptor_limit() // DESCRIPTORS_PART)
        self._runner = runner
        self._tls = tls
        self._sockets: list[socket.socket] = []
        self._connections: dict[_Connection, None] = {}  # in the order of their last answer
        self._pause: asyncio.TimerHandle | None = None
        self._said = LogThrottle()

    async def listen(self, host: str, port: int) -> int:
        """Listen on every address of HOST; return the port, which the system chooses where PORT is 0.

        Raises:
            OSError, UnicodeError: the address cannot be used.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
            listening = socket.create_server(address[:2], family=family, backlog=BACKLOG)
            listening.setblocking(False)
            self._sockets.append(listening)
        self._resume()
        bound: int = self._sockets[0].getsockname()[1]
        return bound

    def close(self) -> None:
        """Accept no more; the runner ends the open connections."""
        self._suspend()
        if self._pause is not None:
            self._pause.cancel()
        for listening in self._sockets:
            listening.close()
        for connection in [each for each in self._connections if each.opening is not None]:
            connection.cut()

    @web.middleware
    async def note_requests(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Tell connections that wait from those that are answered; a middleware."""
        connection = request.protocol
        assert isinstance(connection, _Connection)  # noqa: S101 - no other is made here
        connection.begin()
        try:
            return await handler(request)
        finally:
            if connection in self._connections:  # else it is gone
                connection.wait(IDLE_SECONDS)
                self._connections[connection] = self._connections.pop(connection)

    def forget(self, connection: _Connection) -> None:
        self._connections.pop(connection, None)

    def _resume(self) -> None:
        self._pause = None
        for listening in self._sockets:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _suspend(self) -> None:
        for listening in self._sockets:
            asyncio.get_running_loop().remove_reader(listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS):
            try:
                client, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # no descriptor left, mostly
                self._refused(error)
                return
            self._admit(client, str(address[0]))

    def _refused(self, error: OSError) -> None:
        """Make room and try again in a moment; asyncio would try at once, and log each try."""
        if self._said.allows():
            why = os.strerror(error.errno or 0)
            log.warning("cannot accept a connection", error=why, left_out=self._said.take_left_out())
        self._close_one()
        self._suspend()
        self._pause = asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._resume)

    def _admit(self, client: socket.socket, address: str) -> None:
        if len(self._connections) >= self.limit:
            self._close_one()
        client.setblocking(False)
        server = self._runner.server
        assert server is not None  # noqa: S101 - set up by whoever made this listener
        connection = _Connection(self, server, address)
        self._connections[connection] = None
        connection.opening = asyncio.get_running_loop().create_task(self._open(connection, client))
        connection.opening.add_done_callback(lambda task: self._opened(connection, client, task))

    async def _open(self, connection: _Connection, client: socket.socket) -> None:
        tls = self._tls()
        limits: dict[str, Any] = {"ssl_handshake_timeout": HEADER_SECONDS, "ssl_shutdown_timeout": 1.0} if tls else {}
        await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, client, ssl=tls, **limits)

    def _opened(self, connection: _Connection, client: socket.socket, task: asyncio.Task[None]) -> None:
        """Free what a failed handshake leaves; whoever speaks no TLS, or leaves meanwhile, is not worth a word."""
        connection.opening = None
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            client.close()
            connection.forget()
        if isinstance(error, Exception) and not isinstance(error, OSError) and self._said.allows():
            log_fault(error)

    def _close_one(self) -> None:
        """Close the connection that can best be spared: of the address that has most, one that waits, the oldest."""
        if not self._connections:
            return
        count = Counter(each.address for each in self._connections)
        max(self._connections, key=lambda each: (count[each.address], each.can_be_spared)).cut()
