"""What PostgreSQL has against a statement, in words that name file, line and SQLSTATE; never its own text."""

import asyncpg

from controller.database.failures import condition_name
from controller.migrate.lexer import Statement
from controller.migrate.plan import Step

SNIPPET = 120
"""Characters of the line at fault that are shown."""


def explain(step: Step, statement: Statement, offset: int, error: asyncpg.PostgresError) -> str:
    """Why `statement` was refused.

    Args:
        offset: index in the file of the character that PostgreSQL points at, or of the statement's first.
    """
    line = statement.line + step.script.text.count("\n", statement.offset, offset)
    source = step.script.text.split("\n")[line - 1].strip()[:SNIPPET]
    return (
        f"{step.label}:{line}: PostgreSQL refused this with SQLSTATE {condition_name(error)}{_objects(error)}: "
        f"{source} -- Nothing of this file was applied; mend it and run again."
    )


def explain_deferred(step: Step, error: asyncpg.PostgresError) -> str:
    """Why the file was refused at its end, by a constraint that is checked then."""
    return (
        f"{step.label}: at its end, PostgreSQL refused a deferred constraint with SQLSTATE "
        f"{condition_name(error)}{_objects(error)}. Nothing of this file was applied; mend it and run again."
    )


def _objects(error: asyncpg.PostgresError) -> str:
    named = [("table", error.table_name), ("column", error.column_name), ("constraint", error.constraint_name)]
    listed = ", ".join(f"{kind} {name}" for kind, name in named if name)
    return f" ({listed})" if listed else ""
