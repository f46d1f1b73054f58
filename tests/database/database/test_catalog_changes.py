"""Counts of the changes in PostgreSQL's own catalogs."""

import json

import pytest

from controller.database.catalog_changes import CATALOG_CHANGES, CATALOGS, changes_digest
from controller.database.connection import Connection
from controller.database.questions import ask
from controller.errors import ProtocolViolation


async def test_each_catalog_has_the_oid_that_is_written_down(connection: Connection) -> None:
    query = "SELECT json_object_agg(oid::regclass, oid::int) FROM pg_class WHERE oid = ANY ($1::text::oid[])"
    found = json.loads(await connection.fetchval(query, str(set(CATALOGS.values()))))
    assert found == CATALOGS


async def test_the_digest_changes_with_each_change_of_a_catalog_and_with_nothing_else(connection: Connection) -> None:
    async def digest() -> str | None:
        await connection.execute("SELECT pg_stat_force_next_flush()")
        return changes_digest((await ask(connection, CATALOG_CHANGES)).values[0])

    await connection.execute("CREATE TABLE one (n int)")
    first = await digest()
    await connection.execute("INSERT INTO one SELECT generate_series(1, 1000); ANALYZE one")
    assert await digest() == first
    seen = {first}
    for change in (
        "ALTER TABLE one ADD m int",
        "REVOKE ALL ON one FROM PUBLIC",
        "DROP TABLE one",
        "CREATE TYPE t AS ()",
    ):
        await connection.execute(change)
        seen.add(await digest())
    assert None not in seen
    assert len(seen) == 5


@pytest.mark.parametrize(
    "answer",
    [[False, [1, 2], "public", "ann"], [True, [0, 0], "public", "ann"]],
    ids=["they are not counted", "a crash has lost them"],
)
def test_there_is_no_digest_where_counts_tell_nothing(answer: object) -> None:
    assert changes_digest(answer) is None


@pytest.mark.parametrize("answer", [None, 5, [], [True], [True, 5], [True, ["a"]], [True, [None]]])
def test_an_answer_of_another_form_is_refused(answer: object) -> None:
    with pytest.raises(ProtocolViolation, match="its catalogs"):
        changes_digest(answer)
