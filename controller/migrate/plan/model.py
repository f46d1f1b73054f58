"""A plan and what it is made of: rows of the history, steps, versions. Pure."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from controller.migrate.files.migration import Migration, Migrations, Script


class Direction(StrEnum):
    UP = "up"
    DOWN = "down"


class Origin(StrEnum):
    """Why a version counts as applied, or as reverted."""

    RUN = "run"
    """Its file was run here."""
    BASELINE = "baseline"
    FORCE = "force"
    """A person said so."""
    GOLANG_MIGRATE = "golang-migrate"
    """Its table said so."""


class HistoryRow(NamedTuple):
    """One row of schema_version: the last thing that was done to one version. Thousands are read at every look.

    Attributes:
        direction: up: the version is applied; down: it was, and has been reverted.
        sha256: of the up file as it was applied, hex.
        duration_ms: of the run that wrote the row, milliseconds.
        statements_done, error, done_sha256: set while the version is dirty, None else: how many statements of its
            file are done, where and why it stopped, and the digest of those statements.
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

    @property
    def applied(self) -> bool:
        """Half applied is not applied; half reverted still is."""
        return (self.direction is Direction.UP) == (self.error is None)


History = tuple[HistoryRow, ...]
"""In ascending order of version; empty where nothing was migrated yet."""


@dataclass(frozen=True, slots=True)
class Step:
    """One file to run.

    Attributes:
        resume_at: statements of it that an earlier run did before it stopped; None where it begins anew. Never set
            for a file that is one transaction.
    """

    migration: Migration
    direction: Direction
    resume_at: int | None = None

    @property
    def script(self) -> Script:
        return self.migration.up if self.direction is Direction.UP else self.migration.down

    @property
    def label(self) -> str:
        return self.script.name


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps from `current` to `target`, in the order in which they would run; 0 is the empty database.

    Attributes:
        adopts: what golang-migrate applied is recorded first.
    """

    current: int
    target: int
    steps: tuple[Step, ...]
    adopts: bool = False

    @property
    def sha256(self) -> str:
        """`sha256:<hex>` of everything that decides what would run; what a person approves under policy Manual.

        A run that stopped half-way goes on under the same approval, as long as its files stay as they are.
        """
        content = [
            self.current,
            self.target,
            self.adopts,
            [(s.migration.version, s.direction, s.script.sha256) for s in self.steps],
        ]
        return "sha256:" + hashlib.sha256(json.dumps(content).encode()).hexdigest()

    @property
    def reverts(self) -> bool:
        return any(step.direction is Direction.DOWN for step in self.steps)

    @property
    def empty(self) -> bool:
        """Nothing would be written."""
        return not self.steps and not self.adopts


def current_version(history: History) -> int:
    """The highest applied version; 0 for an empty database."""
    return max(applied_versions(history), default=0)


def applied_versions(history: History) -> set[int]:
    return {row.version for row in history if row.applied}


def newest_version(migrations: Migrations) -> int:
    """The highest version that the files know; 0 without any."""
    return migrations[-1].version if migrations else 0
