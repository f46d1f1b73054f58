"""What kind a statement is: one that cannot run inside a transaction, a concurrent index. Pure.

https://www.postgresql.org/docs/current/sql-commands.html: each page says it where a command "cannot be executed
inside a transaction block".
"""

import re
from dataclasses import dataclass

from controller.errors import MigrationFileError
from controller.migrate.sql.lexer import Statement

_ALONE = {
    ("VACUUM",),
    ("ALTER", "SYSTEM"),
    ("CREATE", "DATABASE"),
    ("DROP", "DATABASE"),
    ("CREATE", "TABLESPACE"),
    ("DROP", "TABLESPACE"),
    ("CREATE", "SUBSCRIPTION"),
    ("DROP", "SUBSCRIPTION"),
    ("REINDEX", "DATABASE"),
    ("REINDEX", "SCHEMA"),
    ("REINDEX", "SYSTEM"),
    ("DISCARD", "ALL"),
}
_MAY_COMMIT = {"CALL", "DO"}
_NAME = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_QUALIFIED = rf"(?:{_NAME}\s*\.\s*)?{_NAME}"
_GAP = r"(?:\s|--[^\n]*\n|/\*.*?\*/)+"
_CREATE_INDEX = re.compile(
    rf"CREATE{_GAP}(?:UNIQUE{_GAP})?INDEX{_GAP}CONCURRENTLY{_GAP}(?:IF{_GAP}NOT{_GAP}EXISTS{_GAP})?"
    rf"(?!ON\b)(?P<name>{_NAME}){_GAP}ON{_GAP}(?:ONLY{_GAP})?(?P<table>{_QUALIFIED})",
    re.IGNORECASE | re.DOTALL,
)
_DETACH = re.compile(r"\bDETACH\s+PARTITION\b", re.IGNORECASE)
_CONCURRENTLY = "CONCURRENTLY"


@dataclass(frozen=True, slots=True)
class ConcurrentIndex:
    """What CREATE INDEX CONCURRENTLY is to make; both names as they are written, quotes and schema included."""

    name: str
    table: str


def runs_alone(statement: Statement) -> bool:
    """PostgreSQL refuses it inside a transaction."""
    words = statement.words
    if words[:1] in _ALONE or words[:2] in _ALONE or words == ("CLUSTER",):
        return True
    if words[:1] == ("ALTER",):
        return words[1:2] == ("TABLE",) and _detaches_concurrently(statement)
    return waits_for_others(statement)


def waits_for_others(statement: Statement) -> bool:
    """It works beside everybody else and waits for all transactions of before, which may take long and harms nobody."""
    words = statement.words
    return _makes_index(words) or words[:3] == ("DROP", "INDEX", "CONCURRENTLY") or _reindexes(words)


def may_commit(statement: Statement) -> bool:
    """It may hold a COMMIT of its own, so that it has to run alone in a file without a transaction."""
    return not _MAY_COMMIT.isdisjoint(statement.words[:1])


def concurrent_index(statement: Statement, *, file: str) -> ConcurrentIndex | None:
    """The index that `statement` makes; None where it makes none, or not concurrently.

    Raises:
        MigrationFileError: the index has no name, so that nobody could tell it from one that was left half built.
    """
    if not _makes_index(statement.words):
        return None
    match = _CREATE_INDEX.match(statement.text)
    if match is None:
        raise MigrationFileError(
            f"{file}:{statement.line_and_column}: an index that is made CONCURRENTLY needs a name: CREATE INDEX "
            "CONCURRENTLY name ON table (...). Without one, a build that was interrupted cannot be found and repaired."
        )
    return ConcurrentIndex(match["name"], match["table"])


def _detaches_concurrently(statement: Statement) -> bool:
    last = statement.source[max(statement.offset, statement.end - len(_CONCURRENTLY)) : statement.end]
    return last.upper() == _CONCURRENTLY and _DETACH.search(statement.text) is not None


def _makes_index(words: tuple[str, ...]) -> bool:
    return tuple(word for word in words if word != "UNIQUE")[:3] == ("CREATE", "INDEX", "CONCURRENTLY")


def _reindexes(words: tuple[str, ...]) -> bool:
    return words[:1] == ("REINDEX",) and "CONCURRENTLY" in words
