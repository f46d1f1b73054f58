"""Report of one database, as the endpoints show it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeAlias

from controller.health.verdict import Health, Sample, Verdict

Key: TypeAlias = tuple[str, str]
"""Namespace and name of the resource; for the sidecar, an empty namespace and the name of its database."""

STARTING = "Starting"
"""Reason in the report of a database that was not observed yet."""
STALE = "Stale"
"""Reason in a report whose next check is overdue."""


@dataclass(frozen=True, slots=True)
class Report:
    """Latest knowledge of one database.

    Attributes:
        sample: None where not even its address is known.
        ready: connected, migrated, seeded and not unhealthy; `reason` and `message` say why not.
        due_by: when the next check should be over, UTC; a report that is older is stale.
        schema_version: applied version; None where it was not seen.
        pending: migrations that wait; None where it was not seen.
        dirty: a file without a transaction stopped half-way; None where it was not seen.
        templates: system templates by state; empty where they were not seen.
        succeeded, failed: reconciles since this process began, by whether they ended in ready.
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
        """Return the report to show at `now`; a stale one says so, and is never ready."""
        if now <= self.due_by:
            return self
        ended = "none has ended yet" if self.sample is None else f"the last one ended at {self.sample.taken_at:%FT%TZ}"
        message = f"A check is overdue; {ended}."
        if self.verdict.health is Health.UNHEALTHY:  # bad news does not get better by getting old
            return replace(self, message=f"{self.message} {message}")
        return replace(
            self, verdict=Verdict(Health.DEGRADED, STALE, message), ready=False, reason=STALE, message=message
        )


def starting() -> Report:
    """Return the report of a database that was not checked yet: unhealthy until a check says otherwise."""
    text = "The database was not checked yet."
    verdict = Verdict(Health.UNHEALTHY, STARTING, text)
    return Report(verdict, None, ready=False, reason=STARTING, message=text, due_by=datetime.max.replace(tzinfo=UTC))
