"""Which statements of a file go to the server together. Pure.

Statements that only write the catalog take less time than the way to the server and back: a run of them travels as
one. Everything that may touch rows, or wait for them, goes alone, so that progress can name it while it runs.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from controller.migrate.files.migration import Script
from controller.migrate.sql.lexer import Statement

LARGEST_STATEMENT_BATCH = 64
"""Statements; above this there is little to win, and progress should move."""

_QUICK = {"COMMENT", "DROP", "GRANT", "REVOKE"}
_QUICK_CREATE = {"FUNCTION", "PROCEDURE", "TRIGGER", "TYPE", "DOMAIN", "VIEW", "SEQUENCE", "EXTENSION", "OR"}
_NAME = r'(?:ONLY\s+)?(?:IF\s+NOT\s+EXISTS\s+)?(?:\w+\.)?"?(\w+)"?'
_TABLE = re.compile(rf"CREATE\s+TABLE\s+{_NAME}\s*\(", re.IGNORECASE)
_AS = re.compile(r"\bAS\b", re.IGNORECASE)
_INDEX = re.compile(rf"CREATE\s+(?:UNIQUE\s+)?INDEX\s+[^\s(]+\s+ON\s+{_NAME}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class StatementBatch:
    """Statements that follow each other in a file.

    Attributes:
        number: of the first one in its file, counted from 1.
        quick: they only write the catalog.
    """

    number: int
    statements: tuple[Statement, ...]
    quick: bool

    @property
    def text(self) -> str:
        """All of them as they stand there, without the last semicolon; cut out anew each time."""
        return self.statements[0].source[self.statements[0].offset : self.statements[-1].end]

    def statement_at(self, position: int | None) -> Statement | None:
        """The statement at a position as PostgreSQL counts it, from 1 in `text`; None where it cannot be told."""
        if (
            position is not None and not 0 < position <= self.statements[-1].end - self.statements[0].offset + 1
        ):  # one behind: the end of input
            return None
        if len(self.statements) == 1:
            return self.statements[0]
        if position is None:
            return None
        offset = self.statements[0].offset + position - 1
        return next((s for s in reversed(self.statements) if s.offset <= offset), None)


def statement_batches(script: Script, *, one_by_one: bool = False) -> Iterator[StatementBatch]:
    """The statements of `script` in order; singly where `one_by_one` is asked for."""
    made: set[str] = set()
    together: list[Statement] = []
    number = 1
    for statement in script.statements:
        quick = not one_by_one and _only_writes_the_catalog(statement, made)
        if together and (not quick or len(together) == LARGEST_STATEMENT_BATCH):
            yield StatementBatch(number, tuple(together), quick=True)
            number, together = number + len(together), []
        together.append(statement)
        if not quick:
            yield StatementBatch(number, tuple(together), quick=False)
            number, together = number + 1, []
    if together:
        yield StatementBatch(number, tuple(together), quick=True)


def _only_writes_the_catalog(statement: Statement, made: set[str]) -> bool:
    """True for definitions; for a table's index only where this file makes the table, which is empty then."""
    whole = statement.source, statement.offset, statement.end  # not its text, which may be as long as the file
    if table := _TABLE.match(*whole):
        made.add(table[1].lower())
        return _AS.search(*whole) is None  # CREATE TABLE a (n) AS SELECT ... takes as long as its query
    if index := _INDEX.match(*whole):
        return index[1].lower() in made
    first, second = (*statement.words, "", "")[:2]
    return first in _QUICK or (first == "CREATE" and second in _QUICK_CREATE)
