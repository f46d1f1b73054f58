"""Observations to decide about; each test says only what matters to it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from controller.database.server_facts import ServerFacts
from controller.database.target import SslMode, Target
from controller.desired import Desired, DesiredSchema, SchemaPolicy
from controller.errors import DashdbError
from controller.health.verdict import Health, Verdict
from controller.migrate.files.folder import parse
from controller.migrate.plan.make_plan import make_plan
from controller.migrate.plan.model import Direction, HistoryRow, Origin, Plan
from controller.reconcile.memory import FailedAction, Memory
from controller.reconcile.observed import Observed, ObservedSchema
from controller.templates.merge import TemplateAction, TemplateDecision, TemplateState

NOW = datetime(2026, 1, 31, 3, 0, tzinfo=UTC)
FILES = parse(
    {
        "V001_first.up.sql": b"CREATE TABLE a (id int);",
        "V001_first.down.sql": b"DROP TABLE a;",
        "V002_second.up.sql": b"CREATE TABLE b (id int);",
        "V002_second.down.sql": b"DROP TABLE b;",
    }
)
HEALTHY = Verdict(Health.HEALTHY, "Healthy")
FACTS = ServerFacts("18.1", "7000/5", read_only=False, connections=1, connection_limit=97, of_server=True, room=96)


TARGET = Target("db", 5432, "perses", "ann", "horse", SslMode.VERIFY_FULL)
MANUAL = SchemaPolicy.MANUAL
REPORT = SchemaPolicy.REPORT


def desired(*, policy: SchemaPolicy = SchemaPolicy.AUTOMATIC, approved: str | None = None, **fields: Any) -> Desired:
    """A desired state with defaults."""
    return Desired(target=TARGET, schema=DesiredSchema(policy=policy, approved_plan=approved), **fields)


def failed(key: str, error: DashdbError, *, tries: int = 1, seconds: float = 1.0) -> FailedAction:
    """An action that failed, to be tried again SECONDS after NOW."""
    return FailedAction(key, error, tries, NOW + timedelta(seconds=seconds))


def due(**fields: Any) -> Memory:
    """A memory in which a round of maintenance is due."""
    return Memory(maintenance_due=NOW, **fields)


def plan_of(seen: Observed) -> Plan:
    """The plan that was observed."""
    assert isinstance(seen.schema, ObservedSchema)
    assert isinstance(seen.schema.plan, Plan)
    return seen.schema.plan


def history(*versions: int) -> tuple[HistoryRow, ...]:
    """The versions were applied from FILES."""
    digests = {m.version: m.up.sha256 for m in FILES}
    return tuple(
        HistoryRow(
            version=version,
            description="test",
            direction=Direction.UP,
            sha256=digests.get(version, "0" * 64),
            applied_at=NOW,
            applied_by="perses",
            host="pod",
            engine_version="0.1.0",
            origin=Origin.RUN,
            duration_ms=1,
            retries=0,
            statements_done=None,
            error=None,
            done_sha256=None,
        )
        for version in versions
    )


def template(
    state: TemplateState = TemplateState.CURRENT, action: TemplateAction = TemplateAction.NONE
) -> TemplateDecision:
    return TemplateDecision(
        template_id="template-notebook",
        state=state,
        action=action,
        row_version="1.0.0",
        shipped_version="1.1.0",
        message="why",
    )


def observed(*applied: int, target: int | None = None, **fields: Any) -> Observed:
    """A database that answers, with the versions APPLIED."""
    rows = history(*applied)
    schema = {
        "plan": make_plan(FILES, rows, target),
        **{name: fields.pop(name) for name in ("plan", "losses", "ahead") if name in fields},
    }
    known: dict[str, Any] = {
        "now": NOW,
        "verdict": HEALTHY,
        "database": 'database "perses" at db:5432',
        "facts": FACTS,
        "schema": ObservedSchema(rows, **schema),
        "templates": (template(),) if applied else None,
    }
    return Observed(**{**known, **fields})
