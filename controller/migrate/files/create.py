"""Creation of the next pair of migration files, numbered like the others in the folder."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from controller.errors import ConfigurationError, FilePosition, MigrationFileError
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
            description = name.replace("_", " ").strip()
            up = folder / f"{stem}.up.sql", _UP.format(description=description[:1].upper() + description[1:])
            down = folder / f"{stem}.down.sql", _DOWN.format(up=up[0].name)
            _write_files(up, down)
            return up[0], down[0]
    except OSError as error:
        raise _not_written(folder, error) from None


def write_new(*files: tuple[Path, str]) -> None:
    """Write files that do not exist, all of them or none.

    Raises:
        ConfigurationError: one exists, or the folder cannot be written.
    """
    folder = files[0][0].parent
    try:
        with _locked(folder):
            _write_files(*files)
    except OSError as error:
        raise _not_written(folder, error) from None


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
            f"{name}: cannot read this name, which is needed to number the next file. Rename or move it.",
            at=FilePosition(name),
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


def _write_files(*files: tuple[Path, str]) -> None:
    written: list[Path] = []
    try:
        for path, text in files:
            with path.open("x", encoding="utf-8", newline="\n") as file:
                written.append(path)
                file.write(text)
    except OSError:
        for path in written:  # half a pair would stop every other command
            path.unlink()
        raise


def _not_written(folder: Path, error: OSError) -> ConfigurationError:
    path, why = error.filename or folder, os.strerror(error.errno or 0)
    return ConfigurationError(f"{path}: no file can be created there ({why}). Give another folder (--path).")
