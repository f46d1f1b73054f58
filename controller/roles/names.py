"""Names of roles that a person gives, checked before any SQL is made of them. Pure."""

from controller.errors import ConfigurationError
from controller.text import one_line

_MOST_BYTES = 63
"""Limit of a name; PostgreSQL cuts a longer one, which may then be the name of another role."""
_RESERVED = ("public", "none")
"""Names that PostgreSQL takes for something else even in quotes."""


def checked_name(name: str, option: str) -> str:
    """Return the name of a role as it was given.

    Raises:
        ConfigurationError: PostgreSQL would not take it for a role of this name.
    """
    if problem := _problem(name):
        raise ConfigurationError(
            f"{option} {one_line(name, _MOST_BYTES)!r} {problem}. Write the name of a role, such as dashboards_service."
        )
    return name


def _problem(name: str) -> str:
    if not name or name.isspace():
        return "is empty"
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "is no UTF-8 text"
    if size > _MOST_BYTES:
        return f"has {size} bytes, and PostgreSQL takes {_MOST_BYTES}"
    if not name.isprintable():
        return "holds a character that cannot be printed, such as the end of a line"
    if name in _RESERVED or name.startswith("pg_"):
        return "is reserved by PostgreSQL"
    return ""
