"""The latest results, in memory: a thousand scrapes cost the databases nothing."""

from dataclasses import dataclass, replace
from typing import TypeAlias

from controller.health.verdict import Sample, Verdict

Key: TypeAlias = tuple[str, str]
"""Namespace and name of the resource."""


@dataclass(frozen=True, slots=True)
class Report:
    """The latest that is known of one database.

    Attributes:
        sample: None where not even its address is known.
        ready: connected, migrated, seeded and not unhealthy; `reason` and `message` say why not.
        schema_version: applied version; None where it was not seen.
        pending: migrations that wait; None where it was not seen.
        succeeded, failed: looks since this process began, by whether they ended in ready.
    """

    verdict: Verdict
    sample: Sample | None
    ready: bool
    reason: str
    message: str
    schema_version: int | None = None
    pending: int | None = None
    succeeded: int = 0
    failed: int = 0


class Board:
    """Reports by database."""

    def __init__(self) -> None:
        self._reports: dict[Key, Report] = {}

    def put(self, key: Key, report: Report) -> None:
        """Replaces the report of one database and counts the look."""
        before = self._reports.get(key)
        self._reports[key] = replace(
            report,
            succeeded=(before.succeeded if before else 0) + report.ready,
            failed=(before.failed if before else 0) + (not report.ready),
        )

    def remove(self, key: Key) -> None:
        """The database is nobody's business any more; no series of it remains."""
        self._reports.pop(key, None)

    def get(self, key: Key) -> Report | None:
        return self._reports.get(key)

    @property
    def reports(self) -> dict[Key, Report]:
        """All, in the order of their names."""
        return dict(sorted(self._reports.items()))
