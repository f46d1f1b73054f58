"""Scripted hostile servers in a process of their own, so that their cost is not part of a measurement."""

import socket
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from benchmarks.other_process import in_another_process
from tests.support import hostile
from tests.support.certificates import issue_certificates
from tests.support.hostile import Script, hostile_server

SCRIPTS: dict[str, Script] = {
    "mute from the start": hostile.mute,
    "mute after the first message": hostile.mute_after_startup,
    "mute in the middle of SCRAM": hostile.mute_in_scram,
    "mute after the login": hostile.mute_after_login,
    "one byte at a time": hostile.slow,
    "a SCRAM bomb: 2,000,000,000 rounds": hostile.scram_bomb,
    "asks for Kerberos": hostile.asks_for_kerberos,
    "speaks HTTP": hostile.speaks_http,
    "endless notices before the login": hostile.talks_before_login,
    "endless notices after the login": hostile.talks_after_login,
    "nonsense after the login": hostile.answers_nonsense,
    "recovery in progress": hostile.refuses_with("57P03"),
    "full disk": hostile.fails_queries_with("53100"),
    **{f"hangs up {stage}": script for stage, script in hostile.CLOSING_SCRIPTS.items()},
}
BLACK_HOLE = "black hole: no answer to a SYN"
PLAIN_PASSWORD = "asks for the password in plain text"


def scripted_servers() -> AbstractContextManager[dict[str, int]]:
    """Return a context manager that runs all servers and yields their ports by name.

    They are SCRIPTS, BLACK_HOLE, and PLAIN_PASSWORD, which asks for the password over TLS.
    """
    return in_another_process(_servers)


def servers_of(scripts: Sequence[str]) -> AbstractContextManager[list[int]]:
    """Return a context manager that runs a server for each of SCRIPTS, names that may repeat, and yields the ports."""
    return in_another_process(_servers_of, scripts)


@asynccontextmanager
async def _servers_of(scripts: Sequence[str]) -> AsyncIterator[list[int]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(hostile_server(SCRIPTS[name])) for name in scripts]


@asynccontextmanager
async def _servers() -> AsyncIterator[dict[str, int]]:
    async with AsyncExitStack() as stack:
        ports = {name: await stack.enter_async_context(hostile_server(script)) for name, script in SCRIPTS.items()}
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dashdb-bench-")))
        over_tls = hostile.asks_for_plain_password_over_tls(issue_certificates(folder / "tls"))
        ports[PLAIN_PASSWORD] = await stack.enter_async_context(hostile_server(over_tls))
        ports[BLACK_HOLE] = stack.enter_context(_black_hole())
        yield ports


@contextmanager
def _black_hole() -> Iterator[int]:
    """Yield the port of a socket whose queue is full: the kernel drops every SYN, as a firewall does."""
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for filling in (first, second):
            filling.setblocking(False)
            filling.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]
