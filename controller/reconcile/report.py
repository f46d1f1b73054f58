"""Reports for the endpoints, from the result of a reconcile, or of a check during a long migration. Pure."""

from collections import Counter
from dataclasses import replace
from datetime import datetime

from controller.health.report import Answer, Report
from controller.health.verdict import CheckResult, Health
from controller.reconcile.result import MigrationProgress, ReconcileResult


def report_of(result: ReconcileResult, due: datetime, *, ready: bool, since: datetime | None) -> Report:
    """Return the report of a result; of what was not observed this time, the last knowledge.

    Args:
        since: when it became ready, or not ready, for a first report; None where that is not known.
    """
    schema = result.memory.schema
    return Report(
        verdict=result.observed.verdict,
        sample=result.observed.sample,
        ready=ready,
        reason=result.summary.reason,
        message=result.summary.message,
        due_by=due,
        schema_version=schema.version if schema else None,
        pending=schema.pending if schema else None,
        dirty=schema.dirty if schema else None,
        templates=Counter(result.memory.templates),
        answers=tuple(
            Answer(aspect.value, each.holds, each.reason, each.message) for aspect, each in result.findings.items()
        ),
        since=since,
    )


def report_while_migrating(
    before: Report | None, found: CheckResult, progress: MigrationProgress, due: datetime
) -> Report:
    """Return the report from before a migration, with the result of a check during the migration."""
    healthy = found.verdict.health is not Health.UNHEALTHY
    if before is not None and before.ready and not progress.regressed:
        return replace(before, verdict=found.verdict, sample=found.sample, ready=healthy, due_by=due)
    known = before or Report(found.verdict, None, ready=False, reason="", message="", due_by=due)
    return replace(
        known,
        verdict=found.verdict,
        sample=found.sample,
        ready=False,
        reason="Migrating" if healthy else found.verdict.reason,
        message=progress.message if healthy else found.verdict.warning or "",
        due_by=due,
    )
