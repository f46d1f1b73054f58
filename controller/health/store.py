"""The latest results, in memory: a thousand scrapes cost the databases nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from controller.health.verdict import Health, Sample, Verdict

Key: TypeAlias = tuple[str, str]
"""Namespace and name of the resource; the sidecar has no namespace, and its database's name."""


@dataclass(frozen=True, slots=True)
class Report:
    """The latest that is known of one database.

    Attributes:
        sample: None where not even its address is known.
        ready: connected, migrated, seeded and not unhealthy; `reason` and `message` say why not.
        due_by: when the next look should be over, UTC; a report that is older is stale.
        schema_version: applied version; None where it was not seen.
        pending: migrations that wait; None where it was not seen.
        dirty: a file without a transaction stopped half-way; None where it was not seen.
        templates: system templates by state; empty where they were not seen.
        succeeded, failed: looks since this process began, by whether they ended in ready.
    """

    verdict: Verdict
    sample: Sample | None
    ready: bool
    reason: str
    message: str
    due_by: datetime
    schema_version: int | None = None
    pending: int | None = None
    dirty: bool | None = None
    templates: Mapping[str, int] = field(default_factory=dict)
    succeeded: int = 0
    failed: int = 0

    def as_of(self, now: datetime) -> "Report":
        """The report as it may be shown at `now`: what is stale says so, and vouches for nothing."""
        if now <= self.due_by:
            return self
        ended = "none has ended yet" if self.sample is None else f"the last one ended at {self.sample.taken_at:%FT%TZ}"
        message = f"A check is overdue; {ended}."
        if self.verdict.health is Health.UNHEALTHY:  # bad news does not get better by getting old
            return replace(self, message=f"{self.message} {message}")
        return replace(
            self, verdict=Verdict(Health.DEGRADED, "Stale", message), ready=False, reason="Stale", message=message
        )


class ReportStore:
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

    def announce(self, key: Key, report: Report) -> None:
        """What is to be shown of a database that was not looked at yet; counts nothing."""
        self._reports[key] = report

    def remove(self, key: Key) -> None:
        """The database is nobody's business any more; no series of it remains."""
        self._reports.pop(key, None)

    def get(self, key: Key, now: datetime) -> Report | None:
        """The report of one database as it stands at `now`."""
        report = self._reports.get(key)
        return report and report.as_of(now)

    def reports(self, now: datetime) -> dict[Key, Report]:
        """All, in the order of their names, as they stand at `now`; from any thread."""
        return {key: report.as_of(now) for key, report in sorted(self._reports.copy().items())}
