"""Status of the custom resource, as the operator reports it."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


class ConditionType(StrEnum):
    READY = "Ready"
    CONNECTED = "Connected"
    SCHEMA_CURRENT = "SchemaCurrent"
    TEMPLATES_SEEDED = "TemplatesSeeded"
    HEALTHY = "Healthy"
    RECONCILING = "Reconciling"
    """kstatus: True while there is work under way that has not led to Ready yet."""
    STALLED = "Stalled"
    """kstatus: True where no try will help until a person acts."""


class ConditionStatus(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(_Model):
    """One aspect of the resource; the shape is that of Kubernetes' metav1.Condition."""

    type: ConditionType = Field(
        max_length=316, description="Ready sums up; Reconciling and Stalled are those of kstatus."
    )
    status: ConditionStatus = Field(description="Unknown where there was no way to find out.")
    reason: str = Field(
        min_length=1,
        max_length=1024,
        pattern="^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        description="Stable word; docs/troubleshooting.md has an entry for each.",
    )
    message: str = Field(max_length=32768, description="For people: what is wrong, and what to do.")
    observed_generation: int = Field(ge=0, description="Generation of the spec that it is about.")
    last_transition_time: str = Field(
        description="When status last changed.", json_schema_extra={"format": "date-time"}
    )


class PlanStatus(_Model):
    """Migrations that would run next."""

    hash: str = Field(max_length=71, description="Approve it with spec.schema.approvedPlan under policy Manual.")
    migrations: list[Annotated[str, Field(max_length=512)]] = Field(
        max_length=1000, description="File names in the order in which they would run."
    )
    losses: list[Annotated[str, Field(max_length=512)]] | None = Field(
        None, max_length=100, description="Tables and columns whose data it would take with it."
    )


class SchemaStatus(_Model):
    """Present and wanted version of the schema."""

    current: int | None = Field(None, description="Applied version; 0 is the empty database.")
    target: int | None = Field(None, description="Version wanted.")
    pending: int | None = Field(None, description="Migrations between the two.")
    dirty: bool | None = Field(None, description="A migration without a transaction stopped half-way.")
    plan: PlanStatus | None = Field(None, description="What would run; absent where nothing is pending.")
    used_approval: str | None = Field(
        None,
        max_length=71,
        description="The approvedPlan of the spec, once it has run: an approval counts once.",
    )


class TemplateStatus(_Model):
    """One system template."""

    name: str = Field(max_length=256, description="Its id.")
    state: str = Field(max_length=32, description="Current, Missing, Outdated, Customized, Unreadable or Conflict.")
    version: str | None = Field(None, max_length=32, description="Version in the database.")
    lags_behind: str | None = Field(
        None,
        max_length=32,
        description="Shipped version, where a user's edit of an older one is kept.",
    )


class ServerStatus(_Model):
    """The server behind the connection."""

    version: str = Field(max_length=64, description="Version of PostgreSQL.")
    identity: str = Field(
        max_length=64,
        description="System identifier and database: another one means another database was put in place.",
    )


class DashboardDatabaseStatus(_Model):
    """Everything that the operator knows about one resource."""

    observed_generation: int | None = Field(None, ge=0, description="Generation of the spec that it is about.")
    conditions: list[Condition] = Field(
        default_factory=list,
        description="Answers to what a person would ask; Ready first.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    schema_: SchemaStatus | None = Field(None, alias="schema")
    templates: list[TemplateStatus] | None = Field(
        None,
        max_length=64,
        description="System templates; absent where there is no table for them.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    server: ServerStatus | None = None

    @property
    def used_approval(self) -> str | None:
        return self.schema_.used_approval if self.schema_ else None

    def condition(self, wanted: ConditionType) -> Condition | None:
        return next((c for c in self.conditions if c.type is wanted), None)

    def to_wire(self) -> dict[str, Any]:
        """Return the status as JSON for the API server; what is not known is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
