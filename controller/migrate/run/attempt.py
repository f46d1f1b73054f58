"""What the run of one file needs, whether in a transaction or statement by statement; and how it can go wrong."""

from dataclasses import dataclass
from typing import Protocol

from controller.database.connection import Connection
from controller.migrate.history.location import HistoryLocation
from controller.migrate.history.session import RunSettings, limits
from controller.migrate.plan.model import Step
from controller.migrate.sql.lexer import Statement


class Progress(Protocol):
    """What a run tells while it goes; every method returns at once.

    The seconds of a file that travelled with others are its share of theirs.
    """

    def started(self, step: Step) -> None: ...
    def statement(self, step: Step, number: int, statement: Statement) -> None: ...
    def finished(self, step: Step, seconds: float) -> None: ...
    def waiting(self, what: str, why: str) -> None: ...
    def left_half_done(self, step: Step, number: int, statement: Statement) -> None: ...


@dataclass(frozen=True, slots=True)
class MigrationAttempt:
    """One try of one file.

    Attributes:
        expected: the version at which the database has to be.
        leads_to: the version at which it is then; 0 where nothing is left.
        last: of its plan: the catalog is recorded.
        retries: tries before this one.
        behind: the version of the file that goes before it in the same message; None where none does.
    """

    connection: Connection
    settings: RunSettings
    progress: Progress
    location: HistoryLocation
    step: Step
    expected: int
    leads_to: int
    last: bool
    retries: int = 0
    behind: int | None = None

    def limits(self, *, lock_timeout_ms: int | None = None, scope: str = "LOCAL") -> str:
        return limits(self.connection, self.settings, lock_timeout_ms=lock_timeout_ms, scope=scope)
