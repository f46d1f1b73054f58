"""Notices of a server, which tell a person what a statement did: NOTICE, WARNING and INFO. Pure.

A hostile server may send any number of them, of any size, and a file may raise one for each row: so many are read, and
the rest is counted. https://www.postgresql.org/docs/current/protocol-error-fields.html
"""

from collections.abc import Callable
from dataclasses import dataclass

from controller.text import limited, one_line

NOTICE_BYTES = 8 * 1024
"""Bytes that are read of a notice."""
MOST_NOTICES = 100
"""Limit of notices that are read of one file."""

_SHOWN = frozenset(("NOTICE", "WARNING", "INFO"))
"""Severities that are shown; a role may have asked for DEBUG and LOG as well."""
_NOT_OF_FILES = frozenset(("25P01",))
"""SQLSTATEs of warnings that a ROLLBACK of ours can cause, and a file cannot."""
_COMMITTED = b"COMMIT\0"


@dataclass(frozen=True, slots=True)
class Notice:
    """Notice that a statement raised.

    Attributes:
        severity: NOTICE, WARNING or INFO, whatever the language of the server.
        message, hint: fit to be shown; the message may have several lines.
        transactions: number of transactions that the same message to the server had committed before.
    """

    severity: str
    sqlstate: str
    message: str
    hint: str
    transactions: int


class NoticeReader:
    """Reader of the notices of one connection, which passes each on as it arrives, up to a limit.

    Attributes:
        full: True once the limit is reached; further notices are only counted.
        left_out: number of notices above the limit.
    """

    def __init__(self, receive: Callable[[Notice], None], most: int = MOST_NOTICES) -> None:
        self._receive = receive
        self._most = most
        self._transactions = 0
        self.start_file()

    def start_file(self) -> None:
        """Begin to count from nothing."""
        self._read = 0
        self.full = False
        self.left_out = 0

    def start_text(self) -> None:
        """Begin the answer to another message."""
        self._transactions = 0

    def complete(self, data: bytes, at: int) -> None:
        """Take the tag of a statement that succeeded, which begins at `at` in `data`."""
        self._transactions += data.startswith(_COMMITTED, at)

    def read(self, body: str) -> None:
        """Take the body of a NoticeResponse, of which the end may be missing."""
        fields = {field[:1]: field[1:] for field in body.split("\0") if field}
        severity, sqlstate = fields.get("V", ""), one_line(fields.get("C", ""), 5)
        if severity in _SHOWN and sqlstate not in _NOT_OF_FILES:
            self._read += 1
            self.full = self._read >= self._most
            message, hint = limited(fields.get("M", "")), limited(fields.get("H", ""))
            self._receive(Notice(severity, sqlstate, message, hint, self._transactions))
