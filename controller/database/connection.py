"""One connection to a server: opened, logged in and closed within time limits."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from typing import TypeAlias

import asyncpg

from controller.database import hardened_protocol
from controller.database.answer_messages import ANSWER_BYTES
from controller.database.failures import AUTHENTICATION_FAILED, DRIVER_ERRORS, in_our_words
from controller.database.notices import NoticeReader
from controller.database.passwords import TrimmedPasswords
from controller.database.resolver import resolve
from controller.database.target import Pooler, Target
from controller.database.tls import tls_context
from controller.errors import DatabaseUnavailable, InternalError, ProtocolViolation

Connection: TypeAlias = asyncpg.Connection
OpenConnection: TypeAlias = Callable[[], AbstractAsyncContextManager[Connection]]
"""Function that opens another connection to the same database."""

hardened_protocol.install()

STRINGS = {"standard_conforming_strings": "on"}
"""Setting by which PostgreSQL reads strings as the SQL of files is read here; a role may have another default."""

CLOSE_TIMEOUT = 2.0
"""Seconds for an orderly close; after that the socket is closed, since the server may be frozen."""

_trimmed_passwords = TrimmedPasswords()
_USER_TIMEOUT_MARGIN = 5
"""Seconds above the query timeout after which the kernel closes a connection whose peer acknowledges nothing."""
_LONGEST_USER_TIMEOUT = 7 * 24 * 3600
"""Limit in seconds, since the kernel counts milliseconds in 32 bits."""


async def connect(target: Target, *, seconds: float | None = None) -> Connection:
    """Open a connection to `target` and log in.

    A password that ends in a line break is tried as it is, and if the server refuses it, without the line break.

    Args:
        seconds: time limit of all steps together; None for the target's connect timeout.

    Raises:
        DatabaseUnavailable, ConfigurationError: the connection failed; see `in_our_words`.
    """
    passwords = _trimmed_passwords.to_try(target)
    limit = target.connect_timeout if seconds is None else seconds
    if len(passwords) == 1:
        return await _connect(target, limit)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit
    for password in passwords:
        try:
            connection = await _connect(replace(target, password=password), max(deadline - loop.time(), 0.001))
        except DatabaseUnavailable as error:
            if error.reason != AUTHENTICATION_FAILED or password is passwords[-1]:
                raise
        else:
            _trimmed_passwords.note(target, password)
            return connection
    raise AssertionError("unreachable: the last password succeeds or raises")


async def _connect(target: Target, seconds: float) -> Connection:
    try:
        connection = await _dial(target, seconds)
    except UnicodeError:  # such as db..example.org, which fails before any resolver is asked
        problem: BaseException = socket.gaierror()
    except (*DRIVER_ERRORS, ProtocolViolation) as error:
        # Frames of the login hold its error: a cycle, which only the garbage collector would free.
        problem = error.with_traceback(None)
    else:
        if not isinstance(connection._protocol, hardened_protocol.HardenedProtocol):  # it has no public name
            connection.terminate()
            raise InternalError(hardened_protocol.UNPROTECTED)
        _notice_silent_peers(connection, target)
        return connection
    # Not inside the handler, where it would keep the driver's error as its context.
    raise in_our_words(problem, target, dialled=round(seconds, 1))


async def _dial(target: Target, seconds: float) -> Connection:
    """Look the host up and log in at the first of its addresses that answers, in `seconds` at most."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    async with asyncio.timeout_at(deadline):
        addresses = await resolve(target)
        context = await tls_context(target)
    behind_pooler = target.pooler is Pooler.PGBOUNCER
    dial = hardened_protocol.Dial(
        (target.tenant, f"{target.host}:{target.port}"), password_in_plaintext=target.password_in_plaintext
    )
    token = hardened_protocol.DIAL.set(dial)
    try:
        return await asyncpg.connect(
            host=addresses,
            port=target.port,
            user=target.user,
            password=target.password,
            database=target.database,
            ssl=context or False,
            # Without a value of ours, asyncpg takes those of PG* variables.
            direct_tls=False,
            target_session_attrs="any",
            krbsrvname="postgres",
            gsslib="gssapi",
            timeout=max(deadline - loop.time(), 0.001),
            command_timeout=target.query_timeout,
            # PgBouncer before 1.21 mixes up prepared statements of its clients.
            statement_cache_size=0 if behind_pooler else 100,
            # Two of the few settings that PgBouncer accepts from a client at the start.
            server_settings={"application_name": target.application_name, **STRINGS},
        )
    except BaseException:
        for protocol in dial.protocols:  # asyncpg leaves a socket open if it fails after the login
            protocol.close_socket()
        raise
    finally:
        hardened_protocol.DIAL.reset(token)
        dial.protocols.clear()


@contextmanager
def answer_limit(connection: Connection, most_bytes: int) -> Iterator[None]:
    """Let each query of a `with` bring up to `most_bytes`, in place of `ANSWER_BYTES`.

    A larger answer ends the connection, with the reason AnswerTooLarge.
    """
    answers = connection._protocol.answers  # asyncpg offers no public way to its protocol
    answers.most_bytes = most_bytes
    try:
        yield
    finally:
        answers.most_bytes = ANSWER_BYTES


@contextmanager
def notices_read(connection: Connection, reader: NoticeReader) -> Iterator[None]:
    """Let `reader` have the notices of what is executed in a `with`, and take answers as fast as they arrive.

    For a process that does nothing else: a server that sends notices without end keeps it busy.
    """
    answers = connection._protocol.answers  # asyncpg offers no public way to its protocol
    answers.notices = reader
    try:
        yield
    finally:
        answers.notices = None


async def close(connection: Connection) -> None:
    """Close the connection within `CLOSE_TIMEOUT`, or drop its socket; never raise for a broken connection."""
    with suppress(*DRIVER_ERRORS, ProtocolViolation):
        await connection.close(timeout=CLOSE_TIMEOUT)
    if not connection.is_closed():
        connection.terminate()


@asynccontextmanager
async def connected(target: Target) -> AsyncIterator[Connection]:
    """Yield a connection for the duration of a `with`; translate errors of the driver with `in_our_words`."""
    connection = await connect(target)
    try:
        yield connection
    except (*DRIVER_ERRORS, ProtocolViolation) as error:
        raise in_our_words(error, target) from None
    finally:
        await close(connection)


def forget_statements(connection: Connection) -> None:
    """Let the driver prepare its statements again, since the user's SQL may have dropped them: DEALLOCATE ALL."""
    connection._drop_local_statement_cache()  # the public way also asks for the types again


def peer_address(connection: Connection) -> str:
    """Return the address and port of the server as the network knows them; empty for a Unix socket."""
    peer = connection._transport.get_extra_info("peername")  # asyncpg offers no public way to its socket
    return ":".join(map(str, peer[:2])) if isinstance(peer, tuple) else ""


async def behind_pooler(connection: Connection) -> bool:
    """Return whether a pooler answers for PostgreSQL: the backend of a query is not the one of the login."""
    return bool(await connection.fetchval("SELECT pg_catalog.pg_backend_pid()") != connection.get_server_pid())


def _notice_silent_peers(connection: Connection, target: Target) -> None:
    """Let the kernel close a connection whose peer vanished silently, such as a Pod that is gone."""
    transport = connection._transport  # asyncpg offers no public way to its socket
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        milliseconds = int(min(target.query_timeout + _USER_TIMEOUT_MARGIN, _LONGEST_USER_TIMEOUT) * 1000)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
