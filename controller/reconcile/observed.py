"""Observation of one database: everything that a decision may see, the time included. Pure."""

from dataclasses import dataclass
from datetime import datetime

from controller.database.located_schema import LocatedSchema
from controller.database.server_facts import ServerFacts
from controller.errors import DashdbError
from controller.health.verdict import Sample, Verdict
from controller.migrate.catalog.inventory import Inventory
from controller.migrate.plan.model import History, Plan, current_version, shown_version
from controller.templates.merge import TemplateDecision


@dataclass(frozen=True, slots=True)
class SchemaSummary:
    """Schema in three values.

    Attributes:
        version: applied version; 0 is the empty database.
        pending: migrations that wait; None where no plan could be made.
        dirty: a file without a transaction stopped half-way.
    """

    version: int
    pending: int | None
    dirty: bool


@dataclass(frozen=True, slots=True)
class ObservedSchema:
    """History that was read, and what follows from it.

    Attributes:
        plan: the steps to the wanted version, or why there is no plan.
        losses: data that the plan would take with it, in words that do not change with every row.
        ahead: the database is at a version that the files do not know.
    """

    history: History
    plan: Plan | DashdbError
    losses: tuple[str, ...] = ()
    ahead: bool = False

    @property
    def version(self) -> int:
        """Highest applied version, or `EMPTY`."""
        return self.plan.current if isinstance(self.plan, Plan) else current_version(self.history)

    @property
    def summary(self) -> SchemaSummary:
        return SchemaSummary(
            version=shown_version(self.version),
            pending=len(self.plan.steps) if isinstance(self.plan, Plan) else None,
            dirty=any(row.error is not None for row in self.history),
        )


@dataclass(frozen=True, slots=True)
class Observed:
    """Observation of a database at one moment. Each thing that is observed has an error of its own, in its own place.

    Attributes:
        now: when it was taken, UTC.
        verdict: judged on `sample`.
        sample: None where not even an address is known.
        connection_error: why there is no connection; then nothing else of the database is known.
        database: the database in words; None where not even its address is known.
        facts: None where the server did not answer.
        located: the schema that was checked; None where it was not, or may be another one by now.
        catalog_changes: digest of the changes of the catalogs until before they were read; None where it is not known.
        rows: digest of the rows that `schema` and `templates` were read from; None where it was not read.
        schema: None where it was not read.
        templates: None where there is no table for them, or they were not read.
        claimed_by: older resource that asks for the same database, in words; None where there is none.
        inventory: of the schema; None where it was not read.
        drift: changes made by hand since the last migration, in words; None where they were not compared this time.
        damage: those of them by which something is missing or disabled.
    """

    now: datetime
    verdict: Verdict
    sample: Sample | None = None
    connection_error: DashdbError | None = None
    database: str | None = None
    facts: ServerFacts | None = None
    located: LocatedSchema | None = None
    catalog_changes: str | None = None
    rows: str | None = None
    schema: ObservedSchema | DashdbError | None = None
    templates: tuple[TemplateDecision, ...] | DashdbError | None = None
    claimed_by: str | None = None
    inventory: Inventory | None = None
    drift: tuple[str, ...] | None = None
    damage: tuple[str, ...] = ()
