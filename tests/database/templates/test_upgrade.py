"""An upgrade from an older shipped set, in which users have edited, renamed and deleted templates."""

import dataclasses
import json

import asyncpg

from controller.templates.merge import TemplateAction, TemplateState
from controller.templates.seeding import TemplateResult, seed
from controller.templates.shipped import ShippedTemplate
from tests.database.template_rows import SHIPPED, TABLE, all_rows, delete_by_force, performed, row_of

SERVING, TRAINING, NOTEBOOK, PIPELINE = (template.id for template in SHIPPED)


def older_release() -> tuple[ShippedTemplate, ...]:
    """Return the templates of an older release: fewer panels, other names and words."""
    return tuple(_older(template) for template in SHIPPED)


def _older(template: ShippedTemplate) -> ShippedTemplate:
    spec = template.document["spec"]
    first, *_ = spec["panels"]
    document = {**template.document, "spec": {**spec, "panels": {first: spec["panels"][first]}, "duration": "6h"}}
    return dataclasses.replace(
        template, version="0.9.0", name=f"{template.name} (beta)", description="Beta.", document=document
    )


async def upgraded(connection: asyncpg.Connection) -> dict[str, TemplateResult]:
    """Seed the older release, let users edit one, rename one and delete one, and return what the upgrade did."""
    await seed(connection, TABLE, older_release())
    await connection.execute("UPDATE dashboard_template SET usage_count = 3")
    edited = "UPDATE dashboard_template SET doc = jsonb_set(doc, '{spec,duration}', '\"24h\"') WHERE id = $1"
    await connection.execute(edited, SERVING)
    await connection.execute("UPDATE dashboard_template SET name = 'Our jobs' WHERE id = $1", TRAINING)
    await delete_by_force(connection, NOTEBOOK)
    return {each.template_id: each for each in await seed(connection, TABLE, SHIPPED)}


async def test_the_edited_one_is_kept_and_says_what_it_lags_behind(migrated_connection: asyncpg.Connection) -> None:
    result = (await upgraded(migrated_connection))[SERVING]
    row = await row_of(migrated_connection, SERVING)
    assert (result.state, result.performed) == (TemplateState.CUSTOMIZED, TemplateAction.NONE)
    assert "lags behind version 1.0.0" in result.message
    assert (row["version"], row["usage_count"]) == ("0.9.0", 3)
    assert json.loads(row["doc"])["spec"]["duration"] == "24h"


async def test_the_renamed_one_is_kept_with_its_name(migrated_connection: asyncpg.Connection) -> None:
    result = (await upgraded(migrated_connection))[TRAINING]
    row = await row_of(migrated_connection, TRAINING)
    assert (result.state, result.performed) == (TemplateState.CUSTOMIZED, TemplateAction.NONE)
    assert (row["name"], row["version"]) == ("Our jobs", "0.9.0")


async def test_the_deleted_one_returns_as_the_new_release_ships_it(migrated_connection: asyncpg.Connection) -> None:
    result = (await upgraded(migrated_connection))[NOTEBOOK]
    row = await row_of(migrated_connection, NOTEBOOK)
    assert (result.state, result.performed) == (TemplateState.CURRENT, TemplateAction.INSERT)
    assert (row["version"], row["name"], row["usage_count"]) == ("1.0.0", "Notebook", 0)


async def test_the_untouched_one_is_upgraded_with_its_name_and_keeps_its_count(
    migrated_connection: asyncpg.Connection,
) -> None:
    result = (await upgraded(migrated_connection))[PIPELINE]
    row = await row_of(migrated_connection, PIPELINE)
    assert (result.state, result.performed) == (TemplateState.CURRENT, TemplateAction.UPGRADE)
    assert (row["version"], row["name"], row["usage_count"]) == ("1.0.0", "Data pipeline", 3)
    assert len(json.loads(row["doc"])["spec"]["panels"]) == 7


async def test_nothing_is_left_to_do_after_it_and_a_rollback_of_the_program_undoes_nothing(
    migrated_connection: asyncpg.Connection,
) -> None:
    await upgraded(migrated_connection)
    rows = await all_rows(migrated_connection)
    assert performed(await seed(migrated_connection, TABLE, SHIPPED)) == {TemplateAction.NONE}
    assert performed(await seed(migrated_connection, TABLE, older_release())) == {TemplateAction.NONE}
    assert await all_rows(migrated_connection) == rows


async def test_the_kept_ones_are_upgraded_by_a_reset(migrated_connection: asyncpg.Connection) -> None:
    await upgraded(migrated_connection)
    results = await seed(migrated_connection, TABLE, SHIPPED, [SERVING, TRAINING])
    assert {each.state for each in results} == {TemplateState.CURRENT}
    assert (await row_of(migrated_connection, TRAINING))["name"] == "Training job"
