"""Tells a person that a long build is alive: a spinner on a terminal, a line now and then elsewhere."""

import subprocess
import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Watch = Callable[["subprocess.Popen[bytes]", str, str], None]
"""Waits until a process has ended, and may show how it goes: given what it does and how long that usually takes."""

LINE_EVERY = 15.0  # seconds, where the output is not a terminal


def show_progress(process: "subprocess.Popen[bytes]", what: str, usually: str) -> None:
    """Return when PROCESS has ended. All is written to standard error, past pytest's capture of it."""
    title = f"{what} (once for each version; usually {usually})"
    console = Console(file=sys.__stderr__)
    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=console) as progress:
            progress.add_task(title, total=None)
            process.wait()
        return
    started = time.monotonic()
    _line(title)
    while True:
        try:
            process.wait(LINE_EVERY)
        except subprocess.TimeoutExpired:
            _line(f"{what}: {time.monotonic() - started:.0f} s so far, usually {usually}")
        else:
            _line(f"{what}: ended after {time.monotonic() - started:.0f} s")
            return


def _line(text: str) -> None:
    print(text, file=sys.__stderr__, flush=True)
