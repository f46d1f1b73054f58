"""Servers in a process of their own, so that their cost is not part of a measurement."""

import asyncio
import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any, TypeVar

T = TypeVar("T")

_context = multiprocessing.get_context("spawn")


@contextmanager
def in_another_process(opened: Callable[..., AbstractAsyncContextManager[T]], *arguments: Any) -> Iterator[T]:
    """Yield what `opened(*arguments)` yields in a new process, which ends with the `with` or with this process."""
    ours, theirs = _context.Pipe()
    process = _context.Process(target=_main, args=(opened, arguments, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        ours.close()
        process.join()


def _main(opened: Callable[..., AbstractAsyncContextManager[T]], arguments: tuple[Any, ...], pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_until_closed(opened(*arguments), pipe))


async def _until_closed(opening: AbstractAsyncContextManager[T], pipe: Connection) -> None:
    """Send the value, and wait until the other end of the pipe is closed, for whatever reason."""
    async with opening as value:
        pipe.send(value)
        with suppress(EOFError):
            await asyncio.to_thread(pipe.recv)
