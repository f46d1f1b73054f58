"""Messages of a server after the login, checked by their headers before the driver stores a byte of them. Pure.

A resource can name any host, so the server may be hostile: it may send a row of a gigabyte, rows that no query asked
for, or values of types whose decoder allocates what a header says. Messages:
https://www.postgresql.org/docs/current/protocol-message-formats.html.
"""

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from controller.database.column_types import (
    KNOWN_PARAMETER_TYPES,
    KNOWN_TYPES,
    check_types,
    column_types,
    parameter_types,
    unreadable,
)
from controller.database.notices import NOTICE_BYTES, NoticeReader
from controller.errors import ProtocolViolation

ANSWER_BYTES = 256 * 1024
"""Limit in bytes of the answer to a query that does not say how much it may bring; ours bring a few hundred. Decoded,
the same answer takes up to ten times as much memory."""
IDLE_BYTES = 64 * 1024
"""Limit in bytes of what a server sends between two queries: notices, and the reason why it ends the session."""
MESSAGE_COST = 128
"""Bytes that each message is charged besides its own, about what the driver allocates for an empty row."""
ERROR_BYTES = 64 * 1024
"""Bytes that are kept of an error; PostgreSQL repeats a wrong value in full, which may be longer."""

_HEADER = struct.Struct("!BI")
_HEADER_BYTES, _read_header = _HEADER.size, _HEADER.unpack_from
_LEAST_LENGTH = 4
"""Length of an empty message, as its header says it: the bytes of the length itself."""
_COUNT = struct.Struct("!H")
_LENGTH = struct.Struct("!i")
_UTF_8 = frozenset((b"UTF8", b"UTF-8", b"UNICODE"))
"""Spellings of the encoding; PgBouncer repeats the driver's, with its quotes."""
_ENCODINGS = _UTF_8 | frozenset(
    b"SQL_ASCII LATIN1 LATIN2 LATIN3 LATIN4 LATIN5 LATIN6 LATIN7 LATIN8 LATIN9 LATIN10 WIN1250 WIN1251 WIN1252 WIN1253 "
    b"WIN1254 WIN1255 WIN1256 WIN1257 WIN1258 WIN866 WIN874 ISO_8859_5 ISO_8859_6 ISO_8859_7 ISO_8859_8 KOI8R KOI8U "
    b"EUC_JP EUC_KR EUC_CN SJIS BIG5 GBK GB18030 UHC JOHAB".split()
)
"""Encodings of PostgreSQL that a migration may set for its session, until that is reset at its end. Python knows codecs
of other names too, and some of them decompress what they are given."""
_QUESTIONS = frozenset(b"QPBEC")
"""Query, Parse, Bind, Execute, Close: messages of ours that are answered."""
_TEXT, _READY, _COMPLETE, _ROW, _EMPTY, _ERROR, _SETTING, _COLUMNS, _PARAMETERS, _NOTICE = b"QZCDIESTtN"
_SHORT: dict[int, float] = dict.fromkeys(b"123ns", 4.0) | {_READY: 5.0, _COMPLETE: 256.0}
"""ParseComplete, BindComplete, CloseComplete, NoData, PortalSuspended, ReadyForQuery, CommandComplete, with the limits
of their lengths."""
_ENDS = frozenset((_READY, _COMPLETE))
_IN_ANSWER: dict[int, float] = _SHORT | {_ROW: math.inf, _EMPTY: 4.0}
"""... and DataRow and EmptyQueryResponse, in the answer to a prepared query."""
_NOTHING: dict[int, float] = {}
_WHOLE = {_SETTING: 4096, _PARAMETERS: 1024, _COLUMNS: 16 * 1024}
"""Messages that are read in full before they are passed on, with the limits of their lengths."""
_UNREAD = frozenset(b"NA")
"""NoticeResponse, NotificationResponse: may come at any time; the driver reads neither."""
_RESULTS = frozenset(b"DTIdcGHW") | _UNREAD
"""Messages that are dropped from the answer to a text of several statements, since the driver does not read them:
results, and what belongs to COPY."""


