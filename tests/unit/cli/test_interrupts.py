"""A signal cancels the work; what it was is in the exit code."""

import asyncio
import signal
import sys
from typing import Any

import pytest

from controller.cli.interrupts import Interrupted, run
from controller.errors import MigrationFailed
from controller.runtime.signals import SIGNALS


async def until_cancelled(number: signal.Signals, cleaned: list[str]) -> None:
    asyncio.get_running_loop().call_soon(signal.raise_signal, number)
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)  # cleaning up may need the loop
        cleaned.append("cleaned")


@pytest.mark.parametrize("number", SIGNALS)
def test_the_work_cleans_up_before_the_signal_is_told(number: signal.Signals) -> None:
    cleaned: list[str] = []
    with pytest.raises(Interrupted, match=f"Interrupted by {number.name}") as caught:
        run(until_cancelled(number, cleaned))
    assert (cleaned, caught.value.exit_code) == (["cleaned"], 128 + number)


def test_an_error_that_the_cancellation_caused_is_an_interruption_too() -> None:
    async def fail_when_cancelled() -> None:
        try:
            await until_cancelled(signal.SIGTERM, [])
        except asyncio.CancelledError:
            raise MigrationFailed("broke off") from None

    with pytest.raises(Interrupted):
        run(fail_when_cancelled())


def test_without_a_signal_results_and_errors_are_those_of_the_work() -> None:
    async def work(result: int) -> int:
        if result < 0:
            raise MigrationFailed("no")
        return result

    assert run(work(7)) == 7
    with pytest.raises(MigrationFailed, match="no"):
        run(work(-1))


def test_handlers_are_gone_afterwards() -> None:
    usual: dict[signal.Signals, Any] = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}  # a shell may ignore ^C

    async def nothing() -> None: ...

    run(nothing())
    after = {number: signal.signal(number, handler) for number, handler in before.items()}
    assert after == usual


def test_the_second_signal_ends_the_process_at_once() -> None:
    import subprocess

    code = (
        "import asyncio, os, signal\n"
        "from controller.cli.interrupts import run\n"
        "async def stubborn():\n"
        "    while True:\n"
        "        try: os.kill(os.getpid(), signal.SIGTERM); await asyncio.sleep(600)\n"
        "        except asyncio.CancelledError: pass\n"
        "run(stubborn())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60)
    assert done.returncode == -signal.SIGTERM
