"""Batches of statements of a file that are sent to the server together. Pure.

Statements that only write the catalog take less time than a round trip, so consecutive ones are sent together. Every
statement that may read or write rows is sent alone, so that progress can name it while it runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from controller.migrate.files.migration import Script
from controller.migrate.sql.catalog_statements import CatalogStatements
from controller.migrate.sql.lexer import Statement

LARGEST_STATEMENT_BATCH = 64
"""Limit of statements in a batch; more would save little time, and delay progress."""
MOST_KEPT = 1000
"""Limit of statements of a file whose batches are kept for the next database; of a longer one they take memory."""


@dataclass(frozen=True, slots=True)
class StatementBatch:
    """Consecutive statements of a file.

    Attributes:
        number: number of the first one in its file, counted from 1.
        quick: True if they only write the catalog.
    """

    number: int
    statements: tuple[Statement, ...]
    quick: bool

    @property
    def text(self) -> str:
        """Text of all statements as in the file, without the last semicolon; not cached, since it may be long."""
        return self.statements[0].source[self.statements[0].offset : self.statements[-1].end]

    def statement_at(self, position: int | None) -> Statement | None:
        """Return the statement at a position that PostgreSQL counts from 1 in `text`; None if it is not known."""
        end_of_input = self.statements[-1].end - self.statements[0].offset + 1  # after the last character
        if position is not None and not 0 < position <= end_of_input:
            return None
        if len(self.statements) == 1:
            return self.statements[0]
        if position is None:
            return None
        offset = self.statements[0].offset + position - 1
        return next((s for s in reversed(self.statements) if s.offset <= offset), None)


def statement_batches(script: Script, *, one_by_one: bool = False) -> Iterator[StatementBatch]:
    """Return the statements of `script` in batches, in order; each by itself if `one_by_one`."""
    if one_by_one or len(script.statements) > MOST_KEPT:
        return _batches(script, one_by_one=one_by_one)
    return iter(_kept_batches(script))


@lru_cache(maxsize=16)
def _kept_batches(script: Script) -> tuple[StatementBatch, ...]:
    return tuple(_batches(script, one_by_one=False))


def _batches(script: Script, *, one_by_one: bool) -> Iterator[StatementBatch]:
    catalog = CatalogStatements()
    together: list[Statement] = []
    number = 1
    for statement in script.statements:
        quick = not one_by_one and catalog.only_writes_catalog(statement)
        if together and (not quick or len(together) == LARGEST_STATEMENT_BATCH):
            yield StatementBatch(number, tuple(together), quick=True)
            number, together = number + len(together), []
        together.append(statement)
        if not quick:
            yield StatementBatch(number, tuple(together), quick=False)
            number, together = number + 1, []
    if together:
        yield StatementBatch(number, tuple(together), quick=True)
