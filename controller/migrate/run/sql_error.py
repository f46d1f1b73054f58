"""Errors of statements as text with file, line, column and SQLSTATE; PostgreSQL's own text is never shown."""

import asyncpg

from controller.database.failures import condition_name
from controller.errors import Recovery
from controller.migrate.plan.model import Step
from controller.migrate.sql.lexer import Statement
from controller.text import NAME_LENGTH, one_line

NOTHING_APPLIED = " -- Nothing of this file was applied; correct it and run again."
SNIPPET = 120
"""Limit in characters of the shown part of the line with the error."""

_HINTS = {
    "25001": " (it cannot run inside a transaction: write -- dashdb:no-transaction into the first line of the file)",
    "2D000": " (it commits, which it cannot inside a transaction: write -- dashdb:no-transaction into the first line)",
    "55P04": " (a new value of an enum can be used once it is committed: add it in a file of its own before this one)",
}


_UNTIL_MENDED = ("42", "22", "23", "0A")
"""Classes of SQLSTATE that the same file meets until a person acts: syntax, rights and objects; data that does not fit;
constraints; what is not supported. https://www.postgresql.org/docs/current/errcodes-appendix.html"""
_RAISED = "P0001"


def recovery_of(error: asyncpg.PostgresError) -> Recovery:
    """Return what has to happen before a file that PostgreSQL refused can be applied."""
    code = error.sqlstate or ""
    return Recovery.STALLED if code.startswith(_UNTIL_MENDED) or code == _RAISED else Recovery.TRANSIENT


def format_sql_error(step: Step, statement: Statement, offset: int, error: asyncpg.PostgresError) -> str:
    """Return the reason why PostgreSQL refused `statement`.

    Args:
        offset: index in the file of the character that PostgreSQL names, or of the first one of the statement.
    """
    text = step.script.text
    line = statement.line + text.count("\n", statement.offset, offset)
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", start)
    source = text[start : end if end >= 0 else len(text)].strip()[:SNIPPET]
    hint = _HINTS.get(error.sqlstate or "", "")
    return (
        f"{step.label}:{line}:{offset - start + 1}: PostgreSQL refused this with SQLSTATE "
        f"{condition_name(error)}{_objects(error)}: {source}{hint}"
    )


def format_deferred_error(step: Step, error: asyncpg.PostgresError) -> str:
    """Return the reason why PostgreSQL refused the file at its end: a deferred constraint or trigger."""
    return (
        f"{step.label}: at its end, PostgreSQL refused a deferred constraint or trigger with SQLSTATE "
        f"{condition_name(error)}{_objects(error)}."
    )


def _objects(error: asyncpg.PostgresError) -> str:
    named = [("table", error.table_name), ("column", error.column_name), ("constraint", error.constraint_name)]
    listed = ", ".join(f"{kind} {one_line(name, NAME_LENGTH)}" for kind, name in named if name)
    return f" ({listed})" if listed else ""
