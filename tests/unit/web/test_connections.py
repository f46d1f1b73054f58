"""Connections of clients that are slow, silent, greedy or many."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from controller.runtime.throttle import LogThrottle
from controller.web import connections
from controller.web.connections import UNANSWERED_BYTES, Listener

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Site:
    """A listener of one endpoint, and its port."""

    def __init__(self, listener: Listener, port: int) -> None:
        self.listener = listener
        self.port = port
        self.writers: list[asyncio.StreamWriter] = []

    async def dial(self, source: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a connection that is closed with the site."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))
        self.writers.append(writer)
        return reader, writer

    async def status(self) -> int:
        async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{self.port}/") as answer:
            return answer.status


@asynccontextmanager
async def site(handler: Callable[[web.Request], object] | None = None, limit: int = 8) -> AsyncIterator[Site]:
    async def ok(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_get("/", handler or ok)  # type: ignore[arg-type]
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    listener = Listener(runner, lambda: None, limit)
    app.middlewares.append(listener.note_requests)
    await runner.setup()
    try:
        it = Site(listener, await listener.listen("127.0.0.1", 0))
        yield it
        for writer in it.writers:
            writer.close()
            await asyncio.wait({asyncio.create_task(writer.wait_closed())})
    finally:
        listener.close()
        await runner.cleanup()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Return what came before the end of the connection; a reset is an end too."""
    received = b""
    try:
        while piece := await asyncio.wait_for(reader.read(65536), 10):
            received += piece
    except ConnectionError:
        pass
    return received


@pytest.mark.parametrize(
    "sent", [b"", b"G", b"GET / HTTP/1.1\r\nHost: a\r\nX: "], ids=["nothing", "a byte", "a header"]
)
async def test_a_client_that_does_not_finish_its_header_is_closed(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.2)
    async with site() as it:
        reader, writer = await it.dial()
        writer.write(sent)
        assert await ended(reader) == b""


async def test_a_byte_now_and_then_does_not_put_off_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.3)
    async with site() as it:
        reader, writer = await it.dial()
        end = asyncio.create_task(ended(reader))
        writer.write(b"GET / HTTP/1.1\r\nX: ")
        while not end.done():
            writer.write(b"x")
            await asyncio.wait({end}, timeout=0.02)
        assert await end == b""


async def test_an_idle_connection_is_closed_and_one_that_asks_again_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 30)
    monkeypatch.setattr(connections, "IDLE_SECONDS", 1.2)  # aiohttp's own limit is a second less
    async with site() as it:
        reader, writer = await it.dial()
        for _ in range(3):
            writer.write(REQUEST)
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        assert await ended(reader) == b""


async def test_a_client_that_does_not_read_its_answer_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def large(_: web.Request) -> web.Response:
        return web.Response(body=bytes(32 * 1024 * 1024), headers={"Connection": "close"})

    monkeypatch.setattr(connections, "IDLE_SECONDS", 1.5)
    async with site(large) as it:
        with socket.create_connection(("127.0.0.1", it.port)) as client:
            client.sendall(REQUEST)
            await until(lambda: connected(it) == 1)
            await until(lambda: connected(it) == 0)


def connected(it: Site) -> int:
    return len(it.listener._connections)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what it waits for tells nobody
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("piece", [b"x", REQUEST, b"GET / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n" + b"x" * 1000])
async def test_a_client_that_sends_much_without_an_answer_is_closed(piece: bytes) -> None:
    answer = asyncio.Event()

    async def late(_: web.Request) -> web.Response:
        await answer.wait()
        return web.Response()

    async with site(late) as it:
        reader, writer = await it.dial()
        writer.write(piece * (UNANSWERED_BYTES // len(piece) + 2))
        await ended(reader)
        await until(lambda: connected(it) == 0)
        answer.set()


async def test_many_requests_one_after_the_other_are_all_answered() -> None:
    async with site() as it:
        reader, writer = await it.dial()
        for _ in range(2 * UNANSWERED_BYTES // len(REQUEST)):
            writer.write(REQUEST)
            await reader.readuntil(b"ok")


async def test_at_the_limit_the_newest_gets_in_and_the_oldest_that_waits_is_closed() -> None:
    async with site(limit=4) as it:
        silent = [await it.dial() for _ in range(4)]
        await until(lambda: connected(it) == 4)
        assert await it.status() == 200
        assert await ended(silent[0][0]) == b""
        silent[3][1].write(REQUEST)
        assert (await silent[3][0].readuntil(b"ok")).startswith(b"HTTP/1.1 200")


async def test_a_crowd_at_one_address_does_not_push_others_out() -> None:
    async with site(limit=4) as it:
        scraper = await it.dial("127.0.0.2")
        for _ in range(12):
            await it.dial()
        await until(lambda: connected(it) == 4)
        scraper[1].write(REQUEST)
        assert (await scraper[0].readuntil(b"ok")).startswith(b"HTTP/1.1 200")


async def test_who_has_just_come_is_not_closed_for_a_crowd_that_is_being_answered() -> None:
    answer = asyncio.Event()
    begun = 0

    async def late(_: web.Request) -> web.Response:
        nonlocal begun
        begun += 1
        await answer.wait()
        return web.Response(text="ok")

    async with site(late, limit=3) as it:
        for _ in range(3):
            (await it.dial())[1].write(REQUEST)
        await until(lambda: begun == 3)
        reader, writer = await it.dial("127.0.0.2")
        for _ in range(9):
            (await it.dial())[1].write(REQUEST)
        await until(lambda: connected(it) == 3)
        writer.write(REQUEST)
        answer.set()
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")


async def test_requests_that_are_being_answered_are_spared_while_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "GRACE_SECONDS", -1)
    begun, answer = asyncio.Event(), asyncio.Event()

    async def late(_: web.Request) -> web.Response:
        begun.set()
        await answer.wait()
        return web.Response(text="ok")

    async with site(late, limit=3) as it:
        reader, writer = await it.dial()
        writer.write(REQUEST)
        await begun.wait()
        for _ in range(9):
            await it.dial()
        await until(lambda: connected(it) == 3)
        answer.set()
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")


class NoDescriptors:
    """A listening socket whose accept fails as it does without descriptors, for the first TIMES."""

    def __init__(self, real: socket.socket, times: int) -> None:
        self._real = real
        self._times = times

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        self._times -= 1
        if self._times >= 0:
            raise OSError(errno.EMFILE, "Too many open files")
        client: tuple[socket.socket, tuple[str, int]] = self._real.accept()
        return client

    def fileno(self) -> int:
        return self._real.fileno()

    def close(self) -> None:
        self._real.close()


async def test_without_descriptors_it_tries_again_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(connections, "PAUSE_SECONDS", 0.01)
    async with site() as it:
        it.listener._suspend()
        it.listener._sockets[:] = [NoDescriptors(it.listener._sockets[0], 5)]  # type: ignore[list-item]
        it.listener._said = LogThrottle()
        it.listener._resume()
        assert await it.status() == 200
    said = capsys.readouterr()
    assert (said.out + said.err).count("cannot accept a connection") == 1
    assert "Traceback" not in said.out + said.err
