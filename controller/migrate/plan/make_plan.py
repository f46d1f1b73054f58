"""Planning: from the files and the history to the steps that would run. Pure."""

from dataclasses import replace
from datetime import datetime

from controller.errors import (
    ConfigurationError,
    FilePosition,
    HistoryMismatch,
    MigrationFileError,
    Recovery,
    SchemaAhead,
    SchemaDirty,
)
from controller.migrate.files.migration import Migration, Migrations
from controller.migrate.plan.model import (
    EMPTY,
    Direction,
    History,
    HistoryRow,
    Origin,
    Plan,
    Step,
    applied_versions,
    newest_version,
    shown_version,
)
from controller.migrate.plan.replacement import Chosen, choose, made_by_others, made_of, replaced_by_files, standing_for
from controller.text import one_line

SHOWN_DIGITS = 12
"""Digits of a checksum that a message shows."""


def make_plan(
    migrations: Migrations,
    history: History,
    target: int | None = None,
    *,
    out_of_order: bool = False,
    database: str = "",
) -> Plan:
    """Return the plan from the version in the history to `target`.

    Args:
        target: a version of the files; 0, if no file has that number, or `EMPTY` for the empty database; None for the
            newest. With None, a database ahead of the files is left as it is.
        out_of_order: apply files that sort before an applied one as well, instead of refusing them.
        database: identity of the database, and the schema in it, which an approval of the plan covers.

    Raises:
        ConfigurationError: no file has the version `target`.
        HistoryMismatch: an applied file was edited or is missing, or a new file sorts before an applied one.
        SchemaDirty: a file stopped half-way, and the plan does not begin with the rest of it.
        SchemaAhead: the plan would revert versions that the files do not know.
        MigrationFileError: the plan would revert a version that has no down migration.
    """
    adopts, history = _adopted(migrations, history)
    applied = applied_versions(history)
    chosen = choose(migrations, history, target)
    _check_history(migrations, chosen, history, applied, out_of_order=out_of_order)
    current, newest = max(applied, default=EMPTY), newest_version(migrations)
    if target is not None and target < current and current > newest:
        raise SchemaAhead(
            f"The database is at version {current}, and the files end at {newest}. To revert, use the release that "
            f"has version {current}."
        )
    target = _target(migrations, chosen, target, current)
    steps = _resumed(_steps(chosen, applied, current, target), history)
    changed = {} if adopts else _changed_at(history)
    steps = tuple(replace(step, changed_at=changed.get(step.migration.version)) for step in steps)
    return Plan(current, target, steps, adopts, database)


def version_below(migrations: Migrations, history: History, count: int) -> int:
    """Return the version at which the database is once the last `count` applied versions are reverted."""
    applied = sorted(applied_versions(expand_adopted_row(migrations, history)))
    return applied[-count - 1] if count < len(applied) else EMPTY


def _target(migrations: Migrations, chosen: Chosen, target: int | None, current: int) -> int:
    """Return the version that a caller of `make_plan` means by `target`."""
    if target is None:
        return max(current, newest_version(migrations))
    if target in (EMPTY, current) or target in {m.version for m in chosen.migrations}:
        return target
    if target == 0:
        return EMPTY
    if (instead := next((m for m in migrations if target in m.replaces), None)) is not None:
        raise ConfigurationError(
            f"Version {target} is replaced by {instead.up.name}, and is no state of this database. Give version "
            f"{instead.version}.",
            reason="VersionUnknown",
            recovery=Recovery.STALLED,
        )
    raise ConfigurationError(
        f"Version {target} does not exist. The files go from 0, the empty database, to "
        f"{shown_version(newest_version(migrations))}.",
        reason="VersionUnknown",
        recovery=Recovery.STALLED,
    )


def _changed_at(history: History) -> dict[int, datetime]:
    """Return when each version was applied or reverted last; going up, a run that stopped half-way does not count."""
    half_up = {row.version for row in history if row.error is not None and row.direction is Direction.UP}
    return {row.version: row.applied_at for row in history if row.version not in half_up}


def _check_history(
    migrations: Migrations, chosen: Chosen, history: History, applied: set[int], *, out_of_order: bool
) -> None:
    """Raise HistoryMismatch if the applied versions do not agree with the files."""
    files = {migration.version: migration for migration in migrations}
    current, newest = max(applied, default=EMPTY), newest_version(migrations)
    may_be_gone = replaced_by_files(migrations) | made_by_others(migrations, history, chosen.target)
    for row in history:
        known = row.version in files or row.version not in may_be_gone
        if known and row.version in applied and row.version <= newest:
            _check_applied(row, files.get(row.version))
    in_order = applied | chosen.recorded
    for migration in () if out_of_order else chosen.migrations:
        if migration.version < current and migration.version not in in_order:
            raise HistoryMismatch(
                f"{migration.up.name} sorts before version {current}, which is already applied. "
                f"Give it a number above {current}, or apply it nevertheless: dashdb migrate up --out-of-order.",
                reason="OutOfOrder",
                at=FilePosition(migration.up.name),
            )


