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
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any

import asyncpg.connect_utils
import asyncpg.protocol
import asyncpg.protocol.protocol

from controller.database.auth_messages import Challenge, LoginEnded, LoginReader, Message
from controller.errors import InternalError

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

UNPROTECTED = (
    f"asyncpg {asyncpg.__version__} does not use this program's protocol, which protects the process from hostile "
    "servers. Install a release that pyproject.toml allows."
)

_hashing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scram")
"""One thread, so that a server that asks for many rounds delays other logins by half a second, and nothing else."""


@lru_cache(maxsize=1024)
def _salted_password(digest: str, password: bytes, salt: bytes, iterations: int) -> bytes:
    """Return the salted password, which is costly and the same for each connection of a user.

    RFC 5802, section 5.1 allows to cache it.
    """
    return hashlib.pbkdf2_hmac(digest, password, salt, iterations)


class HardenedProtocol(asyncpg.protocol.Protocol):  # type: ignore[misc]
    """Subclass of asyncpg's protocol that checks each login message, and limits the speed of answers."""

    def __init__(self, addr: Any, connected: asyncio.Future[Any], params: Any, record_class: Any, loop: Any) -> None:
        super().__init__(addr, connected, params, record_class, loop)
        self._connected = connected
        self._password: str = params.password or ""
        self._event_loop: asyncio.AbstractEventLoop = loop
        self._wire: Any = None
        verified = isinstance(params.ssl, ssl.SSLContext) and params.ssl.verify_mode is ssl.CERT_REQUIRED
        self._login: LoginReader | None = LoginReader(plain_password_allowed=verified or not params.ssl)
        self._hash_is_made = False
        self._waiting = b""
        self._answered = 0
        self._allowance = ANSWER_SECONDS
        self._counted_at = self._next_at = 0.0

    def connection_made(self, transport: Any) -> None:
        self._wire = transport
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._login is None:
            self._waiting += data
            self._answer()
        else:
            self._log_in(self._login, data)

    def connection_lost(self, exc: Exception | None) -> None:
        rest, self._waiting = self._waiting, b""
        if rest and not self.is_closed():  # over TLS, a close is known before all data is processed
            self._pass_on(rest)
        super().connection_lost(exc)

    def prepare(self, *args: Any, **options: Any) -> Any:
        """Prepare a statement, and count it as a query, which `queries_count` does not."""
        self._answered = -1
        return super().prepare(*args, **options)

    def _log_in(self, login: LoginReader, data: bytes = b"") -> None:
        try:
            login.receive(data)
            if self._hash_is_made or self._connected.done():
                return
            for message in login.messages():
                challenge = login.challenge(message)
                if challenge is not None:
                    self._hash(login, challenge, message)
                    return
                self._pass_on(message.raw)
                if message.ends_login:
                    self._login = None
                    self._pass_on(login.rest())
                    return
        except LoginEnded as ended:
            if not self._connected.done():
                self._connected.set_exception(ended)
            self._wire.abort()

    def _hash(self, login: LoginReader, challenge: Challenge, message: Message) -> None:
        """Compute the hash in a thread, then continue; asyncpg finds the result in the cache of `_salted_password`."""

        def resume(made: asyncio.Future[bytes]) -> None:
            self._hash_is_made = False
            if not made.cancelled() and not self._connected.done():
                self._pass_on(message.raw)
                self._log_in(login)

        # PostgreSQL prepares other alphabets by SASLprep, which for nearly every password is NFKC.
        password = unicodedata.normalize("NFKC", self._password).encode()
        work = partial(_salted_password, "sha256", password, challenge.salt, challenge.iterations)
        self._hash_is_made = True
        self._event_loop.run_in_executor(_hashing, work).add_done_callback(resume)

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
        self._pass_on(piece)
        spent = min(MOST_FOR_A_PIECE, time.thread_time() - began)
        regained = (now - self._counted_at) * ANSWER_SHARE
        self._allowance = min(ANSWER_SECONDS, self._allowance + regained) - spent
        self._counted_at = now
        self._next_at = now + max(0.0, -self._allowance / ANSWER_SHARE)

    def _pass_on(self, data: bytes) -> None:
        """Pass data to asyncpg; close the connection, without a log record, if asyncpg cannot read it."""
        try:
            super().data_received(data)
        except Exception:  # noqa: BLE001 - the server caused it, and its text may be in the error
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
