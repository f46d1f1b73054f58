"""Checks of the single fields of a connection, whatever their source. Pure.

Each function returns the value, or raises ValueError with the accepted form. Host, database and user appear in
messages. People sometimes paste a whole URL, password included, into one of them: it is refused before any message
could repeat it.
"""

import re
from collections.abc import Callable

from controller.database.target import SslMode

_HOST = re.compile(r"[A-Za-z0-9._:%-]{1,255}")
"""Host name or IP address."""
_FOLDER = re.compile(r"/[A-Za-z0-9._/-]{1,100}")
"""Folder of a Unix socket."""
_LONGEST_NAME = 255
"""Limit in characters of a database or user: PostgreSQL takes 63, but some poolers put a tenant before the name."""


def host(text: str) -> str:
    if _HOST.fullmatch(text) is None:
        raise ValueError("no host name or IP address; give the host alone, no URL, port or list")
    return text


def host_or_folder(text: str) -> str:
    """Check a host as `host` does, and accept the folder of a Unix socket as well."""
    return text if _FOLDER.fullmatch(text) else host(text)


def name(text: str) -> str:
    """Check the name of a database, a user or an application."""
    if "://" in text:
        raise ValueError("a URL; give the name alone")
    if len(text) > _LONGEST_NAME or not text.isprintable():
        raise ValueError(f"longer than {_LONGEST_NAME} characters or holds one that cannot be printed")
    if text.isspace():
        raise ValueError("nothing but blanks")
    return text


def password(text: str) -> str:
    """Check that the protocol can carry the password."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("not UTF-8 text") from None
    if "\0" in text:
        raise ValueError("not without a NUL byte")
    return text


def integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        short = len(text) <= len(str(high))  # int() itself refuses thousands of digits
        if not (short and text.isascii() and text.isdecimal() and low <= int(text) <= high):
            raise ValueError(f"not a whole number from {low} to {high}")
        return int(text)

    return parse


port = integer(1, 65535)


def ssl_mode(text: str) -> SslMode:
    try:
        return SslMode(text)
    except ValueError:
        raise ValueError(f"none of {', '.join(SslMode)}") from None