class AnswerReader:
    """Reader that decides over each message by its header: pass it on, drop it as it arrives, or end the connection.

    Results of a text of several statements, such as a migration, are dropped, so they may be of any size.

    Attributes:
        most_bytes: limit in bytes of the answer to each query that begins from now on.
        rows: bodies of the rows that a text of several statements brings, if they are wanted; None to drop them.
        notices: reader of the notices of texts; None to drop them.
        secret: password that the server knows, and might put into an error or a notice; empty if it knows none.
    """

    def __init__(self) -> None:
        self.most_bytes = ANSWER_BYTES
        self.rows: list[bytes] | None = None
        self.notices: NoticeReader | None = None
        self.secret = ""
        self._passed = _NOTHING
        self._left: float = IDLE_BYTES
        self._close()
        self._body_left = 0  # bytes to come of a message that was decided over
        self._drops = False  # ... and whether they are dropped
        self._held = b""  # beginning of a message that cannot be decided over yet

    def begin(self, kind: int) -> None:
        """Begin the answer to a message of `kind` that is sent to the server."""
        if kind in _QUESTIONS:
            self._limit = self.most_bytes
            self._text = kind == _TEXT
            # Of the answer to a text, the driver keeps nothing but the last error and the name of the last command.
            self._passed = _SHORT if self._text else _IN_ANSWER
            if self._text and self.notices is not None:
                self.notices.start_text()
            self._left = math.inf if self._text and self.rows is None else self._limit

    def _close(self) -> None:
        """Expect nothing but what a server may send between two queries."""
        self._text = False
        self._limit = self._left = IDLE_BYTES
        self._passed = _NOTHING

    def read(self, data: bytes) -> bytes:
        """Take received data, and return what the driver is to read of it.

        Raises:
            ProtocolViolation: the server broke a rule or a limit.
        """
        if self._held:
            data, self._held = self._held + data, b""
        end = len(data)
        at = min(self._body_left, end)
        self._body_left -= at
        begin = at if self._drops else 0  # of the messages that are passed on in one piece
        pieces: list[bytes] = []
        while end - at >= _HEADER_BYTES:
            kind, length = _read_header(data, at)
            if kind == _NOTICE and not self._reads_notices():
                pieces.append(data[begin:at])
                begin = at = self._after_notices(data, at)
                continue
            most = self._passed.get(kind)
            if most is None:
                needed = self._needed(kind, length)
                if end - at < needed:
                    break
                replacement = self._decide(kind, data[at + _HEADER_BYTES : at + needed])
                if replacement is not None:
                    pieces += (data[begin:at], replacement)
                    begin = at + 1 + length
            elif not _LEAST_LENGTH <= length <= most:
                raise unreadable()
            elif kind in _ENDS and not self._note_end(kind, data, at, length):
                break
            self._left -= length + MESSAGE_COST
            at += 1 + length
        self._keep(data[at:], at - end, drops=begin == at)
        return b"".join((*pieces, data[begin:at])) if pieces else data[begin:at]

    def _note_end(self, kind: int, data: bytes, at: int, length: int) -> bool:
        """Note the end of a statement, or of all; False if the message at `at` is not all there and has to be read."""
        if kind == _READY:
            self._close()
        elif self._text and self.notices is not None:
            if len(data) - at <= length:
                return False
            self.notices.complete(data, at + _HEADER_BYTES)
        return True

    def _reads_notices(self) -> bool:
        return self._text and self.notices is not None and not self.notices.full

    def _after_notices(self, data: bytes, at: int) -> int:
        """Return where the notices end that begin at `at`, which is behind `data` if the last one is not all there.

        A file may raise one for each of its rows, so each takes as little time as possible.
        """
        begin, count, last = at, 0, len(data) - _HEADER_BYTES
        while at <= last:
            kind, length = _read_header(data, at)
            if kind != _NOTICE:
                break
            if length < _LEAST_LENGTH:
                raise unreadable()
            at += 1 + length
            count += 1
        self._left -= at - begin + (MESSAGE_COST - 1) * count
        if self._text and self.notices is not None:
            self.notices.left_out += count
        return at

    def _keep(self, undecided: bytes, missing: int, *, drops: bool) -> None:
        """Check the limit, and remember a message that is not there in full: its beginning, or what is `missing`."""
        if self._left < 0:
            raise ProtocolViolation(
                f"The server sends more than the {self._limit} bytes that this query may bring.",
                reason="AnswerTooLarge",
            )
        if missing > 0:
            self._body_left, self._drops = missing, drops
        else:
            self._held = undecided

    def _describes_rows(self, kind: int) -> bool:
        """Return True for the description of rows that are kept, which is checked as that of a prepared query is."""
        return kind == _COLUMNS and self.rows is not None

    def _needed(self, kind: int, length: int) -> int:
        """Return how many bytes of a message have to be there before it is decided over."""
        if length < _LEAST_LENGTH:
            raise unreadable()
        if kind in (_ERROR, _NOTICE):
            return min(length + 1, ERROR_BYTES if kind == _ERROR else NOTICE_BYTES)
        if kind == _ROW and self._text and self.rows is not None and length <= self._left:
            return length + 1
        if kind not in _WHOLE or (self._text and kind in _RESULTS and not self._describes_rows(kind)):
            return _HEADER_BYTES
        if length > _WHOLE[kind]:
            raise unreadable()
        return length + 1

    def _decide(self, kind: int, body: bytes) -> bytes | None:
        """Return what the driver is to read in place of a message; None for the message itself."""
        if self.notices is not None and self._text and kind == _NOTICE:
            self.notices.read(_without(self.secret, body.decode(errors="replace")))
            return b""
        if kind in _UNREAD or (self._text and kind in _RESULTS):
            if kind == _ROW and self.rows is not None:
                self.rows.append(body)
            elif self._describes_rows(kind):
                check_types(column_types(body), KNOWN_TYPES)
            return b""
        if kind == _ERROR:
            return readable_error(body, self.secret)
        if kind == _SETTING:
            name, _ = check_setting(body, _ENCODINGS if self._text else _UTF_8)
            return None if name == "client_encoding" else b""
        if not self._passed or kind not in _WHOLE:
            raise ProtocolViolation("The server sends messages that no query asked for.")
        if kind == _COLUMNS:
            check_types(column_types(body), KNOWN_TYPES)
        else:
            check_types(parameter_types(body), KNOWN_PARAMETER_TYPES)
        return None


