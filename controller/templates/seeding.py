"""Reading and writing of the system templates in a database, as the merge decided.

JSON goes in and out as text, so that codecs which a caller may have set on the connection change nothing.

Time limits are those of the connection: a row that a user keeps locked makes `seed` wait until then.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import asyncpg

from controller.database.answer_messages import as_expected
from controller.database.connection import answer_limit
from controller.database.located_schema import LocatedSchema
from controller.database.questions import ask, rows_question
from controller.database.quoting import array
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

_QUESTION_BYTES = 128 * 1024
"""Limit in bytes of the rows that are asked for together with other things; ours take half as many."""

# Only the rows with an id or a name of a shipped template, system or not.
_READ = """
SELECT id, name, description, category, doc::text AS doc, variables::text AS variables,
       version, is_system, seeded_sha256
  FROM {table}
 WHERE id = ANY ({ids}::text[]) OR name = ANY ({names}::text[])
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
    return await _fetch(connection, _READ, table, shipped_templates() if shipped is None else shipped)


def templates_question(table: str) -> str:
    """Return the question for the rows of `read_rows`, as `database.questions.ask` takes it.

    Where they are long, the answer is null.
    """
    return rows_question(_query(_READ, table, shipped_templates()), _QUESTION_BYTES)


def rows_from(answer: Any) -> tuple[TemplateRow | UnreadableRow, ...]:
    """Return the rows in an answer to `templates_question` that is not null.

    Raises:
        ProtocolViolation: no PostgreSQL answers like this.
    """
    with as_expected("its templates"):
        return _rows([each.values() for each in answer])


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
    text = _query(query, table, shipped)
    answer = (await ask(connection, rows_question(text, _QUESTION_BYTES))).values[0]
    if answer is not None:
        return rows_from(answer)
    async with transaction(connection, read_only=True):
        with answer_limit(connection, TEMPLATES_BYTES):
            records = await connection.fetch(text)
    with as_expected("its templates"):
        return _rows(records)


def _query(query: str, table: str, shipped: Sequence[ShippedTemplate]) -> str:
    return query.format(table=table, ids=array(each.id for each in shipped), names=array(each.name for each in shipped))


def _rows(rows: Iterable[Iterable[Any]]) -> tuple[TemplateRow | UnreadableRow, ...]:
    return tuple(_row(tuple(row)) for row in rows)


@lru_cache(maxsize=32)
def _row(values: tuple[Any, ...]) -> TemplateRow | UnreadableRow:
    """Return the row of `_READ`; cached with its digest, since nearly every row is one of the same four."""
    row_id, name, description, category, document, variables, version, is_system, seeded_sha256 = values
    if not all(isinstance(each, str) for each in values[:-2]):
        raise ValueError
    try:
        row = TemplateRow(
            id=row_id,
            name=name,
            version=version,
            is_system=is_system,
            description=description,
            category=category,
            document=parse_json(document),
            variables=parse_json(variables),
            seeded_sha256=seeded_sha256,
        )
        _ = row.content_sha256
    except (ValueError, OverflowError, RecursionError):  # PostgreSQL holds larger numbers and deeper JSON than Python
        return UnreadableRow(id=row_id, name=name, version=version, is_system=is_system)
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
