"""Reading of migration files within limits: of regular files alone, each once, and all of one state of the folder.

A folder may be a mounted ConfigMap, which kubelet replaces at any time, or hold what no migration is: a pipe that
nobody writes to, a device without an end, a dump of gigabytes.
"""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

from controller.errors import ConfigurationError

MOST_FILES: Final = 10_000
"""Most entries of a folder; a project that writes a migration a day for ten years has 7300."""
LARGEST_FILE: Final = 256 * 1024 * 1024
"""Most bytes of one file. The whole text is in memory while it runs, and PostgreSQL takes no message above 1 GiB. A
ConfigMap holds 1 MiB; larger data is loaded with COPY."""
MOST_BYTES: Final = 512 * 1024 * 1024
"""Most bytes of all files together, which are all in memory."""
_PIECE = 1024 * 1024
_LIKE_MIGRATION = re.compile(r"[\svV]*[0-9]+_.*\.(?:up|down)\b", re.DOTALL | re.IGNORECASE)
_LEFTOVERS = ("~", ".orig", ".rej", ".bak", ".swp", ".tmp")


class FilesChanged(Exception):
    """The folder or a file was written to while it was read."""


Fingerprint: TypeAlias = tuple[tuple[str, int, int, int], ...]
"""Name, inode, time of the last change and size of each migration file."""


def read_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each migration file in `folder`, sorted by name, one at a time.

    Raises:
        FilesChanged: what was yielded is not all of one state of the folder.
        ConfigurationError: a file is none that can be read within the limits.
        OSError: the folder or a file cannot be read.
    """
    before = fingerprint(folder)
    for name, *_ in before:
        yield name, _read_inside(folder, name)
    if fingerprint(folder) != before:  # also of a file that was written to while it was read
        raise FilesChanged


def read_file(path: Path) -> bytes:
    """Return the bytes of one file that a person named, which may also be a pipe.

    Raises:
        ConfigurationError: too large.
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _read(path, descriptor, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)


def _read_inside(folder: Path, name: str) -> bytes:
    """Return the bytes of a regular file that lies in FOLDER, links followed; thousands are read at each start.

    Raises:
        FilesChanged, ConfigurationError, OSError: see `read_files`.
    """
    at = f"{folder}/{name}"
    if not stat.S_ISREG(os.lstat(at).st_mode):
        _refuse_foreign(folder / name, folder)  # before it is opened, which does something to many a device
    descriptor = os.open(at, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        opened = os.fstat(descriptor)
        if not stat.S_ISREG(opened.st_mode) or opened.st_size > LARGEST_FILE:
            _refuse_kind(folder / name, opened)
        content = _read(folder, descriptor, opened.st_size)
    finally:
        os.close(descriptor)
    if len(content) != opened.st_size:
        raise FilesChanged
    return content


def fingerprint(folder: Path) -> Fingerprint:
    """Return what changes when a migration file in `folder` is added, removed, replaced or edited.

    Raises:
        ConfigurationError: too many files, or too many bytes in one or in all.
        OSError: the folder or a file cannot be read.
    """
    found = sorted((entry.name, *_state(entry.stat())) for entry in _entries(folder))
    for name, _, _, size in found:
        if size > LARGEST_FILE:
            raise _too_large(folder / name)
    total = sum(size for *_, size in found)
    if total > MOST_BYTES:
        raise ConfigurationError(f"{folder}: {_megabytes(total)} of migration files; {_megabytes(MOST_BYTES)} at most.")
    return tuple(found)


def file_names(folder: Path) -> list[str]:
    """Return the names of the migration files in `folder`, sorted.

    Raises:
        ConfigurationError: the folder holds more entries than `MOST_FILES`.
        OSError: the folder cannot be read.
    """
    return sorted(entry.name for entry in _entries(folder))


def _entries(folder: Path) -> Iterator["os.DirEntry[str]"]:
    with os.scandir(folder) as entries:
        for number, entry in enumerate(entries):
            if number >= MOST_FILES:
                raise ConfigurationError(
                    f"{folder}: more than {MOST_FILES} files, the limit for one folder. Give the folder that holds the "
                    "migrations alone (--path)."
                )
            if is_migration_name(entry.name):
                yield entry


def is_migration_name(name: str) -> bool:
    """Return whether a file of this name has to be a migration, with a right name or a wrong one.

    `.SQL` is one as well, and `1_a.up.psql`, or a name with a blank at its end, so that a mistake is reported and not
    ignored. Hidden files are none, and those that editors and version control leave beside a file.
    """
    if name.startswith(".") or name.endswith(_LEFTOVERS):
        return False
    return name.lower().strip().endswith(".sql") or _LIKE_MIGRATION.match(name) is not None


def _read(path: Path, descriptor: int, expected: int) -> bytes:
    """Read a file of a known size in one call, since joining pieces would double the memory; else to the end."""
    if 0 < expected <= LARGEST_FILE:
        return os.read(descriptor, expected + 1)
    content = bytearray()
    while piece := os.read(descriptor, _PIECE):
        content += piece
        if len(content) > LARGEST_FILE:
            raise _too_large(path)
    return bytes(content)


def _refuse_foreign(path: Path, folder: Path) -> None:
    found = path.lstat()
    if not stat.S_ISLNK(found.st_mode):
        _refuse_kind(path, found)
        return
    _refuse_kind(path, path.stat())
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ConfigurationError(
            f"{path}: a link to a file outside of the folder. Copy the file, or give the folder where it lies (--path)."
        )


def _refuse_kind(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = next(name for test, name in _KINDS if test(found.st_mode))
        raise ConfigurationError(f"{path}: cannot be read (it is {kind}, and no file). Move it out of the folder.")
    if found.st_size > LARGEST_FILE:
        raise _too_large(path)


_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (lambda mode: stat.S_ISCHR(mode) or stat.S_ISBLK(mode), "a device"),
    (lambda _: True, "something else"),
)


def _too_large(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path}: larger than {_megabytes(LARGEST_FILE)}, the limit for one file. Split it, or load the data with COPY."
    )


def _state(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_mtime_ns, found.st_size


def _megabytes(count: int) -> str:
    return f"{count / 1024 / 1024:.0f} MiB"
