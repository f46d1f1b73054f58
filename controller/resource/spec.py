"""Spec of the custom resource, field by field; the CRD is generated from this module (`make crd`).

Field names are Kubernetes' camelCase on the wire and snake_case here. Every bound and every rule is enforced by
the API server already; the same model refuses what reaches the operator some other way.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from controller.database.pool.values import PoolSettings
from controller.database.target import Pooler, SslMode, Target
from controller.desired import Desired, DesiredSchema, Maintenance, SchemaPolicy, Thresholds
from controller.errors import ConfigurationError


def cel(rule: str, message: str) -> dict[str, Any]:
    """Return a rule that the API server checks at `kubectl apply`; the message says what to write instead."""
    return {"rule": rule, "message": message}


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


class SeedPolicy(StrEnum):
    ENABLED = "Enabled"
    DISABLED = "Disabled"


_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
# RFC 1123 subdomain, what the API server asks of the name of a Secret.
_SecretName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=rf"^{_LABEL}(\.{_LABEL})*$")
]  # fmt: skip


class SecretReference(_Model):
    """A Secret beside the resource, in the resource's own namespace."""

    name: _SecretName = Field(description="Name of a Secret in the namespace of this resource.")


class CaSecretReference(SecretReference):
    """The Secret that holds the certificate authority."""

    key: str = Field(
        "ca.crt",
        min_length=1,
        max_length=253,
        pattern=r"^[-._a-zA-Z0-9]+$",
        description="Key in that Secret that holds the PEM text.",
    )


class ConnectionSpec(_Model):
    """Address of the database, and the Secrets to log in with."""

    secret_ref: SecretReference = Field(
        description="Secret with host, port, dbname or database, user or username, and password; optionally sslmode, "
        "ca.crt, tls.crt, tls.key. Secrets that CloudNativePG, Crunchy and servicebinding.io write fit as they are."
    )
    ca_secret_ref: CaSecretReference | None = Field(
        None,
        description="Secret with the authority that signed the server's certificate, where it is not in secretRef.",
    )
    client_certificate_secret_ref: SecretReference | None = Field(
        None, description="Secret of type kubernetes.io/tls with the certificate that logs in."
    )
    ssl_mode: SslMode | None = Field(
        None,
        description="require, verify-ca or verify-full, as in libpq; may only tighten the Secret's sslmode. Default: "
        "that, else verify-full.",
    )
    pooler: Pooler = Field(
        Pooler.NONE,
        description="PgBouncer if there is one in transaction mode in front of PostgreSQL; else None.",
    )

    @property
    def secret_names(self) -> set[str]:
        """Every Secret that this connection needs."""
        references = (self.secret_ref, self.ca_secret_ref, self.client_certificate_secret_ref)
        return {reference.name for reference in references if reference is not None}


