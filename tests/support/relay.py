"""TCP relay in front of a server of this machine, which loses all packets when told to, as a broken network does."""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

CHUNK = 65536


class Relay:
    """Relay on a port of 127.0.0.1 that forwards to another; it runs in a thread of its own.

    Attributes:
        port: where it listens.
    """

    def __init__(self, upstream: int) -> None:
        """Forward to the port UPSTREAM of 127.0.0.1."""
        self.port = 0
        self._upstream = upstream
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._whole = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Let nothing pass: connections stay open and silent, and new ones are never answered."""
        self._loop.call_soon_threadsafe(self._whole.clear)

    def mend(self) -> None:
        """Let everything pass again; what was sent meanwhile arrives, as TCP sends it again."""
        self._loop.call_soon_threadsafe(self._whole.set)

    def lead_to(self, upstream: int) -> None:
        """End all connections, and forward new ones to another port, as the address of a service does at a failover."""

        async def move() -> None:
            self._upstream = upstream
            await self._end_connections()

        self._call(move())

    def _call(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)

    async def _listen(self) -> None:
        self._whole.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self._server.close()
        await self._end_connections()

    async def _end_connections(self) -> None:
        for each in self._connections:
            each.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with suppress(OSError):
                await self._whole.wait()
                there, back = await asyncio.open_connection("127.0.0.1", self._upstream)
                try:
                    await self._forward_both(reader, back, there, writer)
                finally:
                    back.transport.abort()
        except asyncio.CancelledError:
            pass  # the server of asyncio would log it
        finally:
            writer.transport.abort()
            self._connections.discard(task)

    async def _forward_both(
        self,
        reader: asyncio.StreamReader,
        back: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Forward until one side ends."""
        ways = [asyncio.ensure_future(self._forward(reader, back)), asyncio.ensure_future(self._forward(there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(CHUNK):
            await self._whole.wait()
            sink.write(data)
            await sink.drain()
        await self._whole.wait()
