"""Folders of migration files: names, encoding, pairs and gaps.

`V001_name.up.sql` and `V001_name.down.sql`; golang-migrate's `1_name.up.sql` is read as well.
"""

import os
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

from controller.errors import ConfigurationError, MigrationFileError
from controller.migrate.files.migration import Migration, Migrations, Script
from controller.migrate.files.reading import FilesChanged, file_names, read_file, read_files
from controller.migrate.sql.lexer import line_and_column

_NAME = re.compile(r"[vV]?(?P<version>[0-9]+)_(?P<description>.+)\.(?P<direction>up|down)\.sql")
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


def read_folder(folder: Path) -> Migrations:
    """Return all migrations in `folder`; ignore hidden files and those that do not end in `.sql`.

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
            lacks one, or there is a gap between versions.
    """
    return _parse(contents.items())


def _parse(contents: Iterable[tuple[str, bytes]]) -> Migrations:
    """Parse files one at a time, so that their bytes are not all in memory at once."""
    scripts: dict[tuple[int, str], Script] = {}
    descriptions: dict[int, str] = {}
    for name, data in contents:
        version, description, direction = _parse_name(name)
        if (version, direction) in scripts:
            raise MigrationFileError(
                f"{name}: version {version} has two {direction} files, this one and "
                f"{scripts[version, direction].name}. Give one of them the next free number."
            )
        scripts[version, direction] = Script(name, _decode(name, data))
        descriptions.setdefault(version, description)
    migrations = tuple(_pair(version, descriptions[version], scripts) for version in sorted(descriptions))
    _refuse_gaps(migrations)
    return migrations


def _parse_name(name: str) -> tuple[int, str, str]:
    match = _NAME.fullmatch(name)
    if match is None or not 0 < int(match["version"]) <= _LARGEST_VERSION:
        raise MigrationFileError(
            f"{name}: cannot read this name. Call it V<number>_<what_it_does>.up.sql or .down.sql, "
            "for example V002_add_labels.up.sql; the number starts at 1."
        )
    return int(match["version"]), match["description"].replace("_", " "), match["direction"]


def _decode(name: str, data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig")  # the bytes before the first invalid one
        raise MigrationFileError(
            f"{name}:{line_and_column(before, len(before))}: not UTF-8. Save the file as UTF-8."
        ) from None
    if (nul := text.find("\0")) >= 0:
        raise MigrationFileError(f"{name}:{line_and_column(text, nul)}: a NUL byte. Save the file as UTF-8.")
    return text


def _pair(version: int, description: str, scripts: Mapping[tuple[int, str], Script]) -> Migration:
    up, down = scripts.get((version, "up")), scripts.get((version, "down"))
    if up is None or down is None:
        existing = up or down
        assert existing is not None  # noqa: S101 - a version exists because a file named it
        missing = "down" if down is None else "up"
        wanted = re.sub(r"\.(up|down)\.sql$", f".{missing}.sql", existing.name)
        raise MigrationFileError(
            f"{existing.name}: its {missing} migration is missing. Write {wanted} in the same folder."
        )
    if _parse_name(up.name)[1] != _parse_name(down.name)[1]:
        raise MigrationFileError(
            f"{down.name}: not the down migration of {up.name}; their names differ. Rename one of them."
        )
    return Migration(version, description, up, down)


def _refuse_gaps(migrations: Migrations) -> None:
    for before, after in pairwise(migrations):
        if after.version <= LARGEST_SEQUENCE and after.version != before.version + 1:
            raise MigrationFileError(
                f"{after.up.name}: version {before.version + 1} is missing between {before.up.name} and this file. "
                "Add it, or renumber."
            )
