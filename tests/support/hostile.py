"""Servers that misbehave as no real PostgreSQL can be made to: scripts of the wire protocol, on a loopback port.

async with hostile_server(scram_bomb) as port:
    ...
"""

import asyncio
import base64
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.support.certificates import Certificates
from tests.support.protocol_messages import (
    FLUSH,
    LOGGED_IN,
    MD5,
    PLAIN,
    READY,
    SASL_CONTINUE,
    SCRAM_OFFER,
    SYNC,
    TERMINATE,
    authentication,
    error,
    message,
    notice,
)


@dataclass
class Client:
    """Client of a hostile server, as its script sees it.

    Attributes:
        said: everything that it sent after its first message.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    said: bytearray = field(default_factory=bytearray)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hear(self) -> bytes:
        """Whatever comes next; nothing where it has gone."""
        data = await self.reader.read(65536)
        self.said += data
        return data

    async def until_gone(self) -> None:
        while await self.hear():
            pass

    async def startup(self) -> None:
        """Read the first message, and refuse TLS where it is asked for."""
        length = struct.unpack("!I", await self.reader.readexactly(4))[0]
        if (await self.reader.readexactly(length - 4))[:4] == struct.pack("!I", 80877103):
            await self.send(b"N")
            await self.startup()

    async def startup_with_tls(self, context: ssl.SSLContext) -> None:
        await self.reader.readexactly(8)
        await self.send(b"S")
        await self.writer.start_tls(context)
        await self.startup()


Script = Callable[[Client], Awaitable[None]]


@asynccontextmanager
async def hostile_server(script: Script, clients: list[Client] | None = None) -> AsyncIterator[int]:
    """Run SCRIPT for every connection; yield the port, and leave nothing behind. CLIENTS collects the clients."""
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        client = Client(reader, writer)
        if clients is not None:
            clients.append(client)
        try:
            # Of a cancelled task asyncio's streams would write a line into the log.
            with suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
                await script(client)
        finally:
            serving.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def mute(client: Client) -> None:
    await client.until_gone()


async def mute_after_startup(client: Client) -> None:
    await client.startup()
    await client.until_gone()


async def mute_after_login(client: Client) -> None:
    await client.startup()
    await client.send(LOGGED_IN)
    await client.until_gone()


async def mute_in_scram(client: Client) -> None:
    await client.startup()
    await client.send(SCRAM_OFFER)
    await client.until_gone()


async def slow(client: Client) -> None:
    """One byte of a login at a time, a tenth of a second apart."""
    await client.startup()
    for byte in LOGGED_IN:
        await client.send(bytes([byte]))
        await asyncio.sleep(0.1)


async def asks_for_plain_password(client: Client) -> None:
    await client.startup()
    await client.send(authentication(PLAIN))
    await client.until_gone()


def asks_for_plain_password_over_tls(certificates: Certificates) -> Script:
    """Encrypts first, and lets in whoever sends it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)

    async def script(client: Client) -> None:
        await client.startup_with_tls(context)
        await client.send(authentication(PLAIN))
        await client.hear()
        await client.send(LOGGED_IN)
        await client.until_gone()

    return script


def answers_and_closes(rows: int, certificates: Certificates | None) -> Script:
    """Answers one query in full and hangs up; over TLS where there are CERTIFICATES. A row has thirty kilobytes."""

    async def script(client: Client) -> None:
        if certificates is None:
            await client.startup()
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates.certificate, certificates.key)
            await client.startup_with_tls(context)
        await client.send(LOGGED_IN)
        await client.hear()
        row = message(b"D", struct.pack("!HI", 1, 30_000) + b"x" * 30_000)
        await client.send(row * rows + message(b"C", b"SELECT %d\0" % rows) + READY)

    return script


async def asks_for_kerberos(client: Client) -> None:
    await client.startup()
    await client.send(authentication(7))
    await client.until_gone()


def scram_challenge(iterations: int) -> Script:
    async def script(client: Client) -> None:
        await client.startup()
        await client.send(SCRAM_OFFER)
        first = await client.hear()
        nonce = first.split(b"r=", 1)[1]
        salt = base64.b64encode(b"0123456789abcdef")
        await client.send(authentication(SASL_CONTINUE, b"r=%sx,s=%s,i=%d" % (nonce, salt, iterations)))
        await client.until_gone()

    return script


scram_bomb = scram_challenge(2_000_000_000)


async def talks_before_login(client: Client) -> None:
    await client.startup()
    while True:
        await client.send(notice("and another thing") * 1000)


async def talks_after_login(client: Client) -> None:
    """Notices without end in answer to the first question."""
    await client.startup()
    await client.send(LOGGED_IN)
    await client.hear()
    while True:
        await client.send(notice("and another thing") * 1000)


async def speaks_http(client: Client) -> None:
    await client.reader.read(8)
    await client.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


async def answers_nonsense(client: Client) -> None:
    """Accept the login, then send a message that no protocol has."""
    await client.startup()
    await client.send(LOGGED_IN)
    await client.hear()
    await client.send(message(b"?", b"what") + b"\xff" * 64)
    await client.until_gone()


def closes_after(sent: bytes, *, startup: bool = True) -> Script:
    async def script(client: Client) -> None:
        if startup:
            await client.startup()
        await client.send(sent)

    return script


def refuses_with(sqlstate: str) -> Script:
    async def script(client: Client) -> None:
        await client.startup()
        await client.send(error(sqlstate))

    return script


def fails_queries_with(sqlstate: str) -> Script:
    """Accept every login, and answer each question with an error."""

    async def script(client: Client) -> None:
        await client.startup()
        await client.send(LOGGED_IN)
        while (heard := await client.hear()) not in (b"", TERMINATE):
            if heard.startswith(b"Q") or heard.endswith(FLUSH):
                await client.send(notice("as the script says", "ERROR", sqlstate, kind=b"E"))
            if heard.startswith(b"Q") or heard.endswith(SYNC):
                await client.send(READY)

    return script


CLOSING_SCRIPTS = {
    "at once": closes_after(b"", startup=False),
    "after the first message": closes_after(b""),
    "after asking for a password": closes_after(authentication(MD5, b"salt")),
    "in the middle of SCRAM": closes_after(SCRAM_OFFER),
    "after the login, before it is ready": closes_after(authentication(0)),
    "in the middle of a message": closes_after(LOGGED_IN[:-3]),
    "after the login": closes_after(LOGGED_IN),
}
