"""Signals to a process that is starting, or already stopping."""

import subprocess
import sys


def exit_code(program: str) -> int:
    return subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode


def test_a_process_that_is_starting_ends_with_143() -> None:
    assert (
        exit_code("""
import os, signal, time
from controller.runtime.signals import end_at_sigterm
end_at_sigterm()
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(600)
""")
        == 143
    )


def test_the_second_signal_ends_a_process_at_once_whatever_it_is_doing() -> None:
    assert (
        exit_code("""
import asyncio, os, signal
from controller.runtime.signals import StopSignal
async def main():
    stop = StopSignal()
    stop.install()
    os.kill(os.getpid(), signal.SIGTERM)
    await stop.wait()
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(600)
asyncio.run(main())
""")
        == 130
    )
