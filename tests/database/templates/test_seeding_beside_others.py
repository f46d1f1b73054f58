"""Seeding while another replica seeds, or a user edits: nothing is lost, nothing is overwritten."""

import asyncio

import asyncpg

from controller.templates.merge import TemplateAction, TemplateState
from controller.templates.seeding import seed
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


async def test_two_replicas_at_once_both_end_with_all_templates(
    migrated_connection: asyncpg.Connection, second_connection: asyncpg.Connection
) -> None:
    for shipped in (SHIPPED, next_release()):
        results = await asyncio.gather(
            seed(migrated_connection, TABLE, shipped), seed(second_connection, TABLE, tuple(reversed(shipped)))
        )
        for result in results:
            assert set(states(result).values()) == {TemplateState.CURRENT}
        assert len(await all_rows(migrated_connection)) == len(SHIPPED)


async def test_an_insert_that_another_replica_did_first_is_not_claimed(
    migrated_connection: asyncpg.Connection, second_connection: asyncpg.Connection
) -> None:
    transaction = second_connection.transaction()
    await transaction.start()
    await seed(second_connection, TABLE, SHIPPED)
    waiting = asyncio.create_task(seed(migrated_connection, TABLE, SHIPPED))
    await blocked(second_connection)
    await transaction.commit()
    results = await waiting
    assert performed(results) == {TemplateAction.NONE}
    assert set(states(results).values()) == {TemplateState.CURRENT}


async def test_an_edit_in_the_moment_of_an_upgrade_is_not_overwritten(
    migrated_connection: asyncpg.Connection, second_connection: asyncpg.Connection
) -> None:
    await seed(migrated_connection, TABLE, SHIPPED)
    transaction = second_connection.transaction()
    await transaction.start()
    await second_connection.execute("UPDATE dashboard_template SET description = 'Mine' WHERE id = $1", NOTEBOOK)
    waiting = asyncio.create_task(seed(migrated_connection, TABLE, next_release()))
    await blocked(second_connection)
    await transaction.commit()
    results = await waiting
    assert states(results)[NOTEBOOK] is TemplateState.CUSTOMIZED
    assert (await row_of(migrated_connection, NOTEBOOK))["description"] == "Mine"
    assert sorted(states(results).values()) == ["Current", "Current", "Current", "Customized"]


async def test_a_deletion_in_the_moment_of_an_upgrade_is_made_good(
    migrated_connection: asyncpg.Connection, second_connection: asyncpg.Connection
) -> None:
    await seed(migrated_connection, TABLE, SHIPPED)
    transaction = second_connection.transaction()
    await transaction.start()
    await delete_by_force(second_connection, NOTEBOOK)
    waiting = asyncio.create_task(seed(migrated_connection, TABLE, next_release()))
    await blocked(second_connection)
    await transaction.commit()
    results = {result.template_id: result for result in await waiting}
    assert results[NOTEBOOK].performed is TemplateAction.INSERT
    assert results[NOTEBOOK].state is TemplateState.CURRENT
