"""Requests of a PostgreSQL client, written so that two sessions that ask the same have the same request. Pure.

asyncpg names its prepared statements with a counter, so the SQL text takes the place of the name. Messages:
https://www.postgresql.org/docs/current/protocol-message-formats.html.
"""

from collections.abc import Iterator

HEADER_BYTES = 5
"""Bytes of a message's kind and length."""
SYNC, CLOSE = b"S", b"C\nS"
"""Requests that any session answers alike: Sync alone, which follows an error, and Close of a prepared statement."""


def whole_messages(buffer: bytearray) -> Iterator[tuple[bytes, bytes]]:
    """Remove each whole message from the begin of `buffer`, and yield its kind and its body."""
    while len(buffer) >= HEADER_BYTES and len(buffer) > (length := int.from_bytes(buffer[1:HEADER_BYTES], "big")):
        kind, body = bytes(buffer[:1]), bytes(buffer[HEADER_BYTES : length + 1])
        del buffer[: length + 1]
        yield kind, body


def is_preparation(request: bytes) -> bool:
    """Return True for a request that ends with Flush; its answer ends with the description of the statement."""
    return request.startswith(b"P")


class Requests:
    """Requests of one session, put together from its messages."""

    def __init__(self) -> None:
        self._texts: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []

    def read(self, kind: bytes, body: bytes) -> bytes | None:
        """Take one message; return the request that it completes, after which the client waits for an answer."""
        if kind == b"Q":
            return kind + body.rstrip(b"\0")
        if kind in (b"S", b"H"):
            request = b"\n".join((*self._parts, kind))
            self._parts.clear()
            return request
        self._parts.append(kind + self._without_names(kind, body))
        return None

    def _without_names(self, kind: bytes, body: bytes) -> bytes:
        """Return what a message says, with the text of a statement for its name."""
        first, _, rest = body.partition(b"\0")
        if kind == b"P":
            self._texts[first] = rest.partition(b"\0")[0]
            return rest
        if kind == b"B":  # the first name is that of the portal
            name, _, values = rest.partition(b"\0")
            return self._texts.get(name, b"") + b"\0" + values
        return rest if kind == b"E" else b""
