"""Which statements of a file go to the server together. Pure.

Statements that only write the catalog take less time than the way to the server and back: a run of them travels as
one. Everything that may touch rows, or wait for them, goes alone, so that progress can name it while it runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from controller.migrate.files.migration import Script
from controller.migrate.sql.catalog_statements import CatalogStatements
from controller.migrate.sql.lexer import Statement

LARGEST_STATEMENT_BATCH = 64
"""Statements; above this there is little to win, and progress should move."""


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
