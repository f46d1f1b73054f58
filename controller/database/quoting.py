"""Quoting of names and values inside SQL text. Pure.

Several statements are sent to the server as one text, which cannot have parameters.
https://www.postgresql.org/docs/current/sql-syntax-lexical.html
"""

from collections.abc import Iterable


def identifier(name: str) -> str:
    """Return `name` as an identifier in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | int | None) -> str:
    """Return `value` as a constant; a string has the form E'...', which does not depend on settings."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    return "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def array(values: Iterable[str]) -> str:
    """Return strings as an array, which the context or a cast has to give a type if it is empty."""
    return f"ARRAY[{', '.join(map(literal, values))}]"