class PoolSpec(_Model):
    """Connections that the operator may hold to this database; the meanings are those of Go's database/sql."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                cel(
                    "self.maxIdleConnections <= self.maxOpenConnections",
                    "maxIdleConnections must not be above maxOpenConnections: lower the first or raise the second",
                )
            ]
        }
    )

    max_open_connections: int = Field(50, ge=1, le=1000, description="Connections at most, idle ones included.")
    max_idle_connections: int = Field(10, ge=0, le=1000, description="Idle connections kept for later.")
    max_lifetime_seconds: int = Field(300, ge=1, le=86400, description="Age at which a connection is replaced.")
    max_idle_time_seconds: int = Field(60, ge=1, le=86400, description="Idle time after which a connection is closed.")
    connect_timeout_seconds: int = Field(10, ge=1, le=300, description="Time for connecting and logging in.")
    query_timeout_seconds: int = Field(30, ge=1, le=3600, description="Time for one query; migrations are exempt.")


class SchemaSpec(_Model):
    """Version that the schema is to have, and who decides when."""

    policy: Literal[SchemaPolicy.AUTOMATIC, SchemaPolicy.MANUAL] = Field(
        SchemaPolicy.AUTOMATIC,
        description="Automatic: pending migrations run at once, never downwards. Manual: only the plan whose hash is "
        "in approvedPlan runs.",
    )
    target_version: int | None = Field(
        None, ge=1, le=2**53 - 1, description="Version wanted. Default: the newest that the operator ships."
    )
    approved_plan: str | None = Field(
        None,
        max_length=71,
        description="Policy Manual: the hash shown in status.schema.plan.hash. A changed plan needs a new approval.",
        json_schema_extra={
            "x-kubernetes-validations": [
                cel(
                    "self.matches('^sha256:[0-9a-f]{64}$')",
                    "approvedPlan must be the hash from status.schema.plan.hash: sha256: and 64 hexadecimal digits",
                )
            ]
        },
    )
    lock_timeout_milliseconds: int = Field(
        1000,
        ge=10,
        le=60000,
        description="Time that one statement of a migration may wait for a table's lock, and block the queries "
        "behind it, before it is given up and tried again.",
    )


class TemplatesSpec(_Model):
    """The system templates."""

    seed: SeedPolicy = Field(SeedPolicy.ENABLED, description="Enabled: keep the four system templates up to date.")


class HealthSpec(_Model):
    """Interval of the checks, and what counts as degraded."""

    interval_seconds: int = Field(
        30,
        ge=1,
        le=3600,
        description="Time between two checks of the database. The operator may have a longer shortest one.",
    )
    degraded_utilization_percent: int = Field(
        80,
        ge=1,
        le=100,
        description="Connections in use, of those allowed, above which the database is degraded.",
    )
    slow_response_milliseconds: int = Field(
        100, ge=1, le=60000, description="Response time above which the database is degraded."
    )


class MaintenanceSpec(_Model):
    """Expired share tokens, usage counts of templates, old audit rows."""

    interval_seconds: int = Field(
        3600,
        ge=60,
        le=604800,
        description="Time between two rounds, and between two comparisons of the schema with its last migration.",
    )
    audit_retention_days: int | None = Field(
        None,
        ge=1,
        le=36500,
        description="Audit rows older than this are removed. Default: every row is kept.",
    )


class DashboardDatabaseSpec(_Model):
    """Desired state of one database."""

    suspend: bool = Field(False, description="True: observe and report, change nothing in the database.")
    connection: ConnectionSpec
    pool: PoolSpec = Field(default_factory=PoolSpec)
    schema_: SchemaSpec = Field(default_factory=SchemaSpec, alias="schema")
    templates: TemplatesSpec = Field(default_factory=TemplatesSpec)
    health: HealthSpec = Field(default_factory=HealthSpec)
    maintenance: MaintenanceSpec = Field(default_factory=MaintenanceSpec)


def unknown_fields(spec: Any, model: type[BaseModel] = DashboardDatabaseSpec, path: str = "spec") -> tuple[str, ...]:
    """Return the paths of the fields in SPEC, as it came from the API server, that MODEL does not have."""
    if not isinstance(spec, dict):
        return ()
    found: list[str] = []
    fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    for name, value in spec.items():
        if name not in fields:
            found.append(f"{path}.{name}")
        elif (inner := _model_in(fields[name])) is not None:
            found += unknown_fields(value, inner, f"{path}.{name}")
    return tuple(found)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model that a field holds, which may be optional."""
    kinds = (annotation, *get_args(annotation))
    return next((each for each in kinds if isinstance(each, type) and issubclass(each, BaseModel)), None)


def to_desired(
    spec: DashboardDatabaseSpec,
    target: Target | ConfigurationError,
    *,
    used_approval: str | None = None,
    shortest_interval: float = 1.0,
) -> Desired:
    """Return the desired state that `spec` asks for.

    Args:
        target: the database that the Secrets of the resource name, or what is wrong with them.
        used_approval: hash of the approved plan that has run already, as the status says.
        shortest_interval: seconds between two checks at least, whatever the resource asks for.
    """
    pool, schema, health, maintenance = spec.pool, spec.schema_, spec.health, spec.maintenance
    interval = max(health.interval_seconds, shortest_interval)
    return Desired(
        target=target,
        pool=PoolSettings(
            max_open=pool.max_open_connections,
            max_idle=pool.max_idle_connections,
            max_lifetime=pool.max_lifetime_seconds,
            max_idle_time=pool.max_idle_time_seconds,
        ),
        schema=DesiredSchema(
            policy=schema.policy,
            target_version=schema.target_version,
            approved_plan=schema.approved_plan,
            used_approval=used_approval,
            lock_timeout_ms=schema.lock_timeout_milliseconds,
        ),
        seed_templates=spec.templates.seed is SeedPolicy.ENABLED,
        suspend=spec.suspend,
        thresholds=Thresholds(health.degraded_utilization_percent, health.slow_response_milliseconds),
        maintenance=Maintenance(
            interval_seconds=maintenance.interval_seconds, audit_retention_days=maintenance.audit_retention_days
        ),
        interval_seconds=interval,
        longest_retry_seconds=interval,
    )
