"""Texts that a server, a file or a user brings, made fit for terminals, logs, events, status and HTTP answers. Pure.

A server's text may hold escape sequences that rewrite a terminal, marks that turn the direction of writing around, or
ends of lines that forge a second record in a log; and it may be of any length.
"""

import unicodedata

MESSAGE_LENGTH = 1024
"""Limit in characters of a message."""
NAME_LENGTH = 128
"""Limit in characters of the name of an object, a role or a program; PostgreSQL's own names have up to 63 bytes."""
VERSION_LENGTH = 64
"""Limit in characters of a version."""

REPLACEMENT, ELLIPSIS = "\N{REPLACEMENT CHARACTER}", "\N{HORIZONTAL ELLIPSIS}"
_UNFIT = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
"""Categories of Unicode: control, format (directions, zero width), surrogate, private use, line and paragraph ends."""


def one_line(text: str, most: int = MESSAGE_LENGTH) -> str:
    """Return `text` as one line of up to `most` characters, the last of them an ellipsis if some were cut off."""
    shown = text[:most]
    if not (shown.isascii() and shown.isprintable()):
        shown = "".join(map(_in_line, shown))
    return shown if len(text) <= most else shown[: most - 1] + ELLIPSIS


def printable(text: str) -> str:
    """Return a text of several lines, without what is unfit inside of them."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if character in "\n\t" else _fit(character) for character in text)


def limited(text: str, most: int = MESSAGE_LENGTH) -> str:
    """Return a text of several lines as `printable` does, of up to `most` characters."""
    shown = printable(text[:most].replace("\r\n", "\n"))
    return shown if len(text) <= most else shown[: most - 1] + ELLIPSIS


def _in_line(character: str) -> str:
    return " " if character in "\r\n\t" else _fit(character)


def _fit(character: str) -> str:
    return REPLACEMENT if unicodedata.category(character) in _UNFIT else character
