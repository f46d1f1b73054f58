"""Protection of the process from hostile servers, as a layer between the network and asyncpg.

asyncpg hashes inside the event loop as often as a server asks for, sends a password in plain text to any server that
asks, and processes all that a server sends as fast as it arrives. With this protocol no server can steal a password,
stop the process or fill its memory.
"""

import asyncio
import hashlib
import ssl
import time
import unicodedata
from collections.abc import Awaitable
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

import asyncpg.connect_utils
import asyncpg.protocol
import asyncpg.protocol.protocol

from controller.database.answer_messages import AnswerReader
from controller.database.auth_messages import Challenge, LoginReader, Message
from controller.database.column_types import unreadable
from controller.database.failures import DRIVER_ERRORS
from controller.database.socket_clock import seconds_since_arrival
from controller.errors import InternalError, ProtocolViolation
from controller.runtime.fair_threads import FairThreads, Share

PIECE = 32 * 1024
"""Bytes passed to asyncpg at once, before other tasks run. asyncio reads eight times as many at once; if those are all
notices, which take the most CPU time, the process would stop noticeably."""
ANSWER_SECONDS = 0.1
"""CPU seconds that the answer to one query may take without a delay; our queries take a few milliseconds."""
ANSWER_SHARE = 0.01
"""Share of one CPU for the rest of a longer answer: an endless one costs little, and fills little memory, until the
query times out."""

MOST_FOR_A_PIECE = 0.01
"""Limit in CPU seconds that one piece is charged; none costs as much, but the garbage collector may run meanwhile."""

SMALL_PIECE = 512
"""Bytes up to which the beginning of an answer is passed on without counting: nearly all of ours are as short."""
_bind_execute = asyncpg.protocol.Protocol.bind_execute

UNPROTECTED = (
    f"asyncpg {asyncpg.__version__} does not use this program's protocol, which protects the process from hostile "
    "servers. Install a release that pyproject.toml allows."
)

HASHING_OF_A_TENANT = Share(seconds=5.0, rate=0.05)
HASHING_OF_A_SERVER = Share(seconds=1.0, rate=0.01)
"""CPU time for hashes. A login costs 2 ms, or 50 ms with the most iterations, and nothing while its hash is cached."""

_hashing = FairThreads("scram", threads=1, shares=(HASHING_OF_A_TENANT, HASHING_OF_A_SERVER), timer=time.thread_time)
"""One thread, which serves first whoever has used least: a login waits for one hash of other servers at most."""


@dataclass(slots=True)
class Dial:
    """One try to connect, as its protocol sees it.

    Attributes:
        account: tenant and server, whose budget the hash is charged to.
        password_in_plaintext: over a connection without TLS, the server may ask for the password itself.
        protocols: those that were made for it.
    """

    account: tuple[str, str]
    password_in_plaintext: bool
    protocols: "list[HardenedProtocol]" = field(default_factory=list)


DIAL: ContextVar[Dial] = ContextVar("dial")
"""The try that the current task makes; asyncpg passes nothing of ours on to its protocol."""


class _Wire:
    """Transport that tells the reader of answers what is asked; all else goes to the real one."""

    def __init__(self, transport: Any, answers: AnswerReader) -> None:
        self._transport = transport
        begin, send = answers.begin, transport.write

        def write(data: Any) -> None:
            begin(data[0])
            send(data)

        self.write = write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


MOST_HASHES = 16384
"""Salted passwords that are kept, about 600 bytes each: with fewer than there are users, each login would hash anew."""

_salted: dict[tuple[str, bytes, bytes, int], bytes] = {}
"""Salted passwords by digest, password, salt and iterations, the one that was used last at the end. Each is costly, and
the same for all connections of a user; RFC 5802, section 5.1 allows to keep it. Changed in the event loop's thread."""


def _hash(*key: Any) -> bytes:
    """Return the salted password for a key of `_salted`; one that was kept meanwhile is not computed again."""
    return _salted.get(key) or hashlib.pbkdf2_hmac(*key)


def _salted_password(*key: Any) -> bytes:
    """Return the salted password and keep it; for asyncpg, in whose calls it is nearly always kept already."""
    return _keep(key, _hash(*key))


def _keep(key: Any, salted: bytes) -> bytes:
    """Keep a salted password as the one that was used last, in place of the one that was used the longest ago."""
    _salted.pop(key, None)
    _salted[key] = salted
    if len(_salted) > MOST_HASHES:
        del _salted[next(iter(_salted))]
    return salted


