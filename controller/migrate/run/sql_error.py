"""What PostgreSQL has against a statement, in words that name file, line, column and SQLSTATE; never its own text."""

import asyncpg

from controller.database.failures import condition_name
from controller.migrate.plan.model import Step
from controller.migrate.sql.lexer import Statement

NOTHING_APPLIED = " -- Nothing of this file was applied; mend it and run again."
SNIPPET = 120
"""Characters of the line at fault that are shown."""

_HINTS = {
    "25001": " (it cannot run inside a transaction: write -- dashdb:no-transaction into the first line of the file)",
}


def format_sql_error(step: Step, statement: Statement, offset: int, error: asyncpg.PostgresError) -> str:
    """Why `statement` was refused.

    Args:
        offset: index in the file of the character that PostgreSQL points at, or of the statement's first.
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
    """Why the file was refused at its end, by a constraint or a trigger that waits until then."""
    return (
        f"{step.label}: at its end, PostgreSQL refused a deferred constraint or trigger with SQLSTATE "
        f"{condition_name(error)}{_objects(error)}."
    )


def _objects(error: asyncpg.PostgresError) -> str:
    named = [("table", error.table_name), ("column", error.column_name), ("constraint", error.constraint_name)]
    listed = ", ".join(f"{kind} {name}" for kind, name in named if name)
    return f" ({listed})" if listed else ""
