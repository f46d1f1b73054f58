"""Progress of a run of migrations on stderr: a bar on a terminal, else a line for each file, or log records."""

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from controller.cli.common import print_progress
from controller.cli.notices import RunNotices
from controller.database.notices import Notice
from controller.migrate.plan.model import Direction, Step
from controller.migrate.sql.lexer import Statement
from controller.text import NAME_LENGTH, one_line

if TYPE_CHECKING:
    from rich.progress import Progress


class Reporter:
    """The engine's `Progress`, shown as the options ask for.

    Attributes:
        seconds: duration of the run.
        notices: what the server said meanwhile.
        half_done: description of what an interrupted run left half done; None if nothing is.
    """

    def __init__(self, *, show: bool) -> None:
        self._show = show
        self._bar: Progress | None = None
        self._started = time.monotonic()
        self._waited_for: str | None = None
        self.notices = RunNotices(self._show_notice, self._show_left_out)
        self.half_done: str | None = None
        self.seconds = 0.0

    def __enter__(self) -> Self:
        if self._show and sys.stderr.isatty():
            self._bar = _bar()
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.notices.finish()
        if self._bar is not None:
            self._bar.stop()
        self.seconds = time.monotonic() - self._started

    def sent_with_lock(self, steps: Sequence[Step]) -> None:
        self.notices.send(steps, 1)

    def started(self, step: Step) -> None:
        if self._bar is not None:
            total = len(step.script.statements)
            self._bar.reset(self._bar.task_ids[0], total=total, description=_shown(step.label), visible=True)

    def statement(self, step: Step, number: int, statement: Statement) -> None:  # noqa: ARG002
        self.notices.send((step,), number)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=number - 1, description=_shown(step.label))

    def finished(self, step: Step, seconds: float) -> None:
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], visible=False)
        verb = "recorded" if step.recorded else "applied" if step.direction is Direction.UP else "reverted"
        self._print(f"{verb} {step.label} ({seconds:.2f} s)", file=step.label, duration_seconds=round(seconds, 3))

    def waiting(self, what: str, why: str) -> None:
        if why != self._waited_for:  # it tries again every second
            self._print(f"{what} waits for {why}", file=what, blocked_by=why)
            self._waited_for = why
            if self._bar is not None:
                self._bar.update(self._bar.task_ids[0], description=f"{_shown(what)} waits")

    def left_half_done(self, step: Step, number: int, statement: Statement) -> None:
        self.half_done = (
            f"but {step.label} runs without a transaction and is half done: it stopped at statement {number} of "
            f"{len(step.script.statements)} (line {statement.line}). The next run goes on there."
        )

    def _show_notice(self, file: str, notice: Notice) -> None:
        hint = f"\nHINT:  {notice.hint}" if notice.hint else ""
        text = f"{file}: {notice.severity}:  {notice.message}{hint}"
        self._print(text, warns=notice.severity == "WARNING", file=file, severity=notice.severity)

    def _show_left_out(self, file: str, count: int) -> None:
        self._print(f"{file}: {count} more notices, which are not shown", file=file, notices_left_out=count)

    def _print(self, text: str, *, warns: bool = False, **fields: Any) -> None:
        if not self._show:
            return
        if self._bar is not None:
            self._bar.console.print("\n    ".join(map(one_line, text.split("\n"))), markup=False)
        else:
            print_progress(text, warns=warns, **fields)


def _shown(file: str) -> str:
    return one_line(file, NAME_LENGTH)


def _bar() -> "Progress":
    from rich.console import Console  # noqa: PLC0415 - slow to import, and only a terminal needs it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("statements"),
        TimeElapsedColumn(), console=Console(stderr=True, highlight=False, soft_wrap=True), transient=True,
    )  # fmt: skip
    bar.add_task("", total=None, visible=False)
    return bar
