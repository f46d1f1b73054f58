"""Inputs for running one file, in a transaction or statement by statement, and the protocol for progress."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from controller.database.connection import Connection
from controller.migrate.history.encoding import Replaced
from controller.migrate.history.location import HistoryLocation
from controller.migrate.history.session import RunSettings, limits
from controller.migrate.plan.model import Step
from controller.migrate.sql.lexer import Statement


class Progress(Protocol):
    """Receiver of the progress of a run; every method must return at once.

    A file is started once its run holds the lock of the database. The first statements of a file, or several short
    files, may be `sent_with_lock`: in one message with the statement that takes the lock. Only the answer tells whether
    the lock was free, so these files are started when the message is done; `seconds` is the share of each in its time.
    """

    def sent_with_lock(self, steps: Sequence[Step]) -> None: ...
    def started(self, step: Step) -> None: ...
    def statement(self, step: Step, number: int, statement: Statement) -> None: ...
    def finished(self, step: Step, seconds: float) -> None: ...
    def waiting(self, what: str, why: str) -> None: ...
    def left_half_done(self, step: Step, number: int, statement: Statement) -> None: ...


@dataclass(frozen=True, slots=True)
class MigrationAttempt:
    """One try of one file.

    Attributes:
        expected: version at which the database has to be.
        leads_to: version of the database afterwards; `EMPTY` if nothing is left.
        last: True for the last file of its plan, which records the catalog.
        retries: number of tries before this one.
        previous: version of the file before it in the same message; None if there is none.
        prepared: name of the prepared statement that writes its history; None if it is sent as text.
        replaced: characters to send for others, which the database does not have.
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
    previous: int | None = None
    prepared: str | None = None
    replaced: Replaced = field(default_factory=dict)

    async def execute(self, text: str, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the driver's own
        """Execute SQL of the file, or about it."""
        await self.connection.execute(text.translate(self.replaced) if self.replaced else text, timeout=timeout)

    def limits(self, *, lock_timeout_ms: int | None = None, scope: str = "LOCAL") -> str:
        return limits(self.connection, self.settings, lock_timeout_ms=lock_timeout_ms, scope=scope)
