"""Helpers of the tests of template seeding: a later release, and queries of the table."""

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Any

import asyncpg

from controller.templates.merge import TemplateAction, TemplateState
from controller.templates.seeding import TemplateResult
from controller.templates.shipped import ShippedTemplate, shipped_templates

SHIPPED = shipped_templates()
NOTEBOOK = "template-notebook"
TABLE = "public.dashboard_template"


def next_release() -> tuple[ShippedTemplate, ...]:
    """Return the templates of a later release: every document changed."""
    return tuple(
        dataclasses.replace(
            template,
            version="1.1.0",
            description=template.description + " Better.",
            document={**template.document, "metadata": {**template.document["metadata"], "tags": ["new"]}},
        )
        for template in SHIPPED
    )


def states(results: Sequence[TemplateResult]) -> dict[str, TemplateState]:
    return {result.template_id: result.state for result in results}


def performed(results: Sequence[TemplateResult]) -> set[TemplateAction]:
    return {result.performed for result in results}


async def row_of(connection: asyncpg.Connection, template_id: str) -> dict[str, Any]:
    """A whole row, with the version of the row itself (xmin), which every write changes."""
    return dict(await connection.fetchrow("SELECT *, xmin::text FROM dashboard_template WHERE id = $1", template_id))


async def all_rows(connection: asyncpg.Connection) -> list[dict[str, Any]]:
    records = await connection.fetch("SELECT *, xmin::text FROM dashboard_template ORDER BY id")
    return [dict(record) for record in records]


async def delete_by_force(connection: asyncpg.Connection, template_id: str) -> None:
    async with connection.transaction():
        await connection.execute("SET LOCAL dashdb.maintenance = 'on'")
        await connection.execute("DELETE FROM dashboard_template WHERE id = $1", template_id)


async def blocked(connection: asyncpg.Connection) -> None:
    """Return when another session waits for a lock that this connection's transaction holds."""
    async with asyncio.timeout(10):
        while not await connection.fetchval(_ANYONE_WAITS_FOR_ME):  # noqa: ASYNC110 - a server has no events
            await asyncio.sleep(0.01)


_ANYONE_WAITS_FOR_ME = (
    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
)
