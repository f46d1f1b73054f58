"""Messages of a server during the login, checked before they reach the driver. Pure.

A resource can name any host, so the server may be hostile: it may ask for the password in plain text, ask for so many
rounds of hashing that the whole process stops, or send without end. Messages:
https://www.postgresql.org/docs/current/protocol-message-formats.html.
"""

import base64
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from controller.database.answer_messages import check_setting, encoding_unsupported, readable_error
from controller.errors import ProtocolViolation

MOST_LOGIN_BYTES = 64 * 1024
"""Limit of a whole login; a real one takes about 500 bytes. The chain of a certificate is not counted."""
MOST_ITERATIONS = 100_000
"""Limit of SCRAM's iterations, 50 ms of one CPU. PostgreSQL uses 4096, or what `scram_iterations` says."""

_HEADER = struct.Struct("!cI")
_CODE = struct.Struct("!I")
_KNOWN_KINDS = frozenset((b"R", b"E", b"N", b"S", b"K", b"Z", b"v"))
"""All messages that a server may send before it is ready: Authentication, ErrorResponse, NoticeResponse,
ParameterStatus, BackendKeyData, ReadyForQuery, NegotiateProtocolVersion."""
_OK, _PLAIN, _MD5, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 3, 5, 10, 11, 12
_LEAST_BYTES = {b"Z": 6, b"K": 13}
"""Lengths of messages whose content the driver reads without a check."""
_SETTINGS = (b"server_version\0", b"client_encoding\0")
"""Settings that the driver uses; all others, a dozen at each login, are dropped unread, however many a server sends."""
_VERSION = re.compile(r"(PostgreSQL )?[0-9]{1,4}([.][0-9]{1,6}){0,2}([a-z]{1,8}[0-9]{0,4})?([ +/~(-].*)?")
_LONGEST_VERSION = 256
_CHALLENGE = re.compile(rb"r=[^,]+,s=([^,]{1,1024}),i=([0-9]{1,10})(?:,|\Z)")
_SCRAM = b"SCRAM-SHA-256"


@dataclass(frozen=True, slots=True)
class Message:
    """One message from the server.

    Attributes:
        raw: the message with its header.
    """

    kind: bytes
    raw: bytes

    @property
    def body(self) -> bytes:
        return self.raw[_HEADER.size :]

    @property
    def ends_login(self) -> bool:
        return self.kind == b"Z"


@dataclass(frozen=True, slots=True)
class Challenge:
    """Input for SCRAM's password hash (RFC 5802, section 5.1)."""

    salt: bytes
    iterations: int


class LoginReader:
    """Reader that splits received data into messages and refuses any that PostgreSQL would not send.

    Attributes:
        gives_password_away: True once the server asked for the password itself, and may repeat it.
    """

    def __init__(self, *, plain_password_allowed: bool) -> None:
        self._plain_password_allowed = plain_password_allowed
        self._received = 0
        self._buffer = b""
        self._settings: dict[str, str] = {}
        self._was_challenged = False
        self.gives_password_away = False

    def receive(self, data: bytes) -> None:
        """Store received data.

        Raises:
            ProtocolViolation: the server sent too much for a login.
        """
        self._received += len(data)
        if self._received > MOST_LOGIN_BYTES:
            raise _not_postgresql("sends data without end instead of completing the login")
        self._buffer += data

    def messages(self) -> Iterator[Message]:
        """Remove and yield the messages that are complete.

        Raises:
            ProtocolViolation: a message is not one of PostgreSQL's, or asks for a login that we refuse.
        """
        while len(self._buffer) >= _HEADER.size:
            kind, length = _HEADER.unpack_from(self._buffer)
            if kind not in _KNOWN_KINDS or not _CODE.size <= length <= MOST_LOGIN_BYTES:
                raise _not_postgresql("does not speak its protocol")
            if len(self._buffer) <= length:
                return
            if kind == b"S" and not self._buffer.startswith(_SETTINGS, _HEADER.size):
                self._buffer = self._buffer[length + 1 :]
                continue
            message = Message(kind, self._buffer[: length + 1])
            self._buffer = self._buffer[length + 1 :]
            self._check(message)
            if kind == b"E":
                yield Message(kind, readable_error(message.body))
            elif kind != b"N":
                yield message

    def rest(self) -> bytes:
        """Return the data received after the last message."""
        return self._buffer

    def challenge(self, message: Message) -> Challenge | None:
        """Return the hash that `message` asks for; None if it asks for none.

        Raises:
            ProtocolViolation: the hash is too costly, or the message cannot be read.
        """
        if message.kind != b"R" or _code(message) != _SASL_CONTINUE:
            return None
        found = _CHALLENGE.match(message.body[_CODE.size :])
        if found is None:
            raise _not_postgresql("sends a SCRAM challenge that cannot be read")
        if self._was_challenged:
            raise _not_postgresql("sends a second SCRAM challenge")
        self._was_challenged = True
        iterations = int(found[2])
        if not 0 < iterations <= MOST_ITERATIONS:
            raise ProtocolViolation(
                f"The server asks for {iterations} rounds of hashing; at most {MOST_ITERATIONS} are allowed. Lower "
                "scram_iterations in the server, and set the password again.",
                reason="LoginTooCostly",
            )
        try:
            return Challenge(base64.b64decode(found[1]), iterations)
        except ValueError:
            raise _not_postgresql("sends a SCRAM challenge that cannot be read") from None

    def _check(self, message: Message) -> None:
        if len(message.raw) < _LEAST_BYTES.get(message.kind, 0):
            raise _not_postgresql("does not speak its protocol")
        if message.kind == b"S":
            name, value = check_setting(message.body)
            self._settings[name] = value
        if message.ends_login:
            self._check_settings()
        if message.kind != b"R":
            return
        code = _code(message)
        self.gives_password_away |= code == _PLAIN
        if code == _PLAIN and not self._plain_password_allowed:
            raise ProtocolViolation(
                "The server asks for the password in plain text, and its identity was not verified. Use sslMode "
                "verify-full, or let the server use scram-sha-256.",
                reason="PlaintextPasswordRefused",
            )
        if code == _SASL and _SCRAM not in message.body[_CODE.size :].split(b"\0"):
            raise _method_unsupported()
        if code not in (_OK, _PLAIN, _MD5, _SASL, _SASL_CONTINUE, _SASL_FINAL):
            raise _method_unsupported()

    def _check_settings(self) -> None:
        """Raise ProtocolViolation unless the server said what the driver depends on."""
        if "client_encoding" not in self._settings:
            raise encoding_unsupported()
        version = self._settings.get("server_version", "")
        if len(version) > _LONGEST_VERSION or _VERSION.fullmatch(version) is None:
            raise ProtocolViolation(
                "The server does not say a version that can be read (server_version). Correct host and port.",
                reason="ServerVersionUnreadable",
            )


def _code(message: Message) -> int:
    if len(message.body) < _CODE.size:
        raise _not_postgresql("does not speak its protocol")
    code: int = _CODE.unpack_from(message.body)[0]
    return code


def _not_postgresql(what: str) -> ProtocolViolation:
    return ProtocolViolation(f"The server at this address {what}. Correct host and port.", reason="NotPostgreSQL")


def _method_unsupported() -> ProtocolViolation:
    return ProtocolViolation(
        "The server asks for a login method other than a password. Let it use scram-sha-256 for this user.",
        reason="LoginMethodUnsupported",
    )
