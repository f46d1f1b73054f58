"""Handling of SIGTERM and SIGINT: the first asks the process to end in good order, the second ends it at once.

Nothing here counts on what a signal does by default: in a container we are process 1, for which the kernel leaves it
out. https://man7.org/linux/man-pages/man7/pid_namespaces.7.html
"""

import asyncio
import os
import signal
import sys
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def end_at_sigterm() -> None:
    """Let SIGTERM end the process with exit code 143, until another handler takes its place after the start."""

    def end(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, end)


class StopSignal:
    """Event that is set once the process was asked to stop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def install(self) -> None:
        """Handle the signals; to be called again after a library has installed handlers of its own."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._received, number)

    def is_set(self) -> bool:
        return self._event.is_set()

    async def wait(self) -> None:
        await self._event.wait()

    def _received(self, number: signal.Signals) -> None:
        if self._event.is_set():
            os._exit(128 + number)
        self._event.set()
