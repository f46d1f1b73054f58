"""Progress that nobody watches, and progress that is written down."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from controller.migrate.plan.model import Step
from controller.migrate.sql.lexer import Statement


class Silence:
    """The least that the engine's `Progress` may be."""

    def sent_with_lock(self, steps: Sequence[Step]) -> None: ...
    def started(self, step: Step) -> None: ...
    def statement(self, step: Step, number: int, statement: Statement) -> None: ...
    def finished(self, step: Step, seconds: float) -> None: ...
    def left_half_done(self, step: Step, number: int, statement: Statement) -> None: ...
    def waiting(self, what: str, why: str) -> None: ...


@dataclass
class Notes(Silence):
    """Progress of a run, recorded for the tests."""

    begun: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)

    def started(self, step: Step) -> None:
        self.begun.append(step.label)

    def finished(self, step: Step, seconds: float) -> None:
        self.done.append(step.label)

    def waiting(self, what: str, why: str) -> None:
        self.waits.append(why)
