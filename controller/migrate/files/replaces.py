"""Files that stand for several earlier versions, as their first lines say: `-- dashdb:replaces 1-5`. Pure."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from controller.errors import FilePosition, MigrationFileError
from controller.migrate.files.migration import Migration, Migrations, Script

MOST_REPLACED = 10_000
"""Limit of the versions that one file replaces, the same as that of files in a folder."""
MOST_IN_ALL = 100_000
"""Limit of the sum over all files of a folder, or all rows of a history: short ranges could fill the memory."""
_HEAD = re.compile(r"(?:[ \t\r]*+(?:--[^\n]*+)?+\n)*+[ \t]*+(?:--[^\n]*+)?+")
"""Blank lines and comments before the first statement."""
DIRECTIVE = "dashdb:"
"""Text in each comment of a file that is read as a setting of the file."""
_REPLACES = re.compile(r"^[ \t]*--[ \t]*dashdb:[ \t]*replaces\b(?P<versions>[^\n]*)$", re.MULTILINE)
_RANGE = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?")


def replaced_by(script: Script) -> frozenset[int]:
    """Return the versions that an up file replaces; empty for nearly all files.

    Raises:
        MigrationFileError: the line cannot be read, or stands behind a statement, where it would be overlooked.
    """
    head = _HEAD.match(script.text)
    end = head.end() if head else 0
    if (found := script.text.find(DIRECTIVE)) < 0:
        return frozenset()
    lines = list(_REPLACES.finditer(script.text, 0, end)) if found < end else []
    if _REPLACES.search(script.text, end):
        raise MigrationFileError(
            f"{script.name}: a line -- dashdb:replaces stands behind a statement. Write it into the first lines.",
            at=FilePosition(script.name),
        )
    try:
        return frozenset(version for line in lines for version in parse_versions(line["versions"]))
    except ValueError:
        raise MigrationFileError(
            f"{script.name}: cannot read which versions it replaces. Write -- dashdb:replaces 1-5, or single numbers "
            f"with commas: 1-3, 5; at most {MOST_REPLACED}.",
            at=FilePosition(script.name),
        ) from None


def parse_versions(text: str, most: int = MOST_REPLACED) -> frozenset[int]:
    """Return the versions in a text such as `1-3, 5`.

    Raises:
        ValueError: there is none, or more than `most`, or something else.
    """
    versions: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise ValueError(part)
        first, last = int(match[1]), int(match[2] or match[1])
        if not 0 <= last - first < most - len(versions):
            raise ValueError(part)
        versions.update(range(first, last + 1))
    return frozenset(versions)


def format_versions(versions: Collection[int]) -> str:
    """Return versions as a text that `parse_versions` reads: `1-3, 5`."""
    ranges: list[tuple[int, int]] = []
    for version in sorted(versions):
        if ranges and version == ranges[-1][1] + 1:
            ranges[-1] = ranges[-1][0], version
        else:
            ranges.append((version, version))
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def with_nested(migration: Migration, files: Mapping[int, Migration]) -> frozenset[int]:
    """Return the versions that a file replaces, with those that files among them replace."""
    nested = (files[version] for version in migration.replaces if version in files and files[version].replaces)
    return migration.replaces.union(*(with_nested(each, files) for each in nested))


def bounded(migrations: Iterable[Migration]) -> Iterator[Migration]:
    """Yield the migrations; raise MigrationFileError if they replace more than `MOST_IN_ALL` versions."""
    count = 0
    for migration in migrations:
        count += len(migration.replaces)
        if count > MOST_IN_ALL:
            raise MigrationFileError(
                f"{migration.up.name}: with it, the files replace more than {MOST_IN_ALL} versions. Remove older ones.",
                at=FilePosition(migration.up.name),
            )
        yield migration


def refuse_wrong_replacements(migrations: Migrations) -> None:
    """Raise MigrationFileError for a file whose first lines do not fit to the other files."""
    files = {migration.version: migration for migration in migrations}
    for migration in migrations:
        if migration.replaces:
            _check(migration, files)


def _check(migration: Migration, files: Mapping[int, Migration]) -> None:
    name, replaced = migration.up.name, migration.replaces
    at = FilePosition(name)
    if max(replaced) >= migration.version:
        raise MigrationFileError(
            f"{name}: it replaces version {max(replaced)}, and can only replace lower versions than its own.", at=at
        )
    whole = with_nested(migration, files)
    between = [version for version in files if min(replaced) <= version < migration.version and version not in whole]
    if between:
        raise MigrationFileError(
            f"{name}: {files[min(between)].up.name} lies between the versions that it replaces and its own. Replace "
            "that one as well, or give this file a number below it.",
            at=at,
        )
    own = replaced.difference(*(with_nested(files[v], files) for v in replaced if v in files))
    missing = [version for version in own if version not in files]
    if missing and len(missing) < len(own):
        raise MigrationFileError(
            f"{name}: it replaces version {min(missing)}, which has no file, though others that it replaces have one. "
            f"Name those that there are: -- dashdb:replaces {format_versions(replaced - set(missing))}; or remove the "
            "files of the others as well.",
            at=at,
        )
