"""SIGTERM and SIGINT: the first asks the process to end in good order, the second ends it at once."""

import asyncio
import signal

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignal:
    """Set once the process has been asked to stop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def install(self) -> None:
        """Takes the signals; to be called again after a library has taken them for itself."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._received, number)

    def is_set(self) -> bool:
        return self._event.is_set()

    async def wait(self) -> None:
        await self._event.wait()

    def _received(self, number: signal.Signals) -> None:
        if self._event.is_set():
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.raise_signal(number)
        self._event.set()
