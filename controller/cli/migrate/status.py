"""State of each version, from the files and the history, as `dashdb migrate status` shows it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from controller.errors import DashdbError, HistoryMismatch, SchemaDirty
from controller.migrate.files.migration import Migration, Migrations
from controller.migrate.history.write import recorded_description
from controller.migrate.plan.make_plan import expand_adopted_row, make_plan
from controller.migrate.plan.model import (
    Direction,
    History,
    HistoryRow,
    current_version,
    newest_version,
    shown_version,
)
from controller.migrate.plan.replacement import choose, made_by_others


class State(StrEnum):
    """State of a version."""

    APPLIED = "applied"
    PENDING = "pending"
    REVERTED = "reverted"
    REPLACED = "replaced"
    """A later version stands for it."""
    DIRTY = "dirty"
    """A file without a transaction stopped half-way."""
    EDITED = "edited"
    """Applied, and the file is another one than that which ran."""
    MISSING = "missing"
    """Applied, and there is no file, though there are files of later versions."""


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One version.

    Attributes:
        file: name of the up file; None if there is none, or another one than that which was recorded.
        applied_at: when it was applied, or reverted.
        by: role and host.
        retries: tries before, for which a lock was not available in time.
        origin: how it was recorded, see `Origin`.
        error: where and why a dirty version stopped.
    """

    version: int
    description: str
    state: State
    file: str | None
    applied_at: datetime | None = None
    by: str | None = None
    duration_ms: int | None = None
    retries: int | None = None
    origin: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """State of all versions.

    Attributes:
        problem: error with which `up` would refuse to run; None if it would run, or has nothing to do.
        pending: True if `up` would apply something.
    """

    current: int
    rows: tuple[StatusRow, ...]
    problem: DashdbError | None
    pending: bool


def read_status(migrations: Migrations, history: History) -> Status:
    """Return the state of each version in the files or the history."""
    problem, pending = None, False
    try:
        pending = bool(make_plan(migrations, history).steps)
    except (HistoryMismatch, SchemaDirty) as error:
        problem = error
    known = {migration.version: migration for migration in migrations}
    whole = expand_adopted_row(migrations, history)
    done = {row.version: row for row in whole}
    replaced = _replaced(migrations, whole)
    may_be_gone = replaced | made_by_others(migrations, whole, None)
    gone = {row.version for row in whole if row.version <= newest_version(migrations)} - known.keys() - may_be_gone
    rows = tuple(
        _row(version, known.get(version), done.get(version), missing=version in gone, replaced=version in replaced)
        for version in sorted({*known, *done})
    )
    return Status(shown_version(current_version(tuple(done.values()))), rows, problem, pending)


def _replaced(migrations: Migrations, history: History) -> frozenset[int]:
    """Return the versions for which a later one stands here; none where that cannot be told."""
    try:
        return choose(migrations, history).replaced
    except HistoryMismatch:
        return frozenset()


def _row(
    version: int, migration: Migration | None, row: HistoryRow | None, *, missing: bool, replaced: bool
) -> StatusRow:
    """Return the state of one version; at least one of `migration` and `row` is not None."""
    recorded = row.sha256 if row is not None else ""
    edited = migration is not None and bool(recorded) and not migration.up.has_digest(recorded)
    if migration is not None and (row is None or (edited and _reverted(row))):
        state = State.REPLACED if replaced else State.PENDING
        return StatusRow(version, migration.description, state, migration.up.name)
    assert row is not None  # noqa: S101 - a version exists because a file or a row has it
    adopted = migration is not None and not row.sha256  # golang-migrate records no names
    named = migration is not None and row.description in (migration.description, recorded_description(migration))
    other = edited and not named
    return StatusRow(
        version,
        migration.description if migration is not None and (adopted or named) else row.description,
        _state(row, edited=edited, missing=missing, replaced=replaced),
        migration.up.name if migration is not None and not other else None,
        row.applied_at,
        f"{row.applied_by}@{row.host}" if row.host else row.applied_by,
        row.duration_ms,
        row.retries,
        row.origin,
        row.error,
    )


def _reverted(row: HistoryRow) -> bool:
    return row.error is None and row.direction is Direction.DOWN


def _state(row: HistoryRow, *, edited: bool, missing: bool, replaced: bool) -> State:
    if row.error is not None:
        return State.DIRTY
    if replaced and not row.applied:
        return State.REPLACED
    if _reverted(row):
        return State.REVERTED
    if edited:
        return State.EDITED
    return State.MISSING if missing else State.APPLIED
