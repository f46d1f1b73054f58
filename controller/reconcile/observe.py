"""Looks at everything that one turn needs, and changes nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from controller.database.connection import Connection
from controller.database.pool.pool import Pool
from controller.database.secret import NamedSecret, SecretData, target_from_secrets
from controller.database.target import Target
from controller.errors import ConfigurationError, DashdbError, DatabaseUnavailable
from controller.health.check import failed, measure
from controller.health.verdict import Thresholds, Verdict, judge
from controller.migrate.catalog.drift import read_drift
from controller.migrate.catalog.row_counts import count_rows
from controller.migrate.files.migration import Migrations
from controller.migrate.history.read import read_history
from controller.migrate.plan.data_loss import expected_losses
from controller.migrate.plan.make_plan import make_plan
from controller.migrate.plan.model import History, Plan, current_version, newest_version
from controller.reconcile.limiter import Limiter
from controller.reconcile.memory import Session
from controller.reconcile.observed import Observed
from controller.resource.spec import DashboardDatabaseSpec
from controller.templates.merge import TemplateDecision, decide
from controller.templates.seeding import has_table, read_rows
from controller.templates.shipped import shipped_templates

log = structlog.get_logger(__name__)

FRESH = timedelta(seconds=1)
"""For which what was seen of a server holds within a turn: a look after each action would ask it thrice."""


class SecretReader(Protocol):
    """Reads Secrets of one namespace."""

    async def read(self, name: str) -> SecretData | None:
        """Decoded values by key; None where there is no such Secret."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a turn needs besides its resource.

    Attributes:
        secrets: of the resource's namespace.
        migrations: reads the files; raises as `migrate.files.read_folder` does.
        service_namespace: where a host without a dot is a Service; None outside a cluster.
        slots: shared by all resources of the process.
    """

    secrets: SecretReader
    migrations: Callable[[], Migrations]
    service_namespace: str | None
    limiter: Limiter


async def reach(spec: DashboardDatabaseSpec, around: Surroundings, session: Session) -> Pool:
    """The pool to the database that the resource and its Secrets name; dials nothing yet.

    Raises:
        ConfigurationError: no address can be made of them; connections to an earlier one are closed.
    """
    try:
        return await session.pool_for(await _target(spec, around), spec)
    except ConfigurationError:
        await session.close()
        raise


async def look(
    spec: DashboardDatabaseSpec, around: Surroundings, session: Session, pool: Pool, *, before: Observed | None = None
) -> Observed:
    """One look at the database, whatever state it is in.

    Args:
        before: what an earlier look of the same turn saw; the server is not asked again for what is still fresh.
    """
    now = datetime.now(UTC)
    if before is not None and before.facts is not None and before.sample and now - before.sample.taken_at < FRESH:
        seen = _as_of(now, before, spec, session)
    else:
        try:
            async with pool.connection() as connection:
                seen = await _check(spec, session, pool, connection)
        except DashdbError as error:
            return replace(unreachable(error), sample=failed(pool, error), description=pool.target.description)
    try:
        async with pool.connection() as connection:
            return await _read(seen, spec, around, session, connection)
    except DashdbError as error:  # the server answers, its tables do not: one is locked, or not ours to read
        return replace(seen, plan=error)


def unreachable(error: DashdbError) -> Observed:
    """What is known where there is no connection."""
    return Observed(now=datetime.now(UTC), verdict=Verdict.unhealthy(error), connection_error=error)


def thresholds(spec: DashboardDatabaseSpec) -> Thresholds:
    """Above which the database of this resource is degraded."""
    return Thresholds(spec.health.degraded_utilization_percent, spec.health.slow_response_milliseconds)


async def _target(spec: DashboardDatabaseSpec, around: Surroundings) -> Target:
    async def named(name: str) -> NamedSecret:
        return NamedSecret(name, await around.secrets.read(name))

    wanted = spec.connection
    ca, client = wanted.ca_secret_ref, wanted.client_certificate_secret_ref
    return target_from_secrets(
        await named(wanted.secret_ref.name),
        ca=(await named(ca.name), ca.key) if ca else None,
        client_certificate=await named(client.name) if client else None,
        ssl_mode=wanted.ssl_mode,
        pooler=wanted.pooler,
        service_namespace=around.service_namespace,
        connect_timeout=spec.pool.connect_timeout_seconds,
        query_timeout=spec.pool.query_timeout_seconds,
    )


async def _check(spec: DashboardDatabaseSpec, session: Session, pool: Pool, connection: Connection) -> Observed:
    """The server: does it answer, how fast, and which one is it."""
    sample, facts = await measure(pool, connection)
    now = datetime.now(UTC)
    verdict = judge(sample, thresholds(spec), session.verdict)
    seen = Observed(now=now, verdict=verdict, sample=sample, description=pool.target.description, facts=facts)
    return _as_of(now, seen, spec, session)


def _as_of(now: datetime, seen: Observed, spec: DashboardDatabaseSpec, session: Session) -> Observed:
    """The server as it was seen, with what is known besides of it at `now`; nothing of the tables."""
    return Observed(
        now=now,
        verdict=seen.verdict,
        sample=seen.sample,
        description=seen.description,
        facts=seen.facts,
        failed_migration=session.failed_migration,
        maintenance_due=session.maintenance.is_due(spec, now),
    )


async def _read(
    seen: Observed, spec: DashboardDatabaseSpec, around: Surroundings, session: Session, connection: Connection
) -> Observed:
    """The tables: what was applied, what was changed since, and what the templates are like."""
    history = await read_history(connection)
    plan, ahead = _plan(spec, around, history)
    templates = await _templates(connection)
    if session.comparison.is_due(spec, seen.now):
        session.drift = await _drift(connection)
        session.comparison.done(spec, seen.now)
    return replace(
        seen,
        history=history,
        plan=plan,
        losses=await _losses(connection, plan),
        schema_ahead=ahead,
        drift=session.drift,
        templates=templates,
    )


async def _drift(connection: Connection) -> tuple[str, ...]:
    """What was changed by hand; nothing where no catalog was recorded that could be compared."""
    try:
        found = await read_drift(connection)
    except DatabaseUnavailable:
        raise
    except DashdbError as problem:
        log.info("drift cannot be told", reason=problem.reason)
        return ()
    return tuple(f"{each.object} {each.kind}" for each in found.differences)


async def _losses(connection: Connection, plan: Plan | DashdbError) -> tuple[str, ...]:
    if not isinstance(plan, Plan) or not plan.reverts:
        return ()
    return tuple(loss.steady_text for loss in await count_rows(connection, expected_losses(plan.steps)))


def _plan(spec: DashboardDatabaseSpec, around: Surroundings, history: History) -> tuple[Plan | DashdbError, bool]:
    try:
        files = around.migrations()
        ahead = current_version(history) > newest_version(files)
        return make_plan(files, history, spec.schema_.target_version), ahead
    except DashdbError as error:
        return error, False


async def _templates(connection: Connection) -> tuple[TemplateDecision, ...] | None:
    if not await has_table(connection):
        return None
    return decide(shipped_templates(), await read_rows(connection))
