"""Seeding against a real PostgreSQL: what is written, and what never is."""

import dataclasses
import json

import asyncpg
import pytest

from controller.database.questions import ask
from controller.errors import ProtocolViolation
from controller.templates.merge import TemplateAction, TemplateRow, TemplateState
from controller.templates.seeding import read_rows, rows_from, seed, templates_question
from tests.database.template_rows import (
    NOTEBOOK,
    SHIPPED,
    TABLE,
    all_rows,
    delete_by_force,
    next_release,
    performed,
    row_of,
    states,
)


async def insert_custom(connection: asyncpg.Connection, template_id: str, name: str) -> None:
    await connection.execute(
        "INSERT INTO dashboard_template (id, name, category, doc, created_by) VALUES ($1, $2, 'custom', '{}', 'alice')",
        template_id,
        name,
    )


async def test_an_empty_table_gets_the_four_templates(migrated_connection: asyncpg.Connection) -> None:
    results = await seed(migrated_connection, TABLE, SHIPPED)
    assert performed(results) == {TemplateAction.INSERT}
    assert set(states(results).values()) == {TemplateState.CURRENT}
    for template in SHIPPED:
        row = await row_of(migrated_connection, template.id)
        assert row["is_system"]
        assert (row["created_by"], row["usage_count"], row["version"]) == ("dashdb", 0, template.version)
        assert row["seeded_sha256"] == template.content_sha256
        assert json.loads(row["doc"]) == template.document


async def test_what_was_written_reads_back_with_the_same_digest(
    migrated_connection: asyncpg.Connection,
) -> None:
    await seed(migrated_connection, TABLE, SHIPPED)
    rows = {row.id: row for row in await read_rows(migrated_connection, TABLE)}
    assert {template.id: template.content_sha256 for template in SHIPPED} == {
        row.id: row.content_sha256 for row in rows.values() if isinstance(row, TemplateRow)
    }


async def test_rows_are_the_same_in_one_answer_and_one_by_one(migrated_connection: asyncpg.Connection) -> None:
    await seed(migrated_connection, TABLE, SHIPPED)
    few = (await ask(migrated_connection, templates_question(TABLE))).values[0]
    assert rows_from(few) == await read_rows(migrated_connection, TABLE)
    await migrated_connection.execute(
        "UPDATE dashboard_template SET description = repeat('long ', 40000) WHERE id = $1", NOTEBOOK
    )
    assert (await ask(migrated_connection, templates_question(TABLE))).values[0] is None
    edited = {row.id: row for row in await read_rows(migrated_connection, TABLE)}[NOTEBOOK]
    assert isinstance(edited, TemplateRow)
    assert len(edited.description) == 200000


@pytest.mark.parametrize(
    "answer", [5, {"id": "x"}, [5], [{"id": "x"}], [dict.fromkeys("abcdefghi", 1)], [{key: [] for key in "abcdefghi"}]]
)
def test_an_answer_that_holds_no_rows_of_templates_is_refused(answer: object) -> None:
    with pytest.raises(ProtocolViolation):
        rows_from(answer)


async def test_a_second_run_writes_nothing_and_takes_no_transaction_id(
    migrated_connection: asyncpg.Connection,
) -> None:
    await seed(migrated_connection, TABLE, SHIPPED)
    rows = await all_rows(migrated_connection)
    async with migrated_connection.transaction():
        results = await seed(migrated_connection, TABLE, SHIPPED)
        assert await migrated_connection.fetchval("SELECT pg_current_xact_id_if_assigned()::text") is None
    assert performed(results) == {TemplateAction.NONE}
    assert await all_rows(migrated_connection) == rows


async def test_untouched_rows_upgrade_and_keep_what_is_not_content(
    migrated_connection: asyncpg.Connection,
) -> None:
    await seed(migrated_connection, TABLE, SHIPPED)
    await migrated_connection.execute("UPDATE dashboard_template SET usage_count = 7")
    before = await row_of(migrated_connection, NOTEBOOK)
    results = await seed(migrated_connection, TABLE, next_release())
    after = await row_of(migrated_connection, NOTEBOOK)
    assert performed(results) == {TemplateAction.UPGRADE}
    assert set(states(results).values()) == {TemplateState.CURRENT}
    assert after["version"] == "1.1.0"
    assert after["description"].endswith("Better.")
    for kept in ("usage_count", "created_at", "created_by", "is_system"):
        assert after[kept] == before[kept]


