"""Everything that a decision may see, the time included. Pure."""

from dataclasses import dataclass
from datetime import datetime

from controller.database.server_facts import ServerFacts
from controller.errors import DashdbError
from controller.health.verdict import Sample, Verdict
from controller.migrate.plan.model import History, Plan
from controller.templates.merge import TemplateDecision


@dataclass(frozen=True, slots=True)
class FailedMigration:
    """A plan that PostgreSQL refused; it is not tried again before `retry_at`, unless it changes.

    Attributes:
        tries: how often in a row, this plan.
    """

    plan_sha256: str
    error: DashdbError
    tries: int
    retry_at: datetime


@dataclass(frozen=True, slots=True)
class Work:
    """What a running migration does, in words.

    Attributes:
        since: when this try of its file began; seconds of the monotonic clock.
        waits: for a lock that another session holds.
    """

    message: str
    since: float
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """One look at a database.

    Attributes:
        now: when it was taken, UTC.
        sample: what the verdict was judged on; None where not even an address is known.
        connection_error: why there is no connection; then nothing else of the database is known.
        place: the database in words; None where not even its address is known.
        history: None where it could not be read.
        plan: the way to the wanted version, or why there is none.
        losses: what data that way would take with it, in words that do not change with every row.
        schema_ahead: the database is at a version that the files do not know.
        drift: what was changed by hand since the last migration, in words.
        failed_migration: what happened to that way before.
        templates: None where the table is not there, or was not looked at.
        maintenance_due: it is time for a round of maintenance.
    """

    now: datetime
    verdict: Verdict
    sample: Sample | None = None
    connection_error: DashdbError | None = None
    description: str | None = None
    facts: ServerFacts | None = None
    history: History | None = None
    plan: Plan | DashdbError | None = None
    losses: tuple[str, ...] = ()
    schema_ahead: bool = False
    drift: tuple[str, ...] = ()
    failed_migration: FailedMigration | None = None
    templates: tuple[TemplateDecision, ...] | None = None
    maintenance_due: bool = False
