"""Servers that misbehave as no real PostgreSQL can be made to: scripts of the wire protocol, on a loopback port.

async with hostile_server(scram_bomb) as port:
    ...
"""

import asyncio
import base64
import os
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.support.certificates import Certificates
from tests.support.protocol_messages import (
    BOUND,
    FLUSH,
    LOGGED_IN,
    MD5,
    PLAIN,
    PREPARED,
    READY,
    SASL_CONTINUE,
    SCRAM_OFFER,
    SYNC,
    TERMINATE,
    authentication,
    columns,
    error,
    logged_in,
    message,
    notice,
    parameters,
    row,
    settings,
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


def scram_challenge(iterations: int, *, of_another_login: bool = False) -> Script:
    """Return a script that asks for a hash with a salt of its own; OF_ANOTHER_LOGIN, with a nonce that is not ours."""

    async def script(client: Client) -> None:
        await client.startup()
        await client.send(SCRAM_OFFER)
        first = await client.hear()
        nonce = b"another" if of_another_login else first.split(b"r=", 1)[1]
        salt = base64.b64encode(os.urandom(16))
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


def logs_in_with(**values: str) -> Script:
    """Accept the login, with these settings of the session and no others, and answer nothing."""

    async def script(client: Client) -> None:
        await client.startup()
        await client.send(logged_in(**values))
        await client.until_gone()

    return script


def answers_each_query(types: tuple[int, ...], rows: Callable[[Client], Awaitable[None]]) -> Script:
    """Accept the login, describe the answer to each query with columns of TYPES, and let ROWS answer it."""

    async def script(client: Client) -> None:
        await client.startup()
        await client.send(LOGGED_IN)
        while heard := await client.hear():
            if heard.endswith(FLUSH):
                await client.send(PREPARED + parameters() + columns(*types))
            elif heard.endswith(SYNC) or heard.startswith(b"Q"):
                await client.send(BOUND if heard.endswith(SYNC) else columns(*types))
                await rows(client)
                await client.send(message(b"C", b"SELECT 1\0") + READY)

    return script


MIB = 1024 * 1024
TEXT, TEXTS, NUMERIC, RECORD = 25, 1009, 1700, 2249


async def _an_endless_row(client: Client) -> None:
    """Send a row of a gigabyte."""
    await client.send(b"D" + struct.pack("!IHI", 2**30 + 10, 1, 2**30))
    while True:
        await client.send(b"x" * MIB)


async def _endless_rows(client: Client) -> None:
    while True:
        await client.send(row(b"x" * MIB))


async def _endless_small_rows(client: Client) -> None:
    while True:
        await client.send(row(b"xy") * 10_000)


async def _endless_empty_rows(client: Client) -> None:
    while True:
        await client.send(message(b"D", struct.pack("!H", 0)) * 10_000)


async def _endless_notices(client: Client) -> None:
    while True:
        await client.send(notice("and another thing") * 1000)


async def _endless_settings(client: Client) -> None:
    number = 0
    while True:
        number += 1000
        await client.send(settings(**{f"setting_{number + n}": "x" * 100 for n in range(1000)}))


async def _endless_notifications(client: Client) -> None:
    while True:
        await client.send(message(b"A", struct.pack("!I", 1) + b"channel\0payload\0") * 1000)


async def _a_bad_codec(client: Client) -> None:
    await client.send(settings(client_encoding="bz2_codec"))


async def _an_endless_error(client: Client) -> None:
    await client.send(b"E" + struct.pack("!I", 2**31 - 1) + b"SERROR\0C22000\0M")
    while True:
        await client.send(b"x" * MIB)


async def _text_that_is_none(client: Client) -> None:
    await client.send(row(b"\xff\xfe"))


def _one(content: bytes) -> Callable[[Client], Awaitable[None]]:
    async def send(client: Client) -> None:
        await client.send(row(content))

    return send


ANSWERS: dict[str, tuple[Script, str]] = {
    "a row of a gigabyte": (answers_each_query((TEXT,), _an_endless_row), "AnswerTooLarge"),
    "rows of a megabyte without end": (answers_each_query((TEXT,), _endless_rows), "AnswerTooLarge"),
    "small rows without end": (answers_each_query((TEXT,), _endless_small_rows), "AnswerTooLarge"),
    "rows without columns": (answers_each_query((), _endless_empty_rows), "AnswerTooLarge"),
    "notices without end": (answers_each_query((TEXT,), _endless_notices), "AnswerTooLarge"),
    "settings without end": (answers_each_query((TEXT,), _endless_settings), "AnswerTooLarge"),
    "notifications without end": (answers_each_query((TEXT,), _endless_notifications), "AnswerTooLarge"),
    "an error of two gigabytes": (answers_each_query((TEXT,), _an_endless_error), "AnswerTooLarge"),
    "a record of 150 million columns": (
        answers_each_query((RECORD,), _one(struct.pack("!I", 150_000_000))), "ProtocolViolation"),
    "an array of 2^31 elements": (
        answers_each_query((TEXTS,), _one(struct.pack("!IIIII", 1, 0, TEXT, 2**31 - 1, 1))), "ProtocolViolation"),
    "an array of six dimensions": (
        answers_each_query((TEXTS,), _one(struct.pack("!III", 6, 0, TEXT) + struct.pack("!II", 999, 1) * 6)),
        "ProtocolViolation"),
    "numbers of 147,000 digits": (
        answers_each_query((NUMERIC,), _one(struct.pack("!HHHHH", 1, 32767, 0, 16383, 1))), "ProtocolViolation"),
    "a thousand columns": (answers_each_query((TEXT,) * 800, _endless_rows), "ProtocolViolation"),
    "an encoding that decompresses": (answers_each_query((TEXT,), _a_bad_codec), "EncodingUnsupported"),
    "text that is not UTF-8": (answers_each_query((TEXT,), _text_that_is_none), "ProtocolViolation"),
    "a value that ends too early": (answers_each_query((23,), _one(b"\0")), "ProtocolViolation"),
    "a date that no calendar has": (answers_each_query((1184,), _one(b"\x7f" * 8)), "ProtocolViolation"),
    "JSON of another kind": (answers_each_query((3802,), _one(b"\x07{}")), "ProtocolViolation"),
}  # fmt: skip
"""What a server may answer to a query to fill our memory or to stop us, with the reason in which it ends."""

LOGINS: dict[str, tuple[Script, str]] = {
    "no version": (logs_in_with(client_encoding="UTF8"), "ServerVersionUnreadable"),
    "a version that is none": (
        logs_in_with(client_encoding="UTF8", server_version="junk"), "ServerVersionUnreadable"),
    "a version of a kilobyte": (
        logs_in_with(client_encoding="UTF8", server_version="18." + "1" * 1000), "ServerVersionUnreadable"),
    "a version with an escape sequence": (
        logs_in_with(client_encoding="UTF8", server_version="18.0\x1b[2J"), "ServerVersionUnreadable"),
    "no encoding": (logs_in_with(server_version="18.0"), "EncodingUnsupported"),
    "an encoding that decompresses": (
        logs_in_with(server_version="18.0", client_encoding="bz2_codec"), "EncodingUnsupported"),
    "another encoding": (logs_in_with(server_version="18.0", client_encoding="LATIN1"), "EncodingUnsupported"),
}  # fmt: skip
"""What a server may say of its session, with the reason in which the login ends."""

CLOSING_SCRIPTS = {
    "at once": closes_after(b"", startup=False),
    "after the first message": closes_after(b""),
    "after asking for a password": closes_after(authentication(MD5, b"salt")),
    "in the middle of SCRAM": closes_after(SCRAM_OFFER),
    "after the login, before it is ready": closes_after(authentication(0)),
    "in the middle of a message": closes_after(LOGGED_IN[:-3]),
    "after the login": closes_after(LOGGED_IN),
}