async def test_a_users_edit_survives_and_is_reported(migrated_connection: asyncpg.Connection) -> None:
    await seed(migrated_connection, TABLE, SHIPPED)
    await migrated_connection.execute(
        "UPDATE dashboard_template SET doc = jsonb_set(doc, '{spec,duration}', '\"6h\"') WHERE id = $1",
        NOTEBOOK,
    )
    before = await row_of(migrated_connection, NOTEBOOK)
    results = await seed(migrated_connection, TABLE, next_release())
    (result,) = (result for result in results if result.template_id == NOTEBOOK)
    assert (result.state, result.performed) == (TemplateState.CUSTOMIZED, TemplateAction.NONE)
    assert (result.row_version, result.shipped_version) == ("1.0.0", "1.1.0")
    assert await row_of(migrated_connection, NOTEBOOK) == before


async def test_a_document_that_was_read_and_written_back_is_no_edit(
    migrated_connection: asyncpg.Connection,
) -> None:
    await seed(migrated_connection, TABLE, SHIPPED)
    await migrated_connection.execute(
        "UPDATE dashboard_template SET doc = replace(doc::text, '\"width\": 12', '\"width\": 12.0')::jsonb"
    )
    assert set(states(await seed(migrated_connection, TABLE, SHIPPED)).values()) == {TemplateState.CURRENT}


async def test_a_deleted_template_comes_back(migrated_connection: asyncpg.Connection) -> None:
    await seed(migrated_connection, TABLE, SHIPPED)
    await delete_by_force(migrated_connection, NOTEBOOK)
    results = await seed(migrated_connection, TABLE, SHIPPED)
    assert {r.template_id for r in results if r.performed is TemplateAction.INSERT} == {NOTEBOOK}


async def test_a_row_restored_by_hand_is_adopted_without_a_change_of_content(
    migrated_connection: asyncpg.Connection,
) -> None:
    await seed(migrated_connection, TABLE, SHIPPED)
    await migrated_connection.execute("UPDATE dashboard_template SET seeded_sha256 = NULL, version = '0.9.0'")
    results = await seed(migrated_connection, TABLE, SHIPPED)
    assert performed(results) == {TemplateAction.UPGRADE}
    row = await row_of(migrated_connection, NOTEBOOK)
    assert (row["version"], json.loads(row["doc"])) == ("1.0.0", SHIPPED[2].document)


async def test_an_older_replica_does_not_undo_a_newer_one(migrated_connection: asyncpg.Connection) -> None:
    await seed(migrated_connection, TABLE, next_release())
    rows = await all_rows(migrated_connection)
    results = await seed(migrated_connection, TABLE, SHIPPED)
    assert set(states(results).values()) == {TemplateState.CURRENT}
    assert await all_rows(migrated_connection) == rows


@pytest.mark.parametrize(
    ("template_id", "name"), [(NOTEBOOK, "Mine"), ("mine", "Notebook")], ids=["our id", "our name"]
)
async def test_a_custom_template_with_our_id_or_name_is_never_touched(
    migrated_connection: asyncpg.Connection, template_id: str, name: str
) -> None:
    await insert_custom(migrated_connection, template_id, name)
    before = await row_of(migrated_connection, template_id)
    results = await seed(migrated_connection, TABLE, SHIPPED)
    assert states(results)[NOTEBOOK] is TemplateState.CONFLICT
    assert sorted(states(results).values()) == ["Conflict", "Current", "Current", "Current"]
    assert await row_of(migrated_connection, template_id) == before


async def test_only_rows_that_matter_are_read(migrated_connection: asyncpg.Connection) -> None:
    await seed(migrated_connection, TABLE, SHIPPED)
    await insert_custom(migrated_connection, "mine", "Mine")
    assert [row.id for row in await read_rows(migrated_connection, TABLE)] == sorted(t.id for t in SHIPPED)


async def test_codecs_that_others_set_on_the_connection_change_nothing(
    migrated_connection: asyncpg.Connection,
) -> None:
    await migrated_connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads, format="text"
    )
    await seed(migrated_connection, TABLE, SHIPPED)
    assert set(states(await seed(migrated_connection, TABLE, SHIPPED)).values()) == {TemplateState.CURRENT}


async def test_a_failure_leaves_nothing_behind(migrated_connection: asyncpg.Connection) -> None:
    broken = (*SHIPPED[:-1], dataclasses.replace(SHIPPED[-1], version="one"))
    with pytest.raises(asyncpg.CheckViolationError):
        await seed(migrated_connection, TABLE, broken)
    assert await all_rows(migrated_connection) == []
