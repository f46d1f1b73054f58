"""The cache of real programs: a folder that several test runs may fill at the same time."""

import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

TELL_EVERY = 15.0  # seconds


def cache_folder() -> Path:
    """Return the folder DASHDB_CACHE, or else `dashdb` in the user's cache folder; create it if it is missing."""
    chosen = os.environ.get("DASHDB_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(chosen).expanduser() if chosen else base / "dashdb"
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock NAME of this cache; other processes and threads wait. It ends with us, however we end."""
    with (cache_folder() / f".{name}.lock").open("w") as lock:
        started = told = time.monotonic()
        while not _taken(lock):
            time.sleep(0.05)
            if time.monotonic() - told > TELL_EVERY:
                told = time.monotonic()
                waited = f"waiting for another run that prepares the same ({name}): {told - started:.0f} s so far"
                print(waited, file=sys.__stderr__, flush=True)
        yield


def _taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def appears_whole(target: Path) -> Iterator[Path]:
    """Give a temporary folder to fill; it becomes TARGET at the end, or vanishes when filling it fails."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=target.parent))
    try:
        yield unfinished
        if target.exists():
            shutil.rmtree(target)
        unfinished.chmod(0o755)
        unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
