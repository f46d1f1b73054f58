"""Reading and writing of the system templates in a database, as the merge decided.

JSON goes in and out as text, so that codecs which a caller may have set on the connection change nothing.

Time limits are those of the connection: a row that a user keeps locked makes `seed` wait until then.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

import asyncpg

from controller.database.connection import answer_limit
from controller.database.located_schema import LocatedSchema
from controller.database.transaction import transaction
from controller.errors import TemplateError
from controller.templates.content import canonical_json, parse_json
from controller.templates.merge import (
    TemplateAction,
    TemplateDecision,
    TemplateRow,
    TemplateState,
    UnreadableRow,
    decide,
)
from controller.templates.shipped import ShippedTemplate, shipped_templates

TABLE = "dashboard_template"
TEMPLATES_BYTES = 4 * 1024 * 1024
"""Limit in bytes of the rows that are read; a template of ours has about 20 kB."""

# Only the rows with an id or a name of a shipped template, system or not.
# $1 text[] ids, $2 text[] names
_READ = """
SELECT id, name, description, category, doc::text AS doc, variables::text AS variables,
       version, is_system, seeded_sha256
  FROM {table}
 WHERE id = ANY ($1::text[]) OR name = ANY ($2::text[])
 ORDER BY id
"""

# The order by id is also the order of locking, so two replicas wait for each other and cannot deadlock.
# READ COMMITTED: after a wait for another transaction, the row is read as that transaction left it.
_READ_AND_LOCK = _READ + " FOR UPDATE"

# Another replica, or a user, may have inserted the id or the name since the rows were read: that row is kept.
# All rows in one statement, in the order of the arrays: a round trip for each would cost more than the writing.
_INSERT = """
INSERT INTO {table}
       (id, name, description, category, doc, variables, version, seeded_sha256, created_by, is_system)
SELECT id, name, description, category, doc::jsonb, variables::jsonb, version, sha256, 'dashdb', true
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
       AS new (id, name, description, category, doc, variables, version, sha256)
    ON CONFLICT DO NOTHING
RETURNING id
"""

# An upgrade or a reset. The row stays, with created_at, created_by, usage_count and the dashboards that refer to it.
# It is locked, and the decision was made under that lock.
_UPDATE = """
UPDATE {table}
   SET name = $2, description = $3, category = $4, doc = $5::text::jsonb, variables = $6::text::jsonb,
       version = $7, seeded_sha256 = $8
 WHERE id = $1 AND is_system
