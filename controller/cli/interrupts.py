"""Handling of ^C and SIGTERM while a command works: roll back, and exit with a code for the signal."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from controller.errors import DashdbError
from controller.exit_codes import ExitCode
from controller.runtime.signals import SIGNALS

T = TypeVar("T")


class Interrupted(Exception):
    """A signal ended the work, and the work has cleaned up.

    Args:
        left: description of what is half done in spite of that, for the message.
    """

    def __init__(self, number: signal.Signals, left: str | None = None) -> None:
        rest = left or "nothing is half applied."
        super().__init__(f"Interrupted by {number.name}; what was running is rolled back, {rest}")
        self.number = number
        self.exit_code = ExitCode(128 + number)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` as `asyncio.run` does; the first signal cancels it, the second ends the process at once.

    Raises:
        Interrupted: a signal came, and `work` has cleaned up.
    """
    return asyncio.run(_until_signal(work))


async def _until_signal(work: Coroutine[Any, Any, T]) -> T:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    received: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        received.append(number)
        for each in SIGNALS:
            loop.remove_signal_handler(each)
        if task is not None:
            task.cancel()

    for number in SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        return await work
    except (asyncio.CancelledError, DashdbError):
        if received:
            raise Interrupted(received[0]) from None
        raise
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
