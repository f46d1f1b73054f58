"""Folders of migration files: names, encoding, pairs and gaps.

`V001_name.up.sql` and `V001_name.down.sql`; or golang-migrate's `1_name.up.sql`, which are read as it reads them: the
number alone makes a pair, numbers may be left out, and 0 is one of them.
"""

import os
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

from controller.errors import ConfigurationError, FilePosition, MigrationFileError
from controller.migrate.files.migration import Migration, Migrations, Script
from controller.migrate.files.reading import FilesChanged, file_names, read_file, read_files
from controller.migrate.files.replaces import bounded, refuse_wrong_replacements, replaced_by
from controller.migrate.sql.lexer import file_position

_NAME = re.compile(r"(?P<prefix>[vV]?)(?P<version>[0-9]+)_(?P<description>.+)\.(?P<direction>up|down)\.sql")
LARGEST_SEQUENCE = 9_999_999
"""Largest sequential version; greater ones are dates (20260131...), which may have gaps."""
_LARGEST_VERSION = 2**63 - 1
TRIES = 3
"""Readings of a folder that changes meanwhile; kubelet replaces a ConfigMap at most once a minute."""
_PACKAGE = Path(__file__).parents[2]
_IN_WHEEL = _PACKAGE / "packaged" / "migrations"


def packaged_folder() -> Path:
    """Return the folder of the migrations that come with the program, in the wheel or in a checkout."""
    return _IN_WHEEL if _IN_WHEEL.is_dir() else _PACKAGE.parent / "migrations"


def is_packaged(folder: Path) -> bool:
    """Return whether `folder` is inside the wheel, and so replaced by the next installation."""
    return folder == _IN_WHEEL


def refuse_packaged(folder: Path) -> None:
    """Raise ConfigurationError for the folder to which nothing can be added."""
    if is_packaged(folder):
        raise ConfigurationError("Nothing can be added to the migrations that come with the program. Use --path.")


def read_folder(folder: Path) -> Migrations:
    """Return all migrations in `folder`; ignore files for which `is_migration_name` is False.

    Raises:
        ConfigurationError: the folder does not exist, holds no migration, or what cannot be read within the limits.
        MigrationFileError: see `parse`.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: no such folder. Give the folder that holds the migration files (--path).")
    try:
        migrations = _read(folder)
    except OSError as error:
        raise ConfigurationError(f"{error.filename}: cannot be read ({os.strerror(error.errno or 0)}).") from None
    if not migrations:
        raise ConfigurationError(f"{folder}: no migration in it. Give the folder that holds the files (--path).")
    return migrations


def _read(folder: Path) -> Migrations:
    for _ in range(TRIES):
        try:
            return _parse(read_files(folder))
        except FilesChanged:
            continue
    raise ConfigurationError(f"{folder}: its files change while they are read. Try again when all are written.")


def read_script(path: Path) -> Script:
    """Return the script in one file, whatever its name.

    Raises:
        ConfigurationError: the file cannot be read.
        MigrationFileError: the file is not UTF-8.
    """
    try:
        return Script(path.name, _decode(path.name, read_file(path)))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({os.strerror(error.errno or 0)}).") from None


def sql_files(folder: Path) -> list[Path]:
    """Return the files that `read_folder` reads, sorted by name."""
    return [folder / name for name in file_names(folder)]


def parse(contents: Mapping[str, bytes]) -> Migrations:
    """Return the migrations in `contents`, which maps file names to bytes.

    Raises:
        MigrationFileError: a name cannot be read, a file is not UTF-8, a version has two files of one direction or
            no up file, there is a gap before a version with a V, or a file cannot replace what it says.
    """
    return _parse(contents.items())


def _parse(contents: Iterable[tuple[str, bytes]]) -> Migrations:
    """Parse files one at a time, so that their bytes are not all in memory at once."""
    scripts: dict[tuple[int, str], Script] = {}
    for name, data in contents:
        version, direction = _parse_name(name)
        if (version, direction) in scripts:
            raise MigrationFileError(
                f"{name}: version {version} has two {direction} files, this one and "
                f"{scripts[version, direction].name}. Give one of them the next free number.",
                at=FilePosition(name),
            )
        scripts[version, direction] = Script(name, _decode(name, data))
    versions = sorted({version for version, _ in scripts})
    pairs = (_pair(scripts.get((each, "up")), scripts.get((each, "down")), each) for each in versions)
    migrations = tuple(bounded(pairs))
    refuse_wrong_replacements(migrations)
    _refuse_gaps(migrations)
    return migrations


def _parse_name(name: str) -> tuple[int, str]:
    """Return version and direction of a file."""
    match = _NAME.fullmatch(name)
    if match is None or (match["prefix"] and not int(match["version"])):
        raise MigrationFileError(
            f"{_quoted(name)}: cannot read this name. Call it V<number>_<what_it_does>.up.sql or .down.sql, "
            "for example V002_add_labels.up.sql; the number starts at 1.",
            at=FilePosition(name),
        )
    if (version := int(match["version"])) > _LARGEST_VERSION:
        raise MigrationFileError(
            f"{_quoted(name)}: its number is too large. The largest is {_LARGEST_VERSION}, since a version has 63 "
            "bits.",
            at=FilePosition(name),
        )
    return version, match["direction"]


def _quoted(name: str) -> str:
    """Return the name in quotes if it has a blank at its begin or end, or a character that cannot be seen."""
    return name if name == name.strip() and name.isprintable() else repr(name)


def _decode(name: str, data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig")  # the bytes before the first invalid one
        at = file_position(name, before, len(before))
        raise MigrationFileError(f"{at}: not UTF-8. Save the file as UTF-8.", at=at) from None
    if (nul := text.find("\0")) >= 0:
        at = file_position(name, text, nul)
        raise MigrationFileError(f"{at}: a NUL byte. Save the file as UTF-8.", at=at)
    return text


def _pair(up: Script | None, down: Script | None, version: int) -> Migration:
    if up is None:
        assert down is not None  # noqa: S101 - a version exists because a file named it
        wanted = re.sub(r"\.down(\.sql)$", r".up\1", down.name)
        raise MigrationFileError(
            f"{down.name}: its up migration is missing. Write {wanted} in the same folder.", at=FilePosition(down.name)
        )
    match = _NAME.fullmatch(up.name)
    return Migration(version, match["description"].replace("_", " ") if match else "", up, down, replaced_by(up))


def _refuse_gaps(migrations: Migrations) -> None:
    """Raise MigrationFileError for a number that is left out before a file with a V."""
    for before, after in pairwise(migrations):
        counted = after.version <= LARGEST_SEQUENCE and after.up.name[0] in "vV"
        left_out = range(before.version + 1, after.version)
        if counted and left_out and not after.replaces.issuperset(left_out):
            raise MigrationFileError(
                f"{after.up.name}: version {before.version + 1} is missing between {before.up.name} and this file. "
                "Add it, or renumber.",
                at=FilePosition(after.up.name),
            )
