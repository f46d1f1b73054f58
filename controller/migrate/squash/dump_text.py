"""Statements of a migration from the text of pg_dump, for any schema and any role. Pure."""

import re
from collections.abc import Iterator

from controller.database.quoting import identifier
from controller.migrate.sql.lexer import Statement, split
from controller.migrate.sql.token_stream import Kind, Token

_FOR_PSQL = re.compile(r"^\\(?:un)?restrict [A-Za-z0-9]+\r?\n", re.MULTILINE)
_OF_THE_SESSION = frozenset((
    "STATEMENT_TIMEOUT", "LOCK_TIMEOUT", "IDLE_IN_TRANSACTION_SESSION_TIMEOUT", "TRANSACTION_TIMEOUT",
    "CLIENT_ENCODING", "STANDARD_CONFORMING_STRINGS", "CHECK_FUNCTION_BODIES", "XMLOPTION", "CLIENT_MIN_MESSAGES",
    "ROW_SECURITY",
))  # fmt: skip
"""Settings that pg_dump makes for psql, and the engine itself or PostgreSQL's defaults for a migration."""
# The schema is that of the migration, and an extension may belong to another role.
_LEFT_OUT = re.compile(
    r"SELECT pg_catalog\.set_config\(|(?:CREATE|ALTER|COMMENT ON) SCHEMA |COMMENT ON EXTENSION |"
    r"(?:GRANT|REVOKE) [A-Z, ]+ ON SCHEMA "
)
_WITH_SCHEMA = re.compile(r"\s+WITH SCHEMA\s.*$", re.DOTALL)
_BODIES_LATER = "SET LOCAL check_function_bodies = off"
"""A function may come before the tables that it names."""


def statements_of_dump(text: str, schema: str) -> tuple[str, ...]:
    """Return the statements of a dump of `schema`, without what is of psql or of the database as a whole.

    Names in the schema lose it, so that the statements make the objects in the first schema of the search_path.
    """
    text = _FOR_PSQL.sub("", text)
    kept = [statement for statement in split(text, file="pg_dump") if not _is_left_out(statement)]
    made = tuple(_unqualified(statement, schema) for statement in kept)
    has_functions = any(statement.words[1:2] in (("FUNCTION",), ("PROCEDURE",)) for statement in kept)
    return (_BODIES_LATER, *made) if has_functions else made


def _is_left_out(statement: Statement) -> bool:
    words = statement.words
    return (words[:1] == ("SET",) and words[1] in _OF_THE_SESSION) or _LEFT_OUT.match(statement.text) is not None


def _unqualified(statement: Statement, schema: str) -> str:
    """Return the text of a statement without `schema.` before names."""
    pieces, position = [], statement.offset
    for start, end in _qualifiers(statement, schema):
        pieces.append(statement.source[position:start])
        position = end
    text = "".join((*pieces, statement.source[position : statement.end]))
    return _WITH_SCHEMA.sub("", text) if statement.words[:2] == ("CREATE", "EXTENSION") else text


def _qualifiers(statement: Statement, schema: str) -> Iterator[tuple[int, int]]:
    """Yield where `schema.` stands: before a name, or at the begin of a string that names a sequence."""
    quoted = (schema if re.fullmatch(r"[a-z_][a-z0-9_]*", schema) else identifier(schema)).replace("'", "''")
    tokens = list(statement.reader().rest())
    for before, token, after, last in zip(
        (None, *tokens), tokens, (*tokens[1:], None), (*tokens[2:], None, None), strict=False
    ):
        if token.kind in (Kind.WORD, Kind.NAME) and token.value == schema:
            if _is_dot(after) and not _is_dot(before):
                assert after is not None  # noqa: S101 - it is a dot
                yield token.start, after.end
        elif token.kind is Kind.STRING and statement.source.startswith(f"'{quoted}.", token.start):
            cast = after is not None and after.is_operator("::") and last is not None and last.is_word("regclass")
            if cast or statement.text.startswith("SELECT pg_catalog.setval("):
                yield token.start + 1, token.start + len(quoted) + 2


def _is_dot(token: Token | None) -> bool:
    return token is not None and token.is_operator(".")