def awaits_adoption(history: History) -> bool:
    """Return whether the history is golang-migrate's, as a single row; once adopted it has a row for each file."""
    return len(history) == 1 and history[0].origin is Origin.GOLANG_MIGRATE and not history[0].sha256


def _adopted(migrations: Migrations, history: History) -> tuple[bool, History]:
    """Return whether the history is golang-migrate's, and the history with a row for each version."""
    if not awaits_adoption(history):
        return False, history
    row = _at_its_file(migrations, history[0])
    if row.error is None and row.version not in {m.version for m in migrations}:
        raise HistoryMismatch(
            f"golang-migrate applied version {row.version}, which none of the files has. Restore its file.",
            reason="FileMissing",
        )
    if row.error is not None:
        raise SchemaDirty(f"Version {row.version}: {row.error}")
    present = made_of(migrations, row.version)
    return True, tuple(row._replace(version=m.version, sha256=m.up.sha256, replaces=m.replaces) for m in present)


def expand_adopted_row(migrations: Migrations, history: History) -> History:
    """Return the history; expand golang-migrate's single row to one for each file."""
    if not awaits_adoption(history):
        return history
    row = _at_its_file(migrations, history[0])
    before = [m for m in made_of(migrations, row.version) if m.version < row.version]
    return (*(row._replace(version=m.version, error=None) for m in before), row)


def _at_its_file(migrations: Migrations, row: HistoryRow) -> HistoryRow:
    """Return golang-migrate's row with the version of the file that stands for all up to its own."""
    return row._replace(version=standing_for(migrations, row.version))


def _resumed(steps: tuple[Step, ...], history: History) -> tuple[Step, ...]:
    """Return the steps, of which the first continues where an earlier run stopped."""
    dirty = next((row for row in history if row.error is not None), None)
    if dirty is None:
        return steps
    first = steps[0] if steps else None
    if first is None or (first.migration.version, first.direction) != (dirty.version, dirty.direction):
        raise SchemaDirty(describe_dirty(dirty.version, dirty.direction, dirty.error or ""))
    done = dirty.statements_done or 0
    if first.script.digest_of_first(done) != dirty.done_sha256:
        raise SchemaDirty(
            f"{first.label} was edited in its first {done} statements, which have already run. Restore them: only what "
            f"comes after them can be changed. {describe_dirty(dirty.version, dirty.direction, dirty.error or '')}",
            at=FilePosition(first.label),
        )
    return (replace(first, resume_at=done), *steps[1:])


def describe_dirty(version: int, direction: Direction, why: str) -> str:
    """Return the message for a version that is half done: where it stopped, and how to continue."""
    verb = "up" if direction is Direction.UP else "down 1"
    return (
        f"Version {version} stopped half-way while going {direction}, at {why}. Correct the cause and continue with "
        f"dashdb migrate {verb}; or finish it by hand and record the version with dashdb migrate force VERSION."
    )


def _check_applied(row: HistoryRow, migration: Migration | None) -> None:
    if migration is None:
        raise HistoryMismatch(
            f'Version {row.version} ("{row.description}") was applied, but its file is missing. Restore it.',
            reason="FileMissing",
        )
    if not migration.up.has_digest(row.sha256):
        found, recorded = migration.up.sha256[:SHOWN_DIGITS], one_line(row.sha256[:SHOWN_DIGITS])
        raise HistoryMismatch(
            f"{migration.up.name} was edited after it had been applied on {row.applied_at:%Y-%m-%d}: its sha256 begins "
            f"with {found}, that in the history with {recorded}. "
            "Restore the file, and write the change as a new migration.",
            reason="ChecksumMismatch",
            at=FilePosition(migration.up.name),
        )


def _steps(chosen: Chosen, applied: set[int], current: int, target: int) -> tuple[Step, ...]:
    if target >= current:
        pending = [m for m in chosen.migrations if m.version <= target and m.version not in applied]
        return tuple(Step(m, Direction.UP, recorded=m.version in chosen.recorded) for m in pending)
    reverted = [m for m in reversed(chosen.migrations) if m.version > target and m.version in applied]
    for migration in reverted:
        if migration.down is None:
            raise MigrationFileError(
                f"{migration.up.name} cannot be reverted: it has no down migration. Write {migration.down_name}, or "
                f"stay at version {migration.version}.",
                reason="Irreversible",
                at=FilePosition(migration.up.name),
            )
    return tuple(Step(m, Direction.DOWN) for m in reverted)
