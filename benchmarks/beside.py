"""Servers in a process of their own: what they cost is none of what is measured in ours."""

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
    """What `opened(*arguments)` yields there, for as long as we are in the `with`, or alive."""
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
    """Until the other end of PIPE is closed, in whatever way that comes about."""
    async with opening as value:
        pipe.send(value)
        with suppress(EOFError):
            await asyncio.to_thread(pipe.recv)
