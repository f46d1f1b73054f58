"""Observations to decide about; each test says only what matters to it."""

from datetime import UTC, datetime
from typing import Any

from controller.database.server_facts import ServerFacts
from controller.health.verdict import Health, Verdict
from controller.migrate.files.folder import parse
from controller.migrate.plan.make_plan import make_plan
from controller.migrate.plan.model import Direction, HistoryRow, Origin
from controller.reconcile.observed import Observed
from controller.resource.spec import DashboardDatabaseSpec
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
FACTS = ServerFacts("18.1", "7000/5", read_only=False, connections=1, connection_limit=97)


def spec(**fields: Any) -> DashboardDatabaseSpec:
    """A spec with defaults, as the API server would hand it out."""
    return DashboardDatabaseSpec.model_validate({"connection": {"secretRef": {"name": "perses-db"}}, **fields})


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
    known: dict[str, Any] = {
        "now": NOW,
        "verdict": HEALTHY,
        "place": 'database "perses" at db:5432',
        "facts": FACTS,
        "history": rows,
        "plan": make_plan(FILES, rows, target),
        "templates": (template(),) if applied else None,
    }
    return Observed(**{**known, **fields})
