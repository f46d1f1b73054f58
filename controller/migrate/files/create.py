"""Creation of the next pair of migration files, numbered like the others in the folder."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from controller.errors import ConfigurationError, MigrationFileError
from controller.migrate.files.folder import LARGEST_SEQUENCE, sql_files

_NAME = re.compile(r"[A-Za-z0-9_]{1,80}")
_FILE = re.compile(r"(?P<prefix>[vV]?)(?P<number>[0-9]+)_.+\.(?:up|down)\.sql")
_EPOCH_DIGITS = 10
"""Digits of a version in seconds since 1970; dates have 8, 12 or 14."""
_UP = """-- {description}.
--
-- Runs in one transaction. Write what PostgreSQL refuses there (CREATE INDEX CONCURRENTLY) into a file of its own.
"""
_DOWN = """-- Removes what {up} made.
"""


def create(folder: Path, name: str) -> tuple[Path, Path]:
    """Create the next up and down file in `folder`, with only a comment in them; never overwrite a file.

    Args:
        name: what the migration does, in at most 80 letters, digits and underscores.

    Raises:
        ConfigurationError: the name cannot be used, or the folder cannot be written.
        MigrationFileError: a file in the folder has a name that cannot be read.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} cannot be part of a file's name. Use up to 80 letters, digits and underscores: add_labels."
        )
    try:
        with _locked(folder):
            stem = f"{next_number([path.name for path in sql_files(folder)], datetime.now(UTC))}_{name}"
            return _write_pair(folder / f"{stem}.up.sql", folder / f"{stem}.down.sql", name)
    except OSError as error:
        path, why = error.filename or folder, os.strerror(error.errno or 0)
        raise ConfigurationError(
            f"{path}: no file can be created there ({why}). Give another folder (--path)."
        ) from None


def next_number(names: list[str], now: datetime) -> str:
    """Return the start of the next name, such as `V002`, `000002` or `20260131120000`, in the form of the last one.

    Raises:
        MigrationFileError: one of the names cannot be read.
    """
    number, prefix, digits = max(map(_numbered, names), default=(0, "V", 3))
    following = number + 1
    if number > LARGEST_SEQUENCE:
        time = str(int(now.timestamp())) if digits == _EPOCH_DIGITS else f"{now:%Y%m%d%H%M%S}"[:digits]
        following = max(following, int(time))  # the last one may be in the future
    return f"{prefix}{following:0{digits}}"


def _numbered(name: str) -> tuple[int, str, int]:
    match = _FILE.fullmatch(name)
    if match is None:
        raise MigrationFileError(
            f"{name}: cannot read this name, which is needed to number the next file. Rename or move it."
        )
    return int(match["number"]), match["prefix"], len(match["number"])


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a lock on `folder`, so that two processes do not use the same number."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write_pair(up: Path, down: Path, name: str) -> tuple[Path, Path]:
    description = name.replace("_", " ").strip()
    with up.open("x", encoding="utf-8") as file:
        file.write(_UP.format(description=description[:1].upper() + description[1:]))
    try:
        with down.open("x", encoding="utf-8") as file:
            file.write(_DOWN.format(up=up.name))
    except OSError:
        up.unlink()  # half a pair would stop every other command
        raise
    return up, down
