"""Answers of a real server, recorded by a proxy between it and the product's own code."""

import asyncio
from dataclasses import dataclass, field

from benchmarks.simulated.requests import HEADER_BYTES, Requests, is_preparation, whole_messages
from tests.support.hostile import Client
from tests.support.protocol_messages import SASL, SASL_CONTINUE, message

IDLE = b"I"
"""Status of a session that is in no transaction, as ReadyForQuery says it."""


@dataclass(frozen=True)
class Recording:
    """Answers of one database that is migrated and seeded, as the server sent them.

    Attributes:
        greeting: messages between the acceptance of the password and the first request.
        identity: system identifier and oid of the database, as they stand in the answers.
        answers: by the status of the session's transaction, and the request.
    """

    greeting: bytes
    identity: str
    answers: dict[tuple[bytes, bytes], bytes]


@dataclass
class Recorder:
    """Proxy in front of the server at `port`, which keeps the first answer to each request.

    Attributes:
        errors: requests that the server refused.
    """

    port: int
    greeting: bytes = b""
    answers: dict[tuple[bytes, bytes], bytes] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    async def relay(self, client: Client) -> None:
        """Serve one connection; a script for `tests.support.hostile.hostile_server`."""
        server = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        try:
            await self._log_in(client, server)
            await self._pass_requests(client, server)
        finally:
            server.writer.close()

    async def _log_in(self, client: Client, server: Client) -> None:
        length = await client.reader.readexactly(4)
        await server.send(length + await client.reader.readexactly(int.from_bytes(length, "big") - 4))
        kind, greeting = b"", bytearray()
        while kind != b"Z":
            kind, body = await _receive(server)
            await client.send(message(kind, body))
            if kind != b"R":
                greeting += message(kind, body)
            elif int.from_bytes(body[:4], "big") in (SASL, SASL_CONTINUE):
                await server.send(message(*await _receive(client)))
        self.greeting = self.greeting or bytes(greeting)

    async def _pass_requests(self, client: Client, server: Client) -> None:
        requests, status, buffer = Requests(), IDLE, bytearray()
        while data := await client.hear():
            await server.send(data)
            buffer += data
            for kind, body in whole_messages(buffer):
                if kind == b"X" or (request := requests.read(kind, body)) is None:
                    continue
                answer = await self._answer(server, request)
                self.answers.setdefault((status, request), answer)
                if not is_preparation(request):
                    status = answer[-1:]
                await client.send(answer)

    async def _answer(self, server: Client, request: bytes) -> bytes:
        """Return all messages of the answer to `request`; asyncpg waits for its end before it asks again."""
        ends, kind, answer = (b"T", b"n", b"E") if is_preparation(request) else (b"Z",), b"", bytearray()
        while kind not in ends:
            kind, body = await _receive(server)
            answer += message(kind, body)
            if kind == b"E":
                self.errors.append(f"{request.decode(errors='replace')}: {body.decode(errors='replace')}")
        return bytes(answer)


async def _receive(peer: Client) -> tuple[bytes, bytes]:
    """Return kind and body of the next message."""
    header = await peer.reader.readexactly(HEADER_BYTES)
    return header[:1], await peer.reader.readexactly(int.from_bytes(header[1:], "big") - 4)
