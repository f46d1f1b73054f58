"""Observe one database: server, history, templates, drift. Reads only, and changes nothing, here or there."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import structlog

from controller.database.catalog_changes import CATALOG_CHANGES, changes_digest
from controller.database.connection import Connection, peer_address
from controller.database.failures import DRIVER_ERRORS, ends_connection, in_our_words
from controller.database.located_schema import LocatedSchema
from controller.database.pool.pool import Pool
from controller.database.questions import ask
from controller.database.schema import locate_schema, path_note, schema_from_answer, unchecked_schema, with_new_tables
from controller.database.schema_queries import locate_question
from controller.database.target import Target
from controller.database.transaction import roll_back
from controller.desired import Desired, SchemaPolicy
from controller.errors import DashdbError, DatabaseUnavailable
from controller.health.check import failed_sample, login_seconds, measure
from controller.health.verdict import Verdict, judge
from controller.migrate.catalog.differences import is_damage
from controller.migrate.catalog.drift import Drift, read_drift, read_missing
from controller.migrate.catalog.inventory import inventory_from, inventory_question
from controller.migrate.catalog.row_counts import count_rows
from controller.migrate.files.migration import Migrations
from controller.migrate.history.read import history_location, read_history_at
from controller.migrate.plan.data_loss import expected_losses
from controller.migrate.plan.make_plan import make_plan
from controller.migrate.plan.model import History, Plan, current_version, newest_version
from controller.reconcile.claims import Claim, unclaimed
from controller.reconcile.memory import Memory
from controller.reconcile.observed import Observed, ObservedSchema
from controller.reconcile.schema_state import read_state
from controller.reconcile.state_question import state_question
from controller.templates.merge import TemplateDecision, TemplateRow, UnreadableRow, decide
from controller.templates.seeding import TABLE, read_rows, table_in
from controller.templates.shipped import shipped_templates

T = TypeVar("T")

log = structlog.get_logger(__name__)

NO_WAIT = "SET LOCAL lock_timeout = '50ms';\n"
"""SQL with which a look fails soon where a table is locked, so that the wait does not count as time to answer."""
FRESH = timedelta(seconds=1)
"""Age up to which what is known of a server and its schema is used again: a reconcile observes after each action, and
would ask often."""


async def observe(
    desired: Desired,
    pool: Pool,
    migrations: Callable[[], Migrations],
    memory: Memory,
    *,
    claim: Claim = unclaimed,
    before: Observed | None = None,
) -> Observed:
    """Return one observation of the database, whatever state it is in.

    Args:
        migrations: reads the files; raises as `migrate.files.folder.read_folder` does.
        claim: claims the database for its resource.
        before: an earlier observation of the same reconcile; the server is not asked again for what is still fresh.
    """
    try:
        # One for all: on a server with many databases, each costs a login.
        async with pool.connection(seconds=login_seconds(memory.verdict)) as connection:
            seen = await _observe(desired, pool, connection, migrations, memory, before)
            return replace(seen, claimed_by=claim(_claimed(desired, connection, seen.located)))
    except DashdbError as error:
        claim(None)
        return replace(unreachable(error), sample=failed_sample(pool, error), database=pool.target.description)


def _claimed(desired: Desired, connection: Connection, located: LocatedSchema | None) -> str | None:
    """Return the database that a resource claims: that at the address dialled; None for one that changes nothing.

    A hostile server may say that it is any other, but it cannot have that one's address.
    """
    if located is None or desired.suspend or desired.schema.policy is SchemaPolicy.REPORT:
        return None
    return f"{peer_address(connection)}/{located.database}/{located.name}"


async def _observe(  # noqa: PLR0917 - the parts of one observation
    desired: Desired,
    pool: Pool,
    connection: Connection,
    migrations: Callable[[], Migrations],
    memory: Memory,
    before: Observed | None,
) -> Observed:
    if before is None and memory.settled is not None and not memory.wants_comparison(None, datetime.now(UTC)):
        unchanged = await _look_again(desired, pool, connection, migrations, memory, memory.settled)
        if unchanged is not None:
            return unchanged
    seen = _still_fresh(before)
    if seen is None:
        seen, located = await _observe_server(desired, pool, connection, memory)
    elif seen.located is None or not seen.located.tables:
        located = await _attempt(connection, pool.target, lambda: _locate(connection, desired, seen.located))
    else:
        located = seen.located
    if isinstance(located, DashdbError):
        return replace(seen, schema=located, templates=located)

    async def attempt(read: Callable[[], Awaitable[T]]) -> T | DashdbError:
        return await _attempt(connection, pool.target, read)

    state = await read_state(connection, located, whole=before is None)
    compares = memory.wants_comparison(state.inventory, seen.now)
    found = await attempt(lambda: read_drift(connection, located.name)) if compares else None
    if isinstance(found, DashdbError) and found.reason == "CatalogNotComparable":  # after an upgrade, often for long
        found = await attempt(lambda: read_missing(connection, located.name))
    drift, damage = _comparable(found)
    return replace(
        seen,
        located=located,
        rows=state.rows,
        inventory=state.inventory,
        schema=await attempt(lambda: _read_schema(desired, migrations, connection, located, state.history)),
        templates=await attempt(lambda: _read_templates(connection, located, state.templates)),
        drift=drift,
        damage=damage,
    )


async def _locate(connection: Connection, desired: Desired, before: LocatedSchema | None) -> LocatedSchema:
    name = desired.schema.name
    return await (with_new_tables(connection, before, name) if before is not None else locate_schema(connection, name))


async def _look_again(  # noqa: PLR0917 - the parts of one observation
    desired: Desired,
    pool: Pool,
    connection: Connection,
    migrations: Callable[[], Migrations],
    memory: Memory,
    settled: Observed,
) -> Observed | None:
    """Return what `settled` says, with a new check, if nothing has changed since. None where it has.

    One round trip; a second one where something in the catalogs has changed, or may have.
    """
    located = settled.located
    if located is None or not isinstance(settled.schema, ObservedSchema):
        return None
    try:
        seen, (rows,) = await _check_server(desired, pool, connection, memory, state_question(located), first=NO_WAIT)
        if seen.facts is None or (seen.facts.identity, rows) != (located.database, settled.rows):
            return None
        # Before maintenance, which calls functions of the schema, that is asked as well: a count may come late.
        counted = seen.catalog_changes is not None and not memory.wants_maintenance(desired, seen.now)
        if not counted or seen.catalog_changes != settled.catalog_changes:
            name = desired.schema.name
            questions = locate_question(name), inventory_question(located.name)
            answers = (await ask(connection, *questions, first=path_note(name) + NO_WAIT)).values
            if (unchecked_schema(answers[0]), inventory_from(answers[1])) != (located, settled.inventory):
                return None
    except DRIVER_ERRORS as error:
        if ends_connection(error):
            raise
        return None  # a table is gone, or locked
    plan, ahead = _plan(desired, migrations, settled.schema.history, history_location(located).identity)
    if not isinstance(plan, Plan) or not plan.empty:
        return None
    schema = ObservedSchema(settled.schema.history, plan, (), ahead)
    return replace(
        settled,
        now=seen.now,
        verdict=seen.verdict,
        sample=seen.sample,
        facts=seen.facts,
        catalog_changes=seen.catalog_changes,
        schema=schema,
        drift=None,
    )


def unreachable(error: DashdbError) -> Observed:
    """Return the observation of a database to which there is no connection."""
    return Observed(now=datetime.now(UTC), verdict=Verdict.unhealthy(error), connection_error=error)


def _still_fresh(before: Observed | None) -> Observed | None:
    """Return the earlier observation without rows of tables, where what it says of the server still holds."""
    if before is None or before.facts is None or before.sample is None:
        return None
    now = datetime.now(UTC)
    if now - before.sample.taken_at >= FRESH:
        return None
    return replace(before, now=now, rows=None, schema=None, templates=None, drift=None)


async def _observe_server(
    desired: Desired, pool: Pool, connection: Connection, memory: Memory
) -> tuple[Observed, LocatedSchema | DashdbError]:
    """Return the server as it is, and the schema to work in, or why there is none; one round trip for both."""
    name = desired.schema.name
    seen, (answer,) = await _check_server(desired, pool, connection, memory, locate_question(name))
    return seen, await _attempt(connection, pool.target, lambda: schema_from_answer(connection, name, answer))


async def _check_server(
    desired: Desired, pool: Pool, connection: Connection, memory: Memory, *questions: str, first: str = ""
) -> tuple[Observed, tuple[Any, ...]]:
    """Return what a check finds, and the answers to QUESTIONS; one round trip.

    The changes of the catalogs are asked for before them, so that none is missed.

    Args:
        first: statements before them.
    """
    asked, noted = (CATALOG_CHANGES, *questions), path_note(desired.schema.name) + first
    measured = await measure(pool, connection, desired.thresholds, memory.verdict, *asked, first=noted)
    seen = Observed(
        now=datetime.now(UTC),
        verdict=judge(measured.sample, desired.thresholds, memory.verdict),
        sample=measured.sample,
        database=pool.target.description,
        facts=measured.facts,
        catalog_changes=changes_digest(measured.answers[0]),
    )
    return seen, measured.answers[1:]


async def _attempt(connection: Connection, target: Target, read: Callable[[], Awaitable[T]]) -> T | DashdbError:
    """Return what `read` finds, or why it could not: the server answers, but a table is locked, or not ours to read."""
    try:
        return await read()
    except DashdbError as error:
        return error
    except DRIVER_ERRORS as error:
        problem = in_our_words(error, target)
    await roll_back(connection, in_doubt=True)
    return problem


async def _read_schema(
    desired: Desired,
    migrations: Callable[[], Migrations],
    connection: Connection,
    schema: LocatedSchema,
    history: History | None,
) -> ObservedSchema:
    location = history_location(schema)
    if history is None:
        history = await read_history_at(connection, location)
    plan, ahead = _plan(desired, migrations, history, location.identity)
    losses: tuple[str, ...] = ()
    if isinstance(plan, Plan) and plan.reverts:
        counted = await count_rows(connection, expected_losses(plan.steps), location)
        losses = tuple(each.steady_text for each in counted)
    return ObservedSchema(history, plan, losses, ahead)


def _plan(
    desired: Desired, migrations: Callable[[], Migrations], history: History, database: str
) -> tuple[Plan | DashdbError, bool]:
    try:
        files = migrations()
        ahead = current_version(history) > newest_version(files)
        return make_plan(files, history, desired.schema.target_version, database=database), ahead
    except DashdbError as error:
        return error, False


async def _read_templates(
    connection: Connection, schema: LocatedSchema, rows: tuple[TemplateRow | UnreadableRow, ...] | None
) -> tuple[TemplateDecision, ...] | None:
    if TABLE not in schema.tables:
        return None
    if rows is None:
        rows = await read_rows(connection, table_in(schema))
    return decide(shipped_templates(), rows)


def _comparable(found: Drift | DashdbError | None) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Return what was changed by hand, and what of it is damage; nothing where no catalog could be compared."""
    if found is None:
        return None, ()
    if isinstance(found, DatabaseUnavailable):
        log.warning("drift not compared", reason=found.reason, error=found.message)
        return None, ()
    if isinstance(found, DashdbError):
        log.info("drift not comparable", reason=found.reason)
        return (), ()
    damage = tuple(each.object for each in found.differences if is_damage(each))
    return tuple(f"{each.object} {each.kind}" for each in found.differences), damage
