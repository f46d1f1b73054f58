"""Helpers of the tests' real servers: ports, folders, waiting, and processes that end for certain."""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

KEEPER = Path(__file__).with_name("keeper.py")
PORTS = range(15_000, 30_000)
MEMORY = Path("/dev/shm")
MEMORY_ROOM = 4 * 1024**3  # bytes; two workers with a server or two each take less than half of it
LONGEST_FOLDER = 60  # a unix socket's whole path may have 107 bytes


class SupportError(RuntimeError):
    """A real part could not be prepared or started; the message says what to do."""


@dataclass(frozen=True)
class Account:
    """A user of this machine."""

    uid: int
    gid: int


def run_as(account: Account | None) -> dict[str, Any]:
    """Return the arguments of `subprocess` that run a program as ACCOUNT, without further groups."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on at this moment.

    Below the range that the kernel gives to outgoing connections: while a server is stopped and a client
    tries to connect again and again, such a connection could otherwise take the port, or reach itself.
    """
    for _ in range(100):
        port = secrets.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise SupportError(f"no free port of 127.0.0.1 among {PORTS.start} to {PORTS.stop - 1}")


def unprivileged_account() -> Account | None:
    """Return the account for servers that refuse to run as root: `nobody` if we are root, else None (our own)."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise SupportError("PostgreSQL refuses to run as root and this machine has no user `nobody`") from None
    return Account(entry.pw_uid, entry.pw_gid)


def everybody_may_enter(folder: Path) -> bool:
    """Return True if users other than the owner can reach the files in FOLDER."""
    return all(path.stat().st_mode & 0o001 for path in (folder, *folder.parents))


def temporary_root() -> Path:
    """The temporary folder: TMPDIR where that is short and open enough, otherwise a usual one."""
    for name in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        folder = Path(name).resolve()
        if folder.is_dir() and len(str(folder)) <= LONGEST_FOLDER and everybody_may_enter(folder):
            return folder
    raise SupportError("no temporary folder that every user may enter; set TMPDIR to one with a short path")


def quick_root() -> Path:
    """Return a folder in memory if it has room, else the temporary folder.

    A disk is slow at making and removing the thousands of files of many small databases.
    """
    free = shutil.disk_usage(MEMORY).free if MEMORY.is_dir() and everybody_may_enter(MEMORY) else 0
    return MEMORY if free >= MEMORY_ROOM and "TMPDIR" not in os.environ else temporary_root()


def new_folder(prefix: str, account: Account | None = None, *, root: Path | None = None) -> Path:
    """A fresh private folder, owned by ACCOUNT if one is given; in the temporary folder unless ROOT is."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=root or temporary_root()))
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    return folder


def remove_folder(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def tail(log: Path, lines: int = 25) -> str:
    """The last lines of a log file, for error messages."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def wait_until(
    condition: Callable[[], bool],
    *,
    what: str,
    seconds: float,
    interval: float = 0.02,
    process: "KeptProcess | None" = None,
) -> None:
    """Ask until CONDITION holds; after SECONDS, or when PROCESS has ended, raise with the tail of its log."""
    deadline = time.monotonic() + seconds
    while not condition():
        ended = process is not None and not process.running
        if ended or time.monotonic() > deadline:
            reason = "the process ended" if ended else f"not within {seconds:g} s"
            log = f"\n--- end of its log ---\n{tail(process.log)}" if process else ""
            raise SupportError(f"{what}: {reason}{log}")
        time.sleep(interval)


async def wait_until_async(
    condition: Callable[[], Awaitable[bool]], *, what: str, seconds: float, interval: float = 0.02
) -> None:
    """Wait, like `wait_until`, for a condition that is read over a connection of the event loop."""
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            raise SupportError(f"{what}: not within {seconds:g} s")
        await asyncio.sleep(interval)


class KeptProcess:
    """A server under a keeper (see keeper.py): it ends when we end it, and when we end in any other way."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        folder: Path | None = None,
        account: Account | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Start COMMAND; its output is appended to LOG; FOLDER is removed if we die before stopping it."""
        self.log = log
        who = account or Account(-1, -1)
        arguments = [str(who.uid), str(who.gid), str(folder or ""), *(str(part) for part in command)]
        with log.open("ab") as output:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", str(KEEPER), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=dict(environ if environ is not None else os.environ),
                start_new_session=True,  # a Ctrl-C in the terminal must not reach the server
            )
        line = self._pipe(self._keeper.stdout).readline()
        if not line.strip().isdigit():
            self._close()
            raise SupportError(f"cannot start {command[0]}:\n{tail(log)}")
        self.pid = int(line)

    @staticmethod
    def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
        assert stream is not None
        return stream

    @property
    def running(self) -> bool:
        return self._keeper.poll() is None

    def processes(self) -> list[psutil.Process]:
        """The server first, then everything below it."""
        if not self.running:
            return []
        return psutil.Process(self._keeper.pid).children(recursive=True)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server itself."""
        if self.running:
            with suppress(ProcessLookupError):  # it ended, and the keeper is about to
                os.kill(self.pid, number)

    def send_all(self, number: signal.Signals) -> None:
        """Send a signal to the server and everything below it."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def freeze(self) -> None:
        """Make it hang: connections stay open and are even accepted by the kernel, but nobody answers."""
        self.send_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self.send_all(signal.SIGCONT)

    def stop(self, number: signal.Signals, *, seconds: float = 20) -> None:
        """Ask it to end with a signal; kill it with everything below it if it has not after SECONDS."""
        self.thaw()
        self.send(number)
        try:
            self._keeper.wait(seconds)
        except subprocess.TimeoutExpired:
            self.send_all(signal.SIGKILL)
            self._keeper.wait(seconds)
        finally:
            self._close()

    def _close(self) -> None:
        """Close our end, at which a keeper that still runs kills what is left, and reap the keeper."""
        self._pipe(self._keeper.stdin).close()
        self._keeper.wait()
        self._pipe(self._keeper.stdout).close()
