"""Builds of real parts that go on in the background while the tour shows what needs none of them."""

import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.go_builds import END_SECONDS, end_group
from tests.support.processes import SupportError
from tests.support.progress import Watch

Part = Callable[[Watch], Path]
"""Returns a program, which it builds where it is missing while the function that it is given watches."""


@dataclass(frozen=True)
class Build:
    """One build that runs."""

    process: "subprocess.Popen[bytes]"
    what: str
    usually: str
    started: float = field(default_factory=time.monotonic)

    def __str__(self) -> str:
        return f"{self.what}, {time.monotonic() - self.started:.0f} s so far, usually {self.usually}"


class BackgroundBuilds:
    """Prepares parts one after the other in a thread; leaving the `with` statement ends what still runs.

    It prints nothing: whoever shows the tour asks for `progress` where a line fits.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._thread = threading.Thread(target=self._run, name="builds", daemon=True)
        self._lock = threading.Lock()
        self._running: Build | None = None
        self._ending = False
        self._failure: Exception | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            self._ending = True
            running = self._running
        if running is not None:
            end_group(running.process)
        self._thread.join(2 * END_SECONDS)  # not for ever: it may wait for the build of another run

    @property
    def progress(self) -> str:
        """Program that is being built at this moment, and for how long; empty if none is."""
        running = self._running
        return str(running) if running is not None else ""

    def finished(self, seconds: float) -> bool:
        """Wait up to SECONDS and return whether all parts are there.

        Raises:
            SupportError: a build failed; the message has the end of its output.
        """
        self._thread.join(seconds)
        if self._failure is not None:
            raise self._failure
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            for part in self._parts:
                part(self._watch)
        except Exception as error:  # noqa: BLE001  (whoever waits raises it)
            self._failure = error

    def _watch(self, process: "subprocess.Popen[bytes]", what: str, usually: str) -> None:
        with self._lock:
            if self._ending:
                raise SupportError(f"{what}: not begun, the tour has ended")
            self._running = Build(process, what, usually)
        process.wait()
        self._running = None
