"""What is to be done, as data: the files and the history in, steps out. Pure; nothing here acts."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from controller.errors import ConfigurationError, HistoryMismatch, SchemaAhead, SchemaDirty
from controller.migrate.files import Migration, Migrations, Script


class Direction(StrEnum):
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One row of schema_version: the last thing that was done to one version.

    Attributes:
        direction: up: the version is applied; down: it was, and has been reverted.
        sha256: of the up file as it was applied, hex.
        error: set while the version is dirty, None else.
        duration_ms: of the run that wrote the row, milliseconds.
    """

    version: int
    description: str
    direction: Direction
    sha256: str
    applied_at: datetime
    applied_by: str
    host: str
    engine_version: str
    duration_ms: int
    retries: int
    error: str | None


History = tuple[HistoryRow, ...]
"""In ascending order of version; empty where the table does not exist yet."""


@dataclass(frozen=True, slots=True)
class Step:
    """One file to run."""

    migration: Migration
    direction: Direction

    @property
    def script(self) -> Script:
        return self.migration.up if self.direction is Direction.UP else self.migration.down

    @property
    def label(self) -> str:
        return self.script.name


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps from `current` to `target`, in the order in which they would run; 0 is the empty database."""

    current: int
    target: int
    steps: tuple[Step, ...]

    @property
    def sha256(self) -> str:
        """`sha256:<hex>` of everything that decides what would run; what a person approves under policy Manual."""
        content = [
            self.current,
            self.target,
            [(s.migration.version, s.direction, s.script.sha256) for s in self.steps],
        ]
        return "sha256:" + hashlib.sha256(json.dumps(content).encode()).hexdigest()

    @property
    def reverts(self) -> bool:
        return any(step.direction is Direction.DOWN for step in self.steps)


def current_version(history: History) -> int:
    """The highest applied version; 0 for an empty database."""
    return max((row.version for row in history if row.direction is Direction.UP), default=0)


def newest_version(migrations: Migrations) -> int:
    """The highest version that the files know; 0 without any."""
    return migrations[-1].version if migrations else 0


def make_plan(migrations: Migrations, history: History, target: int | None = None) -> Plan:
    """The way from where the history says the database is to `target`.

    Args:
        target: a version of the files, 0 for the empty database, or None for the newest. A database ahead of
            the files is left where it is if `target` is None.

    Raises:
        ConfigurationError: no file has the version `target`.
        SchemaDirty, HistoryMismatch: see `check_history`.
        SchemaAhead: versions that the files do not know would have to be reverted.
    """
    check_history(migrations, history)
    current, newest = current_version(history), newest_version(migrations)
    if target is None:
        target = max(current, newest)
    elif target not in (0, current) and target not in {m.version for m in migrations}:
        raise ConfigurationError(
            f"Version {target} does not exist. The files go from 0, the empty database, to {newest}."
        )
    if current > newest and target < current:
        raise SchemaAhead(
            f"The database is at version {current}, the files end at {newest}. Use the release that "
            f"knows version {current} to go back."
        )
    return Plan(current, target, _steps(migrations, history, current, target))


def check_history(migrations: Migrations, history: History) -> None:
    """Refuses to plan on ground that is not what the files say.

    Raises:
        SchemaDirty: a file stopped half-way.
        HistoryMismatch: an applied file was edited, is missing, or a new file sorts before an applied one.
    """
    files = {migration.version: migration for migration in migrations}
    current, newest = current_version(history), newest_version(migrations)
    for row in history:
        if row.error is not None:
            raise SchemaDirty(f"Version {row.version} stopped half-way while going {row.direction}: {row.error}")
        if row.direction is Direction.UP and row.version <= newest:
            _check_applied(row, files.get(row.version))
    applied = {row.version for row in history if row.direction is Direction.UP}
    for migration in migrations:
        if migration.version < current and migration.version not in applied:
            raise HistoryMismatch(
                f"{migration.up.name} sorts before version {current}, which is already applied. "
                f"Give it a number above {current}.",
                reason="OutOfOrder",
            )


def _check_applied(row: HistoryRow, migration: Migration | None) -> None:
    if migration is None:
        raise HistoryMismatch(
            f'Version {row.version} ("{row.description}") was applied, but its file is gone. Bring it back.',
            reason="FileMissing",
        )
    if migration.up.sha256 != row.sha256:
        raise HistoryMismatch(
            f"{migration.up.name} was edited after it had been applied on {row.applied_at:%Y-%m-%d}. "
            "Restore the file, and write the change as a new migration.",
            reason="ChecksumMismatch",
        )


def _steps(migrations: Migrations, history: History, current: int, target: int) -> tuple[Step, ...]:
    if target >= current:
        return tuple(Step(m, Direction.UP) for m in migrations if current < m.version <= target)
    applied = {row.version for row in history if row.direction is Direction.UP}
    return tuple(
        Step(m, Direction.DOWN) for m in reversed(migrations) if target < m.version <= current and m.version in applied
    )
