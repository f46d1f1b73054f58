"""Plans and their parts: rows of the history, steps, versions. Pure."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from controller.migrate.files.migration import Migration, Migrations, Script

EMPTY = -1
"""Version of a database to which no migration is applied; people read and write 0, unless a file has that number."""


class Direction(StrEnum):
    UP = "up"
    DOWN = "down"


class RecordedState(StrEnum):
    """Result of the last change of one version, as the history has it."""

    APPLIED = "applied"
    REVERTED = "reverted"
    DIRTY_UP = "dirty up"
    """The up file stopped half-way."""
    DIRTY_DOWN = "dirty down"
    REPLACED = "replaced"
    """Applied, and recorded since as a part of another version, see `files.replaces`."""

    @property
    def direction(self) -> Direction:
        return Direction.UP if self in (RecordedState.APPLIED, RecordedState.DIRTY_UP) else Direction.DOWN


class Origin(StrEnum):
    """Origin of the record that a version is applied or reverted."""

    RUN = "run"
    """The engine ran its file."""
    BASELINE = "baseline"
    FORCE = "force"
    """A person recorded it."""
    GOLANG_MIGRATE = "golang-migrate"
    """golang-migrate's table recorded it."""
    REPLACEMENT = "replacement"
    """All versions that it replaces were applied."""


class HistoryRow(NamedTuple):
    """Last change of one version, from both tables of the history; a named tuple, since each check reads thousands.

    Attributes:
        direction: up if the version is applied; down if it was reverted, or another one replaces it.
        sha256: hex digest of the up file as it was applied.
        duration_ms: milliseconds that the run took which recorded it.
        statements_done, error, done_sha256: None unless the version is dirty: the number of statements of its file
            that are done, where and why it stopped, and the digest of those statements.
        replaces: versions for which it stands.
    """

    version: int
    description: str
    sha256: str
    applied_at: datetime
    applied_by: str
    host: str
    engine_version: str
    duration_ms: int
    retries: int
    statements_done: int | None
    error: str | None
    done_sha256: str | None
    direction: Direction
    origin: Origin
    replaces: frozenset[int] = frozenset()

    @property
    def applied(self) -> bool:
        """True if the version is applied; a half applied one is not, a half reverted one is."""
        return (self.direction is Direction.UP) == (self.error is None)


History = tuple[HistoryRow, ...]
"""Rows in ascending order of version; empty if nothing was migrated yet."""


@dataclass(frozen=True, slots=True)
class Step:
    """File to run.

    Attributes:
        resume_at: number of its statements that an earlier run did before it stopped; None to begin at the start.
            Always None for a file that runs in one transaction.
        recorded: True to record the version without running its file, since all that it replaces is applied.
        changed_at: when its version was applied or reverted last; None if it never was.
    """

    migration: Migration
    direction: Direction
    resume_at: int | None = None
    changed_at: datetime | None = None
    recorded: bool = False

    @property
    def script(self) -> Script:
        """Script to run; an empty one if the version is only recorded."""
        if self.recorded:
            return Script(self.migration.up.name, "")
        script = self.migration.up if self.direction is Direction.UP else self.migration.down
        assert script is not None  # noqa: S101 - no plan reverts a version without a down migration
        return script

    @property
    def label(self) -> str:
        return self.script.name

    @property
    def transactional(self) -> bool:
        """True if the file runs in one transaction, as it does unless it cannot or has begun without one."""
        return self.resume_at is None and self.script.transactional


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps from version `current` to `target`, in the order in which they would run.

    Attributes:
        current, target: versions, or `EMPTY`; `shown_version` is the number for people.
        adopts: True if what golang-migrate applied is to be recorded first.
        database: identity of the database, and the schema in it.
    """

    current: int
    target: int
    steps: tuple[Step, ...]
    adopts: bool = False
    database: str = ""

    @property
    def sha256(self) -> str:
        """`sha256:<hex>` of everything that decides what would run; a person approves it under policy Manual.

        It covers when the versions were applied or reverted last, so that the same steps have another hash once they
        have run, whoever ran them. A run that stopped half-way continues under the same approval, as long as its files
        do not change.
        """
        content = [
            self.database,
            self.current,
            self.target,
            self.adopts,
            [
                (s.migration.version, s.direction, s.script.sha256, s.changed_at and s.changed_at.isoformat())
                for s in self.steps
            ],
        ]
        return "sha256:" + hashlib.sha256(json.dumps(content).encode()).hexdigest()

    @property
    def span(self) -> str:
        """First and last version, for people: `version 1 to 3`."""
        return f"version {shown_version(self.current)} to {shown_version(self.target)}"

    @property
    def reverts(self) -> bool:
        return any(step.direction is Direction.DOWN for step in self.steps)

    @property
    def empty(self) -> bool:
        """True if nothing would be written."""
        return not self.steps and not self.adopts


def shown_version(version: int) -> int:
    """Return the number of a version for people: 0 for an empty database."""
    return max(version, 0)


def current_version(history: History) -> int:
    """Return the highest applied version; `EMPTY` if there is none."""
    return max(applied_versions(history), default=EMPTY)


def applied_versions(history: History) -> set[int]:
    return {row.version for row in history if row.applied}


def newest_version(migrations: Migrations) -> int:
    """Return the highest version of the files; `EMPTY` without files."""
    return migrations[-1].version if migrations else EMPTY