@contextmanager
def as_expected(what: str) -> Iterator[None]:
    """Read the answer to the question for `what` in a `with`.

    Raises:
        ProtocolViolation: its columns or values are others than PostgreSQL's.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError, struct.error):
        raise ProtocolViolation(f"The server answers the question for {what} with something else.") from None


def _without(secret: str, text: str) -> str:
    return text.replace(secret, "***") if secret else text


def readable_error(body: bytes, secret: str = "") -> bytes:
    """Return an ErrorResponse with this body, of which the end may be missing; what is not UTF-8 is replaced.

    Args:
        secret: password to leave out; empty for none.
    """
    text = _without(secret, body.decode(errors="replace")).encode()
    return _HEADER.pack(_ERROR, len(text) + 6) + text + b"\0\0"


def first_value(body: bytes) -> str:
    """Return the first value of a DataRow with this body, which is text.

    Raises:
        ProtocolViolation: it has none.
    """
    with as_expected("one value"):
        length = _LENGTH.unpack_from(body, _COUNT.size)[0]
        begin = _COUNT.size + _LENGTH.size
        if not 0 <= length <= len(body) - begin:
            raise unreadable()
        return body[begin : begin + length].decode()


def check_setting(body: bytes, encodings: frozenset[bytes] = _UTF_8) -> tuple[str, str]:
    """Return name and value of a ParameterStatus.

    Raises:
        ProtocolViolation: it cannot be read, or the session has an encoding that is none of `encodings`.
    """
    name, _, rest = body.partition(b"\0")
    value, _, more = rest.partition(b"\0")
    if more or not rest.endswith(b"\0"):
        raise unreadable()
    if name == b"client_encoding" and value.strip(b"'").upper() not in encodings:
        raise encoding_unsupported()
    return name.decode(errors="replace"), value.decode(errors="replace")


def encoding_unsupported() -> ProtocolViolation:
    """Return the error about a session with another encoding than UTF-8."""
    return ProtocolViolation(
        "The session's client_encoding is not UTF8, which this program asks for. Remove the setting from the server, "
        "the pooler or the migration.",
        reason="EncodingUnsupported",
    )
