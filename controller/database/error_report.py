"""Report of PostgreSQL about an error: all of it for the command line, and what repeats no row data for everybody.

Whoever runs the command line wrote the file, or runs it for its author. Status, events and logs are read by others:
there, the message is repeated only where it names objects and no values of rows.
"""

import re

import asyncpg

from controller.errors import ErrorReport
from controller.text import NAME_LENGTH, limited, one_line

MESSAGE_IN_STATUS = 300
"""Limit in characters of a message of PostgreSQL where everybody reads it."""

_CLASSES_WITHOUT_ROW_DATA = frozenset(("0A", "25", "2B", "2D", "3F", "42", "54", "55", "57"))
"""Classes of SQLSTATEs whose messages name objects, types and settings."""
_RAISED_BY_AUTHOR = "P0001"
"""SQLSTATE of RAISE EXCEPTION, whose message the author of the migration wrote."""
_DEPENDENT_OBJECTS = "2BP01"
_FUNCTION = re.compile(r"PL/\w+.*|SQL function .*|COPY [^,]+, line \d+(?:, column [^:]+)?")
"""Line of a context that names a function or a line, without the values and statements that others repeat."""
MOST_LINES = 20
"""Limit of functions in a context, and of dependent objects."""


def condition_name(error: asyncpg.PostgresError) -> str:
    """Return the SQLSTATE and its name as PostgreSQL's appendix lists them, e.g. `42P07 duplicate_table`."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*", type(error).__name__.removesuffix("Error"))
    name = re.sub(r"^postgres_(.*)", r"\1_error", "_".join(words).lower())  # PostgresSyntaxError
    return f"{error.sqlstate} {name}"


def error_report(error: asyncpg.PostgresError) -> ErrorReport:
    """Return all that PostgreSQL says of an error, for the command line."""
    detail = limited(error.detail or "")
    names_dependents = error.sqlstate == _DEPENDENT_OBJECTS  # one a line, in its detail
    functions = [match[0] for line in (error.context or "").split("\n") if (match := _FUNCTION.match(line))]
    return ErrorReport(
        sqlstate=one_line(error.sqlstate or "", 5),
        message=limited(str(error.message or "")),
        hint=limited(error.hint or ""),
        context=tuple(one_line(function, 2 * NAME_LENGTH) for function in functions[:MOST_LINES]),
        dependents=tuple(detail.splitlines()[:MOST_LINES]) if names_dependents else (),
        detail="" if names_dependents else detail,
    )


def message_without_row_data(error: asyncpg.PostgresError) -> str:
    """Return PostgreSQL's message as one short line if it repeats no row data; else an empty text."""
    code = error.sqlstate or ""
    shown = code[:2] in _CLASSES_WITHOUT_ROW_DATA or code == _RAISED_BY_AUTHOR
    return one_line(str(error.message or ""), MESSAGE_IN_STATUS) if shown else ""
