"""Progress of a run of migrations as log records, for long-running programs."""

import time
from collections.abc import Sequence

import structlog

from controller.migrate.plan.model import Step
from controller.migrate.sql.lexer import Statement

log = structlog.get_logger(__name__)


class LoggedProgress:
    """The engine's `Progress` as log records for files and waits, but not for single statements."""

    def __init__(self) -> None:
        self.since = time.monotonic()
        self._waited_for: str | None = None
        self._started: Step | None = None

    def sent_with_lock(self, steps: Sequence[Step]) -> None:
        pass

    def started(self, step: Step) -> None:
        self.since = time.monotonic()
        if step is self._started:  # another try, after it waited for a lock
            return
        self._started = step
        log.info("migration started", file=step.label, statements=len(step.script.statements))

    def statement(self, step: Step, number: int, statement: Statement) -> None:
        pass

    def finished(self, step: Step, seconds: float) -> None:
        self._started = None
        log.info("migration finished", file=step.label, duration_seconds=round(seconds, 3))

    def waiting(self, what: str, why: str) -> None:
        if why != self._waited_for:  # it tries again every second
            log.info("migration waits", what=what, blocked_by=why)
            self._waited_for = why

    def left_half_done(self, step: Step, number: int, statement: Statement) -> None:
        log.warning("migration left half done", file=step.label, statement=number, line=statement.line)