"""


@dataclass(frozen=True, kw_only=True)
class TemplateResult:
    """State of one system template after seeding, and the write that was performed."""

    template_id: str
    state: TemplateState
    performed: TemplateAction
    row_version: str | None
    shipped_version: str
    message: str


def table_in(schema: LocatedSchema) -> str:
    """Return the qualified name of the table for templates.

    Raises:
        TemplateError: TemplateTableMissing; there is none before the first migration.
    """
    if TABLE not in schema.tables:
        raise TemplateError(
            f'There is no table {TABLE} in schema "{schema.name}". Make it with: dashdb migrate up',
            reason="TemplateTableMissing",
        )
    return schema.qualified(TABLE)


async def read_rows(
    connection: asyncpg.Connection, table: str, shipped: Sequence[ShippedTemplate] | None = None
) -> tuple[TemplateRow | UnreadableRow, ...]:
    """Return the rows that `merge.decide` needs for `shipped` (by default the templates of this release), unlocked.

    Args:
        table: qualified name of the table for templates, see `table_in`.
    """
    async with transaction(connection, read_only=True):
        return await _fetch(connection, _READ, table, shipped_templates() if shipped is None else shipped)


async def seed(
    connection: asyncpg.Connection, table: str, shipped: Sequence[ShippedTemplate], reset: Collection[str] = ()
) -> tuple[TemplateResult, ...]:
    """Write rows as `merge.decide` says; return one result for each of `shipped`, in its order.

    Safe while other replicas and users write: decisions are made over locked rows, in one transaction.
    If there is nothing to do, nothing is locked or written, and no transaction id is taken.

    Args:
        reset: ids of templates whose edits are to be replaced by the shipped content, see `merge.decide`.

    Raises:
        asyncpg.UniqueViolationError: a user took the new name of a template between our lock and our write;
            nothing was written, and the next run reports it as a Conflict.
        asyncpg.PostgresError, OSError, TimeoutError: as from any statement; nothing was written.
    """
    planned = decide(shipped, await read_rows(connection, table, shipped), reset)
    if all(decision.action is TemplateAction.NONE for decision in planned):
        return _results([TemplateAction.NONE] * len(planned), planned)
    return await seed_under_lock(connection, table, shipped, reset)


async def seed_under_lock(
    connection: asyncpg.Connection, table: str, shipped: Sequence[ShippedTemplate], reset: Collection[str] = ()
) -> tuple[TemplateResult, ...]:
    """Do as `seed` does, where it is known that there is something to do.

    Raises:
        asyncpg.PostgresError, OSError, TimeoutError: see `seed`.
    """
    async with transaction(connection):
        decisions = decide(shipped, await _fetch(connection, _READ_AND_LOCK, table, shipped), reset)
        performed = await _perform_all(connection, table, shipped, decisions)
        # Read once more: where a row of another transaction kept ours out, the result describes that row.
        after = decide(shipped, await read_rows(connection, table, shipped))
    return _results(performed, after)


async def _perform_all(
    connection: asyncpg.Connection,
    table: str,
    shipped: Sequence[ShippedTemplate],
    decisions: Sequence[TemplateDecision],
) -> list[TemplateAction]:
    """Write what was decided; return for each of `shipped` what was written, None where another writer was first.

    Rows are written in the order of ids, in which `_READ_AND_LOCK` locks, so that two replicas cannot deadlock.
    """
    wanted = {template.id: decision.action for template, decision in zip(shipped, decisions, strict=True)}
    in_order = sorted(shipped, key=lambda template: template.id)
    new = [_values(template) for template in in_order if wanted[template.id] is TemplateAction.INSERT]
    written: set[str] = set()
    for template in in_order:
        if wanted[template.id] not in (TemplateAction.UPGRADE, TemplateAction.RESET):
            continue
        if await connection.execute(_UPDATE.format(table=table), *_values(template)) == "UPDATE 1":
            written.add(template.id)
    if new:
        written |= {row["id"] for row in await connection.fetch(_INSERT.format(table=table), *zip(*new, strict=True))}
    return [wanted[template.id] if template.id in written else TemplateAction.NONE for template in shipped]


def _values(template: ShippedTemplate) -> tuple[str, ...]:
    """Return the values of a row, in the order of the parameters of `_INSERT` and `_UPDATE`."""
    return (
        template.id,
        template.name,
        template.description,
        template.category,
        canonical_json(template.document),
        canonical_json(template.variables),
        template.version,
        template.content_sha256,
    )


async def _fetch(
    connection: asyncpg.Connection, query: str, table: str, shipped: Sequence[ShippedTemplate]
) -> tuple[TemplateRow | UnreadableRow, ...]:
    with answer_limit(connection, TEMPLATES_BYTES):
        records = await connection.fetch(
            query.format(table=table), [template.id for template in shipped], [template.name for template in shipped]
        )
    return tuple(_row(record) for record in records)


@lru_cache(maxsize=32)
def _row(record: asyncpg.Record) -> TemplateRow | UnreadableRow:
    """Return the row; cached with its digest, since nearly every row of every database is one of the same four."""
    identity = {name: record[name] for name in ("id", "name", "version", "is_system")}
    try:
        row = TemplateRow(
            **identity,
            description=record["description"],
            category=record["category"],
            document=parse_json(record["doc"]),
            variables=parse_json(record["variables"]),
            seeded_sha256=record["seeded_sha256"],
        )
        _ = row.content_sha256
    except (ValueError, OverflowError, RecursionError):  # PostgreSQL holds larger numbers and deeper JSON than Python
        return UnreadableRow(**identity)
    return row


def _results(performed: Sequence[TemplateAction], after: Sequence[TemplateDecision]) -> tuple[TemplateResult, ...]:
    return tuple(
        TemplateResult(
            template_id=now.template_id,
            state=now.state,
            performed=action,
            row_version=now.row_version,
            shipped_version=now.shipped_version,
            message=now.message,
        )
        for action, now in zip(performed, after, strict=True)
    )
