"""Errors of statements: a message for everybody, with file, line, column and SQLSTATE, and PostgreSQL's own report.

Whoever runs the command line wrote the file, or runs it for its author, and reads all that PostgreSQL says. Status and
events are read by others: there, its message is repeated only where it names objects and no values of rows.
"""

import asyncpg

from controller.database.error_report import condition_name, error_report, message_without_row_data
from controller.errors import FilePosition, MigrationFailed, Recovery
from controller.migrate.plan.model import Step
from controller.migrate.sql.lexer import Statement
from controller.migrate.sql.statements import sets_transaction
from controller.text import NAME_LENGTH, one_line

NOTHING_APPLIED = " -- Nothing of this file was applied; correct it and run again."
SNIPPET = 120
"""Limit in characters of the shown part of the line with the error."""

ACTIVE_TRANSACTION = "25001"
"""SQLSTATE of a statement that cannot run inside a transaction, or not after its first query."""
_COMMITS = "2D000"
_NEED_NO_TRANSACTION = (ACTIVE_TRANSACTION, _COMMITS)
_HINTS = {
    ACTIVE_TRANSACTION: " (it cannot run inside a transaction: write -- dashdb:no-transaction into the first line)",
    _COMMITS: " (it commits, which it cannot inside a transaction: write -- dashdb:no-transaction into the first line)",
    "55P04": " (a new value of an enum can be used once it is committed: add it in a file of its own before this one)",
}
_SETS_TRANSACTION = (
    " (the engine's transaction is READ COMMITTED and has begun: remove this; where others must not write meanwhile, "
    "begin with LOCK TABLE ... IN SHARE ROW EXCLUSIVE MODE)"
)
_HAS_BEGIN = ", and remove its BEGIN and COMMIT"


_UNTIL_MENDED = ("42", "22", "23", "0A")
"""Classes of SQLSTATE that the same file meets until a person acts: syntax, rights and objects; data that does not fit;
constraints; what is not supported. https://www.postgresql.org/docs/current/errcodes-appendix.html"""
_RAISED = "P0001"


def _recovery(error: asyncpg.PostgresError) -> Recovery:
    """Return what has to happen before a file that PostgreSQL refused can be applied."""
    code = error.sqlstate or ""
    return Recovery.STALLED if code.startswith(_UNTIL_MENDED) or code == _RAISED else Recovery.TRANSIENT


def sql_error(step: Step, statement: Statement, offset: int, error: asyncpg.PostgresError) -> MigrationFailed:
    """Return the error for a statement that PostgreSQL refused; its message does not say what remains of the file.

    Args:
        offset: index in the file of the character that PostgreSQL names, or of the first one of the statement.
    """
    text = step.script.text
    line = statement.line + text.count("\n", statement.offset, offset)
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", start)
    source = text[start : end if end >= 0 else len(text)].strip()[:SNIPPET]
    at = FilePosition(step.label, line, offset - start + 1)
    said = message_without_row_data(error)
    words = f"{said} (SQLSTATE {condition_name(error)})" if said else f"PostgreSQL refused this with {_code(error)}"
    message = f"{at}: {words}: {source}{_hint(step, statement, error.sqlstate or '')}"
    return MigrationFailed(message, at=at, report=error_report(error), recovery=_recovery(error))


def _hint(step: Step, statement: Statement, code: str) -> str:
    """Return what to write instead, in parentheses; empty where nothing is known."""
    if code == ACTIVE_TRANSACTION and sets_transaction(statement):
        return _SETS_TRANSACTION
    hint = _HINTS.get(code, "")
    if code in _NEED_NO_TRANSACTION and step.script.has_transactions:
        return f"{hint.removesuffix(')')}{_HAS_BEGIN})"
    return hint


def deferred_error(step: Step, error: asyncpg.PostgresError) -> MigrationFailed:
    """Return the error for a file that PostgreSQL refused at its end: a deferred constraint or trigger."""
    said = message_without_row_data(error)
    words = f"at its end, PostgreSQL refused a deferred constraint or trigger with {_code(error)}"
    message = f"{step.label}: {words}{f': {said}' if said else ''}."
    at = FilePosition(step.label)
    return MigrationFailed(message, at=at, report=error_report(error), recovery=_recovery(error))


def nothing_applied(error: MigrationFailed) -> MigrationFailed:
    """Return the error with the words that nothing of its file remains."""
    return MigrationFailed(error.message + NOTHING_APPLIED, at=error.at, report=error.report, recovery=error.recovery)


def _code(error: asyncpg.PostgresError) -> str:
    return f"SQLSTATE {condition_name(error)}{_objects(error)}"


def _objects(error: asyncpg.PostgresError) -> str:
    named = [("table", error.table_name), ("column", error.column_name), ("constraint", error.constraint_name)]
    listed = ", ".join(f"{kind} {one_line(name, NAME_LENGTH)}" for kind, name in named if name)
    return f" ({listed})" if listed else ""
