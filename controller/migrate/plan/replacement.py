"""Choice, for one database, between a file that replaces several versions and these versions. Pure."""

from dataclasses import dataclass

from controller.errors import FilePosition, HistoryMismatch
from controller.migrate.files.migration import Migration, Migrations
from controller.migrate.files.replaces import format_versions, with_nested
from controller.migrate.plan.model import History, applied_versions


@dataclass(frozen=True, slots=True)
class Chosen:
    """Files that count for one database.

    Attributes:
        migrations: those of all files that may run, be recorded or be reverted.
        recorded: versions of files that are recorded and not run, since all that they replace is applied.
        replaced: versions for which one of the migrations stands.
        target: version on the way to which they were chosen; None for the newest.
    """

    migrations: Migrations
    recorded: frozenset[int]
    replaced: frozenset[int]
    target: int | None


def choose(migrations: Migrations, history: History, target: int | None = None) -> Chosen:
    """Return the files that count for a database with this history.

    A file that replaces others stands for them if all of them are applied, or none. On the way to a version below its
    own, the others count.

    Raises:
        HistoryMismatch: a part of the versions that a file replaces is applied, or their files are needed and missing.
    """
    files = {migration.version: migration for migration in migrations}
    applied = applied_versions(history)
    present = applied | replaced_in(history)
    dirty = {row.version for row in history if row.error is not None}
    gone, recorded, replaced = set(replaced_in(history)), set[int](), set(replaced_in(history))
    for migration in reversed(migrations):
        if not migration.replaces or migration.version in gone:
            continue
        versions = with_nested(migration, files)
        if migration.version not in applied:
            if dirty & versions or (target is not None and target < migration.version):
                _refuse_missing(migration, files, applied, target)
                gone.add(migration.version)
                continue
            if present >= migration.replaces:
                recorded.add(migration.version)
            elif present & versions:
                raise _partly_applied(migration, present)
        gone |= versions
        replaced |= versions
    left = tuple(migration for migration in migrations if migration.version not in gone)
    return Chosen(left, frozenset(recorded), frozenset(replaced), target)


def replaced_in(history: History) -> frozenset[int]:
    """Return the versions for which an applied one stands."""
    return frozenset().union(*(row.replaces for row in history if row.replaces and row.applied))


def replaced_by_files(migrations: Migrations) -> frozenset[int]:
    """Return the versions for which a file stands, so that their own may be missing."""
    return frozenset().union(*(each.replaces for each in migrations if each.replaces))


def made_by_others(migrations: Migrations, history: History, target: int | None) -> frozenset[int]:
    """Return the applied versions whose file is missing, and all that they replace is there, as in an older release.

    They stay as they are on the way to `target`; to revert them, their own file is needed.
    """
    files = {migration.version for migration in migrations}
    return frozenset(
        row.version
        for row in history
        if row.replaces and row.replaces <= files and (target is None or target >= row.version)
    )


def made_of(migrations: Migrations, version: int) -> Migrations:
    """Return the files of a database at `version`: each that replaces others in place of them."""
    present = [migration for migration in migrations if migration.version <= version]
    gone = frozenset().union(*(migration.replaces for migration in present))
    return tuple(migration for migration in present if migration.version not in gone)


def standing_for(migrations: Migrations, version: int) -> int:
    """Return the version of the file that stands for all up to `version`: its own, or one that replaces it."""
    if version in {migration.version for migration in migrations}:
        return version
    replacing = (each.version for each in migrations if each.replaces and version == max(each.replaces))
    return next(replacing, version)


def _refuse_missing(migration: Migration, files: dict[int, Migration], applied: set[int], target: int | None) -> None:
    """Raise HistoryMismatch if the database is to be changed by files that were removed after they were replaced."""
    current = max(applied, default=None)
    missing = {version for version in migration.replaces & applied if version not in files}
    if not missing or target is None or target == current:
        return
    if missing == migration.replaces:
        raise HistoryMismatch(
            f"Versions {format_versions(missing)} are applied, and their files are gone. {migration.up.name} stands "
            "for them once it is recorded: dashdb migrate up.",
            reason="FileMissing",
            at=FilePosition(migration.up.name),
        )
    raise _partly_applied(migration, applied)


def _partly_applied(migration: Migration, present: frozenset[int] | set[int]) -> HistoryMismatch:
    done, missing = migration.replaces & present, migration.replaces - present
    last = max(migration.replaces)
    return HistoryMismatch(
        f"{migration.up.name} replaces the versions {format_versions(migration.replaces)}, of which "
        f"{format_versions(done) or 'earlier ones'} are applied here and {format_versions(missing)} are not. "
        f"Apply the others with their own files first (dashdb migrate goto {last}, with the release that has them if "
        "they were removed), then go on.",
        reason="PartlyReplaced",
        at=FilePosition(migration.up.name),
    )
