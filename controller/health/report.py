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
MOST_CHANGES = 20
"""Most changes that a report keeps; one takes about 100 bytes."""
STALE = "Stale"
"""Reason in a report whose next check is overdue."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer to one of the questions that a reconcile asks about a database, as a condition of its resource.

    Attributes:
        holds: None where it is not known.
    """

    condition: str
    holds: bool | None
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Change:
    """Moment at which a database became ready, or not ready, or not ready for another reason."""

    at: datetime
    ready: bool
    reason: str


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
        answers: to each question; empty before the first reconcile.
        since: when it became ready, or not ready, as it is now, UTC; None where that was not seen.
        changes: the latest ones that this process saw, oldest first.
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
    answers: tuple[Answer, ...] = ()
    since: datetime | None = None
    changes: tuple[Change, ...] = ()
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
        verdict, since = Verdict(Health.DEGRADED, STALE, message), self.due_by if self.ready else self.since
        return replace(self, verdict=verdict, ready=False, reason=STALE, message=message, since=since)

    def after(self, before: "Report | None", now: datetime) -> "Report":
        """Return the report with what only a sequence of reports knows: counts, changes and since when."""
        known = before if before is not None and before.reason != STARTING else None
        same = known is not None and known.ready == self.ready
        changes = known.changes if known else ()
        if known is None or (known.ready, known.reason) != (self.ready, self.reason):
            changes = (*changes, Change(now, self.ready, self.reason))[-MOST_CHANGES:]
        return replace(
            self,
            since=known.since if known and same and known.since else self.since or now,
            changes=changes,
            succeeded=(known.succeeded if known else 0) + self.ready,
            failed=(known.failed if known else 0) + (not self.ready),
        )


def starting() -> Report:
    """Return the report of a database that was not checked yet: unhealthy until a check says otherwise."""
    text = "The database was not checked yet."
    verdict = Verdict(Health.UNHEALTHY, STARTING, text)
    return Report(verdict, None, ready=False, reason=STARTING, message=text, due_by=datetime.max.replace(tzinfo=UTC))
