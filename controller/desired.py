"""State that one database is to be brought to, whether a resource asked for it or the options of a sidecar. Pure.

The reconciler works on `Desired` alone. `resource.spec` makes one out of a custom resource, `config.environment` out of
environment variables and options.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from controller.database.pool.values import PoolSettings
from controller.database.target import Target
from controller.errors import ConfigurationError


class SchemaPolicy(StrEnum):
    """Policy that decides when the schema changes."""

    AUTOMATIC = "Automatic"
    """Pending migrations run at once, never downwards."""
    MANUAL = "Manual"
    """Only the plan whose hash was approved runs, in either direction."""
    REPORT = "Report"
    """The schema is reported and never changed; pending migrations do not keep the database from being ready."""


@dataclass(frozen=True, slots=True)
class DesiredSchema:
    """Version that the schema is to have, and the way to reach it.

    Attributes:
        target_version: None for the newest of the migration files.
        approved_plan: hash of the plan that a person approved, for the policy Manual.
        used_approval: hash of an approved plan that has run already; None as long as `approved_plan` has not.
        name: schema to work in; None for the first of the user's search_path.
        lock_timeout_ms: milliseconds that one statement may wait for a table's lock before it is tried again.
        runner_wait: seconds to wait for another runner to finish.
    """

    policy: SchemaPolicy = SchemaPolicy.AUTOMATIC
    target_version: int | None = None
    approved_plan: str | None = None
    used_approval: str | None = None
    name: str | None = None
    lock_timeout_ms: int = 1000
    runner_wait: float = 15.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Limits above which a database that answers counts as degraded.

    Attributes:
        utilization_percent: connections in use, of those allowed.
        response_ms: milliseconds until a server answers on an open connection.
    """

    utilization_percent: float = 80.0
    response_ms: float = 100.0


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Work that is done once an interval, beginning at a random moment of the first one.

    Attributes:
        enabled: False if nothing may be changed; drift is compared nevertheless.
        interval_seconds: seconds between two rounds of maintenance, and between two comparisons for drift.
        audit_retention_days: age at which audit rows are removed; None keeps every row.
    """

    enabled: bool = True
    interval_seconds: float = 3600.0
    audit_retention_days: int | None = None


@dataclass(frozen=True, slots=True)
class Desired:
    """Desired state of one database.

    Attributes:
        target: the database; or the error if the input names no valid one.
        seed_templates: keep the system templates up to date.
        suspend: observe and report, change nothing.
        interval_seconds: seconds between two observations of a database that is ready.
        longest_retry_seconds: limit of the seconds between two observations of one that is not.
    """

    target: Target | ConfigurationError
    pool: PoolSettings = field(default_factory=PoolSettings)
    schema: DesiredSchema = field(default_factory=DesiredSchema)
    seed_templates: bool = True
    suspend: bool = False
    thresholds: Thresholds = field(default_factory=Thresholds)
    maintenance: Maintenance = field(default_factory=Maintenance)
    interval_seconds: float = 30.0
    longest_retry_seconds: float = 30.0
