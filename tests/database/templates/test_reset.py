"""A reset gives back the shipped content of a template, in the row that dashboards refer to."""

import asyncio
from typing import Any

import asyncpg
import pytest

from controller.templates.merge import TemplateAction, TemplateState
from controller.templates.seeding import seed
from tests.database.rows import insert
from tests.database.template_rows import (
    NOTEBOOK,
    SHIPPED,
    TABLE,
    all_rows,
    blocked,
    delete_by_force,
    next_release,
    performed,
    row_of,
    states,
)

EDITS = {
    "an edited document": "doc = jsonb_set(doc, '{spec,duration}', '\"6h\"')",
    "another name": "name = 'Ours'",
    "an unreadable document": "doc = jsonb_set(doc, '{x}', '1e5000')",
}
KEPT = ("created_at", "created_by", "usage_count", "is_system")


async def edit(connection: asyncpg.Connection, what: str = "description = 'Ours'") -> None:
    await connection.execute(f"UPDATE dashboard_template SET {what} WHERE id = $1", NOTEBOOK)


async def content_of(connection: asyncpg.Connection) -> dict[str, Any]:
    return {key: value for key, value in (await row_of(connection, NOTEBOOK)).items() if key not in (*KEPT, "xmin")}


@pytest.mark.parametrize("what", EDITS.values(), ids=list(EDITS))
async def test_the_shipped_one_returns_and_dashboards_keep_their_template(
    migrated_connection: asyncpg.Connection, what: str
) -> None:
    await seed(migrated_connection, TABLE, SHIPPED)
    shipped = await content_of(migrated_connection)
    await insert(migrated_connection, "dashboard", template_id=NOTEBOOK)
    await migrated_connection.execute(
        "UPDATE dashboard_template SET usage_count = 7, created_by = 'alice', created_at = '2020-01-01' WHERE id = $1",
        NOTEBOOK,
    )
    await edit(migrated_connection, what)
    before = await row_of(migrated_connection, NOTEBOOK)
    results = await seed(migrated_connection, TABLE, SHIPPED, [NOTEBOOK])
    after = await row_of(migrated_connection, NOTEBOOK)
    assert {each.template_id for each in results if each.performed is TemplateAction.RESET} == {NOTEBOOK}
    assert states(results)[NOTEBOOK] is TemplateState.CURRENT
    assert await content_of(migrated_connection) == shipped
    assert {key: after[key] for key in KEPT} == {key: before[key] for key in KEPT}
    assert await migrated_connection.fetchval("SELECT template_id FROM dashboard") == NOTEBOOK


async def test_an_edited_row_of_a_newer_release_is_reset_and_an_unedited_one_is_not(
    migrated_connection: asyncpg.Connection,
) -> None:
    await seed(migrated_connection, TABLE, next_release())
    rows = await all_rows(migrated_connection)
    assert performed(await seed(migrated_connection, TABLE, SHIPPED, [NOTEBOOK])) == {TemplateAction.NONE}
    assert await all_rows(migrated_connection) == rows
    await edit(migrated_connection)
    await seed(migrated_connection, TABLE, SHIPPED, [NOTEBOOK])
    assert (await row_of(migrated_connection, NOTEBOOK))["version"] == "1.0.0"


async def test_other_edited_rows_are_kept(migrated_connection: asyncpg.Connection) -> None:
    await seed(migrated_connection, TABLE, SHIPPED)
    await migrated_connection.execute("UPDATE dashboard_template SET description = 'Ours'")
    results = await seed(migrated_connection, TABLE, SHIPPED, [NOTEBOOK])
    assert sorted(states(results).values()) == ["Current", "Customized", "Customized", "Customized"]


async def test_a_missing_row_is_inserted(migrated_connection: asyncpg.Connection) -> None:
    await seed(migrated_connection, TABLE, SHIPPED)
    await delete_by_force(migrated_connection, NOTEBOOK)
    results = await seed(migrated_connection, TABLE, SHIPPED, [NOTEBOOK])
    assert {each.template_id for each in results if each.performed is TemplateAction.INSERT} == {NOTEBOOK}


@pytest.mark.parametrize("template_id", [NOTEBOOK, "mine"], ids=["our id", "our name"])
async def test_a_custom_template_is_never_touched(migrated_connection: asyncpg.Connection, template_id: str) -> None:
    if template_id != NOTEBOOK:
        await seed(migrated_connection, TABLE, SHIPPED)
        await edit(migrated_connection, "name = 'Ours'")
    await insert(migrated_connection, "dashboard_template", id=template_id, name="Notebook", category="custom")
    before = await row_of(migrated_connection, template_id)
    results = await seed(migrated_connection, TABLE, SHIPPED, [NOTEBOOK])
    assert states(results)[NOTEBOOK] is TemplateState.CONFLICT
    assert await row_of(migrated_connection, template_id) == before


async def test_a_second_reset_writes_nothing(migrated_connection: asyncpg.Connection) -> None:
    await seed(migrated_connection, TABLE, SHIPPED)
    await edit(migrated_connection)
    await seed(migrated_connection, TABLE, SHIPPED, [NOTEBOOK])
    rows = await all_rows(migrated_connection)
    async with migrated_connection.transaction():
        results = await seed(migrated_connection, TABLE, SHIPPED, [NOTEBOOK])
        assert await migrated_connection.fetchval("SELECT pg_current_xact_id_if_assigned()::text") is None
    assert performed(results) == {TemplateAction.NONE}
    assert await all_rows(migrated_connection) == rows


async def test_of_two_resets_at_once_one_writes(
    migrated_connection: asyncpg.Connection, second_connection: asyncpg.Connection
) -> None:
    await seed(migrated_connection, TABLE, SHIPPED)
    await edit(migrated_connection)
    transaction = second_connection.transaction()
    await transaction.start()
    first = await seed(second_connection, TABLE, SHIPPED, [NOTEBOOK])
    waiting = asyncio.create_task(seed(migrated_connection, TABLE, SHIPPED, [NOTEBOOK]))
    await blocked(second_connection)
    await transaction.commit()
    assert performed(first) == {TemplateAction.NONE, TemplateAction.RESET}
    assert performed(await waiting) == {TemplateAction.NONE}
    assert states(await waiting)[NOTEBOOK] is TemplateState.CURRENT


async def test_names_that_two_edited_templates_exchanged_return_one_after_the_other(
    migrated_connection: asyncpg.Connection,
) -> None:
    await seed(migrated_connection, TABLE, SHIPPED)
    await edit(migrated_connection, "name = 'Ours'")
    both = [NOTEBOOK, "template-training-job"]
    await migrated_connection.execute("UPDATE dashboard_template SET name = 'Notebook' WHERE id = $1", both[1])
    first = await seed(migrated_connection, TABLE, SHIPPED, both)
    assert states(first)[NOTEBOOK] is TemplateState.CUSTOMIZED
    assert set(states(await seed(migrated_connection, TABLE, SHIPPED, both)).values()) == {TemplateState.CURRENT}
