"""Output of the tour: headings, commands as typed, their answers, and checks of these."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from tests.support.progress import LINE_EVERY

WIDEST = 160
"""Columns of an answer that are shown."""
LONGEST = 24
"""Lines of an answer that are shown."""


class NotAsPromised(Exception):
    """A step of the tour did not hold."""


class Stage:
    """Prints to a terminal with colours and a spinner, elsewhere as plain lines."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, width=None if Console().is_terminal else WIDEST)
        self._number = 0
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def heading(self, text: str) -> None:
        self._number += 1
        self.console.print(f"\n[bold cyan]{self._number}. {escape(text)}[/]")

    def say(self, text: str) -> None:
        self.console.print(f"   {escape(text)}")

    def command(self, line: str, answer: str = "") -> None:
        """A command as a person would type it, and what it answered."""
        self.console.print(f"   [bold]$ {escape(line)}[/]")
        self.answer(answer)

    def answer(self, text: str) -> None:
        """The first lines of what a command printed."""
        lines = text.rstrip().splitlines()
        for shown in lines[:LONGEST]:
            self.console.print(f"     [dim]{escape(shown[:WIDEST])}[/]", soft_wrap=True)
        if len(lines) > LONGEST:
            self.console.print(f"     [dim]... {len(lines) - LONGEST} more lines[/]")

    def check(self, text: str, held: bool) -> None:
        """A promise, and whether it was kept."""
        self.console.print(f"   [green]✔ {escape(text)}[/]" if held else f"   [red]✘ {escape(text)}[/]")
        if not held:
            raise NotAsPromised(text)

    def aside(self, text: str) -> None:
        """Print what goes on beside the tour."""
        self.console.print(f"   [dim]({escape(text)})[/]")

    def wait_for(self, text: str, arrived: Callable[[float], bool], progress: Callable[[], str]) -> None:
        """Wait for something that takes minutes: a spinner on a terminal, a line now and then elsewhere.

        ARRIVED waits up to a number of seconds for it; PROGRESS says how far it is.
        """
        started = time.monotonic()
        if self.console.is_terminal:
            with self.console.status("") as status:
                while not arrived(1.0):
                    status.update(f"   {escape(text)}: {escape(progress())}")
        else:
            while not arrived(LINE_EVERY):
                self.aside(f"{text}: {progress()}")
        self.console.print(f"   {escape(text)}: [green]done[/], {time.monotonic() - started:.0f} s later")

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Something that takes a moment; says how long it took."""
        started = time.monotonic()
        if self.console.is_terminal:
            with self.console.status(f"   {escape(text)}"):
                yield
        else:
            self.console.print(f"   {escape(text)} ...")
            yield
        self.console.print(f"   {escape(text)}: [green]done[/] in {time.monotonic() - started:.1f} s")