class HardenedProtocol(asyncpg.protocol.Protocol):  # type: ignore[misc]
    """Subclass of asyncpg's protocol that checks each login message, and limits the speed of answers.

    Attributes:
        arrived_at: monotonic time in seconds of the arrival that `note_arrival` asked for; None while there was none.
    """

    def __init__(self, addr: Any, connected: asyncio.Future[Any], params: Any, record_class: Any, loop: Any) -> None:
        super().__init__(addr, connected, params, record_class, loop)
        self._connected = connected
        self._password: str = params.password or ""
        self._event_loop: asyncio.AbstractEventLoop = loop
        self._wire: Any = None
        verified = isinstance(params.ssl, ssl.SSLContext) and params.ssl.verify_mode is ssl.CERT_REQUIRED
        self._pending_hash: Future[bytes] | None = None
        self._account = ("", str(addr))
        if (dial := DIAL.get(None)) is not None:
            self._account = dial.account
            dial.protocols.append(self)
        said = dial is not None and dial.password_in_plaintext and not params.ssl
        self._login: LoginReader | None = LoginReader(plain_password_allowed=verified or said)
        self._answers = AnswerReader()
        self._violation: ProtocolViolation | None = None
        self._waiting = b""
        self._answered = 0
        self._allowance = ANSWER_SECONDS
        self._counted_at = self._next_at = 0.0
        self._notes_arrival = False
        self.arrived_at: float | None = None

    def connection_made(self, transport: Any) -> None:
        self._wire = transport
        super().connection_made(_Wire(transport, self._answers))

    def note_arrival(self) -> None:
        """Note in `arrived_at` when the next data arrives."""
        self._notes_arrival, self.arrived_at = True, None

    def data_received(self, data: bytes) -> None:
        if self._notes_arrival:
            self._notes_arrival = False
            self.arrived_at = time.monotonic() - seconds_since_arrival(self._wire.get_extra_info("socket"))
        if self._login is not None:
            self._log_in(self._login, data)
        elif self.queries_count != self._answered and len(data) <= SMALL_PIECE and not self._waiting:
            # The beginning of an answer, and nearly always all of it: nothing to be counted.
            self._answered, self._allowance, self._next_at = self.queries_count, ANSWER_SECONDS, 0.0
            self._pass_answer(data)
        elif self._answers.notices is not None and not self._waiting:  # see `connection.notices_read`
            self._pass_answer(data)
        else:
            self._waiting += data
            self._answer()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._pending_hash is not None:
            self._pending_hash.cancel()
        rest, self._waiting = self._waiting, b""
        if rest and not self.is_closed():  # over TLS, a close is known before all data is processed
            self._pass_answer(rest)
        super().connection_lost(self._violation or exc)

    @property
    def answers(self) -> AnswerReader:
        return self._answers

    async def prepare(self, *args: Any, **options: Any) -> Any:
        """Prepare a statement, and count it as a query, which `queries_count` does not."""
        self._answered = -1
        return await self._readable(super().prepare(*args, **options))

    async def bind_execute(  # noqa: PLR0917 - asyncpg's signature; every query takes this way, so nothing is packed
        self,
        state: Any,
        args: Any,
        portal_name: str,
        limit: int,
        return_extra: bool,
        timeout: Any,  # noqa: ASYNC109
    ) -> Any:
        """Execute a prepared statement."""
        try:
            return await _bind_execute(self, state, args, portal_name, limit, return_extra, timeout)
        except DRIVER_ERRORS:
            raise
        except Exception:  # noqa: BLE001 - the server caused it, and its text may be in the error
            raise self._undecodable() from self._violation

    async def query(self, *args: Any, **options: Any) -> Any:
        """Execute a text of one or several statements."""
        return await self._readable(super().query(*args, **options))

    async def _readable(self, answer: Awaitable[Any]) -> Any:
        """Return the answer; `bind_execute` has the same lines, since every query would pay for one more call."""
        try:
            return await answer
        except DRIVER_ERRORS:
            raise
        except Exception:  # noqa: BLE001 - the server caused it, and its text may be in the error
            raise self._undecodable() from self._violation

    def _undecodable(self) -> asyncpg.InternalClientError:
        """End the connection for a value that a decoder of the driver could not read, and return the error to raise.

        Decoders raise what they meet, such as UnicodeDecodeError or OverflowError.
        """
        self.end(ProtocolViolation("The server sends a value that cannot be read."))
        return asyncpg.InternalClientError("a value that cannot be read")

    def _log_in(self, login: LoginReader, data: bytes = b"") -> None:
        try:
            login.receive(data)
            if self._pending_hash is not None or self._connected.done():
                return
            for message in login.messages():
                challenge = login.challenge(message)
                if challenge is not None and self._must_hash(login, challenge, message):
                    return
                self._pass_on(message.raw)
                if message.ends_login:
                    self._login = None
                    self._answers.secret = self._password if login.gives_password_away else ""
                    self._pass_answer(login.rest())
                    return
        except ProtocolViolation as violation:
            if not self._connected.done():
                self._connected.set_exception(violation)
            self.close_socket()

    def _must_hash(self, login: LoginReader, challenge: Challenge, message: Message) -> bool:
        """Return False where the hash is kept; else compute it in a thread, and continue then."""
        # PostgreSQL prepares other alphabets by SASLprep, which for nearly every password is NFKC.
        password = unicodedata.normalize("NFKC", self._password).encode()
        key = ("sha256", password, challenge.salt, challenge.iterations)
        if key in _salted:
            return False

        def resume(made: asyncio.Future[bytes]) -> None:
            self._pending_hash = None
            if not made.cancelled() and not self._connected.done():
                _keep(key, made.result())
                self._pass_on(message.raw)
                self._log_in(login)

        self._pending_hash = _hashing.submit(self._account, partial(_hash, *key))
        asyncio.wrap_future(self._pending_hash, loop=self._event_loop).add_done_callback(resume)
        return True

    def _answer(self) -> None:
        """Pass one piece of the waiting data to asyncpg as soon as the limits allow, and schedule the rest."""
        if self._wire.is_closing():
            return
        now = self._event_loop.time()
        if self.queries_count != self._answered:
            self._answered, self._allowance, self._next_at = self.queries_count, ANSWER_SECONDS, now
        if now >= self._next_at:
            piece, self._waiting = self._waiting[:PIECE], self._waiting[PIECE:]
            self._hand_over(piece, now)
        if self._waiting:
            self._wire.pause_reading()
            self._event_loop.call_later(max(0.0, self._next_at - now), self._answer)
        else:
            self._wire.resume_reading()

    def _hand_over(self, piece: bytes, now: float) -> None:
        """Pass on `piece`, charge its CPU time to the allowance, and delay the next one until there is some left."""
        began = time.thread_time()
        self._pass_answer(piece)
        spent = min(MOST_FOR_A_PIECE, time.thread_time() - began)
        regained = (now - self._counted_at) * ANSWER_SHARE
        self._allowance = min(ANSWER_SECONDS, self._allowance + regained) - spent
        self._counted_at = now
        self._next_at = now + max(0.0, -self._allowance / ANSWER_SHARE)

    def _pass_answer(self, data: bytes) -> None:
        """Pass on what the reader of answers lets through; end the connection that breaks a rule."""
        try:
            super().data_received(self._answers.read(data))
        except ProtocolViolation as violation:
            self.end(violation.with_traceback(None))
        except Exception:  # noqa: BLE001 - the server caused it, and its text may be in the error
            self.end(unreadable())

    def _pass_on(self, data: bytes) -> None:
        """Pass on a message of the login."""
        try:
            super().data_received(data)
        except Exception:  # noqa: BLE001 - the server caused it, and its text may be in the error
            self.end(unreadable())

    def end(self, violation: ProtocolViolation) -> None:
        """Close the socket; the query that runs fails with an error of the driver whose cause is `violation`."""
        self._violation = violation
        self._waiting = b""
        self.close_socket()

    def close_socket(self) -> None:
        """Close the socket at once, whatever the state of the login."""
        if self._pending_hash is not None:
            self._pending_hash.cancel()
        if self._wire is not None:
            self._wire.abort()


def install() -> None:
    """Make asyncpg use `HardenedProtocol` for every connection of this process; asyncpg has no public option for it.

    Raises:
        InternalError: this release of asyncpg takes its protocol from elsewhere, so connections would not be
            protected.
    """
    asyncpg.protocol.Protocol = HardenedProtocol
    if getattr(asyncpg.connect_utils.protocol, "Protocol", None) is not HardenedProtocol:
        raise InternalError(UNPROTECTED)
    asyncpg.protocol.protocol.hashlib = SimpleNamespace(md5=hashlib.md5, pbkdf2_hmac=_salted_password)
