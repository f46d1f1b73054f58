"""Data that the down migrations of a plan may remove, found by reading their text alone. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from controller.migrate.plan.model import Direction, Step
from controller.migrate.sql.lexer import Statement
from controller.migrate.sql.removed_data import RemovedData, removed_data
from controller.migrate.sql.summary import summarise


@dataclass(frozen=True, slots=True)
class PossibleLoss:
    """Statement that may remove or change data which its text does not name: a function, UPDATE, DROP ... CASCADE.

    Attributes:
        statement: its first words in one line, without constants, which may hold data.
        line: line of its first character in `file`, counted from 1.
        file: name of the file without folders.
    """

    statement: str
    line: int
    file: str

    @property
    def text(self) -> str:
        """Text for people."""
        return f"may lose data: {self.statement}, line {self.line}"

    @property
    def steady_text(self) -> str:
        """Text for a status, which must not change with every row."""
        return self.text


DataLoss = RemovedData | PossibleLoss


def expected_losses(steps: Iterable[Step]) -> tuple[DataLoss, ...]:
    """Return the data that the down migrations among the steps may remove, in their order and each once."""
    found: dict[DataLoss, DataLoss] = {}
    for step in steps:
        if step.direction is Direction.DOWN:
            for statement in islice(step.script.statements, step.resume_at or 0, None):
                for loss in _losses_of(statement, step.label):
                    _add(found, loss)
    return tuple(found.values())


def _add(found: dict[DataLoss, DataLoss], loss: DataLoss) -> None:
    """Add a loss unless it is listed; a table with its children replaces the same table without them (ONLY)."""
    key = replace(loss, only=False) if isinstance(loss, RemovedData) else loss
    known = found.setdefault(key, loss)
    if isinstance(known, RemovedData) and known.only and loss == key:
        found[key] = loss


def _losses_of(statement: Statement, file: str) -> Iterator[DataLoss]:
    removal = removed_data(statement)
    yield from removal.named
    if not removal.understood:
        yield PossibleLoss(summarise(statement), statement.line, file)
