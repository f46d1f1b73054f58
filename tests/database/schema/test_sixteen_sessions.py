"""Rules of the tables hold while sixteen sessions of an application write at once."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest_asyncio

from controller.database.connection import Connection, connected
from tests.database.rows import insert
from tests.database.targets import role, target_to
from tests.support.database import Database
from tests.support.postgres import PostgresServer

SESSIONS, ROUNDS = 16, 10
GRANTS = "GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; GRANT ALL ON ALL FUNCTIONS IN SCHEMA public TO {role}"

Sessions = list[Connection]


@pytest_asyncio.fixture
async def sessions(
    postgres: PostgresServer, database: Database, migrated_connection: Connection
) -> AsyncIterator[Sessions]:
    """Sessions of a role that was granted everything and owns nothing, each of which waits two seconds for a lock."""
    application = role(postgres, grants=GRANTS, database=database)
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connected(target_to(application))) for _ in range(SESSIONS)]
        for session in opened:
            await session.execute("SET lock_timeout = '2s'")
        yield opened


async def at_once(sessions: Sessions, act: Callable[[Connection, int], Awaitable[Any]]) -> list[Any]:
    """Return what each session answered, an error of PostgreSQL included."""
    acts = (act(session, number) for number, session in enumerate(sessions))
    answers = await asyncio.gather(*acts, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, asyncpg.PostgresError):
            raise answer
    return answers


async def test_no_edit_is_lost_to_one_from_a_stale_read(migrated_connection: Connection, sessions: Sessions) -> None:
    await insert(migrated_connection, "dashboard", doc='{"edits": []}')

    async def edit(session: Connection, number: int) -> list[str]:
        kept = []
        for turn in range(ROUNDS):
            read = await session.fetchrow("SELECT version, doc FROM dashboard WHERE id = 'd'")
            mine = f"{number}.{turn}"
            doc = json.dumps({"edits": [*json.loads(read["doc"])["edits"], mine]})
            try:
                await session.execute("UPDATE dashboard SET doc = $1, version = $2", doc, read["version"] + 1)
            except asyncpg.ObjectNotInPrerequisiteStateError:
                continue
            kept.append(mine)
        return kept

    kept = [edit for edits in await at_once(sessions, edit) for edit in edits]
    version, doc = await migrated_connection.fetchrow("SELECT version, doc FROM dashboard")
    assert sorted(json.loads(doc)["edits"]) == sorted(kept)
    assert version == 1 + len(kept)
    assert len(kept) < SESSIONS * ROUNDS  # some were refused, or nothing was tried


async def test_edits_that_do_not_name_the_version_count_one_each(
    migrated_connection: Connection, sessions: Sessions
) -> None:
    await insert(migrated_connection, "dashboard")
    await at_once(sessions, lambda s, number: s.execute("UPDATE dashboard SET updated_by = $1", f"u{number}"))
    assert await migrated_connection.fetchval("SELECT version FROM dashboard") == 1 + SESSIONS


async def test_a_state_that_went_forward_is_not_taken_back_by_one_who_read_it_before(
    migrated_connection: Connection, sessions: Sessions
) -> None:
    await insert(migrated_connection, "dashboard", state="draft")
    states = ["archived", "active", "draft"]
    await at_once(sessions, lambda s, number: s.execute("UPDATE dashboard SET state = $1", states[number % 3]))
    assert await migrated_connection.fetchval("SELECT state FROM dashboard") == "archived"


async def test_of_those_who_revoke_a_token_and_those_who_take_it_back_the_first_revocation_stays(
    migrated_connection: Connection, sessions: Sessions
) -> None:
    await insert(migrated_connection, "dashboard")
    token = (await insert(migrated_connection, "share_token"))["token_id"]
    revoke = "UPDATE share_token SET revoked = true, revoked_at = now(), revoked_by = $1"
    take_back = "UPDATE share_token SET revoked = false, revoked_at = NULL, revoked_by = NULL WHERE created_by <> $1"
    answers = await at_once(
        sessions, lambda session, number: session.execute((revoke, take_back)[number % 2], f"u{number}")
    )
    revoked = [f"u{number}" for number, answer in enumerate(answers) if number % 2 == 0 and answer == "UPDATE 1"]
    assert [await migrated_connection.fetchval("SELECT revoked_by FROM share_token")] == revoked
    assert not await migrated_connection.fetchval("SELECT share_token_is_valid($1, '192.0.2.7')", token)


async def test_uses_of_one_token_do_not_queue_and_none_is_lost(
    migrated_connection: Connection, sessions: Sessions
) -> None:
    await insert(migrated_connection, "dashboard")
    token = (await insert(migrated_connection, "share_token"))["token_id"]

    async def use(session: Connection, number: int) -> None:
        for _ in range(ROUNDS):
            assert await session.fetchval("SELECT share_token_is_valid($1, '192.0.2.7')", token)
            await insert(session, "audit_log", token_id=token, access_method="share_token")

    async with migrated_connection.transaction():
        await migrated_connection.execute("SELECT FROM share_token FOR UPDATE")
        assert await at_once(sessions, use) == [None] * SESSIONS
    assert await migrated_connection.fetchval("SELECT update_share_token_usage()") == 1
    assert await migrated_connection.fetchval("SELECT usage_count FROM share_token") == SESSIONS * ROUNDS


async def test_a_system_template_keeps_its_id_and_its_links(
    migrated_connection: Connection, sessions: Sessions
) -> None:
    await insert(migrated_connection, "dashboard_template", is_system=True)
    await insert(migrated_connection, "dashboard", template_id="t")
    attacks = [
        "UPDATE dashboard_template SET id = 'mine'",
        "UPDATE dashboard_template SET is_system = false",
        "DELETE FROM dashboard_template",
        "UPDATE dashboard_template SET description = description || 'x'",
    ]
    answers = await at_once(sessions, lambda session, number: session.execute(attacks[number % 4]))
    refused = [isinstance(answer, asyncpg.InsufficientPrivilegeError) for answer in answers]
    assert refused == [number % 4 != 3 for number in range(SESSIONS)]
    row = await migrated_connection.fetchrow("SELECT id, is_system, length(description) FROM dashboard_template")
    assert tuple(row) == ("t", True, SESSIONS // 4)
    assert await migrated_connection.fetchval("SELECT template_id FROM dashboard") == "t"


async def test_favourites_stay_strings_and_at_most_50(migrated_connection: Connection, sessions: Sessions) -> None:
    await insert(migrated_connection, "user_preferences")

    async def add(session: Connection, number: int) -> int:
        added = 0
        for turn in range(ROUNDS):
            value = json.dumps(f"d{number}.{turn}") if number % 4 else "7"
            try:
                await session.execute(
                    "UPDATE user_preferences SET favorite_dashboards = favorite_dashboards || $1::text::jsonb", value
                )
            except asyncpg.CheckViolationError:
                continue
            added += 1
        return added

    assert sum(await at_once(sessions, add)) == 50
    favourites = json.loads(await migrated_connection.fetchval("SELECT favorite_dashboards FROM user_preferences"))
    assert len(favourites) == 50
    assert {type(favourite) for favourite in favourites} == {str}


async def test_time_zones_that_do_not_exist_are_refused_to_all(
    migrated_connection: Connection, sessions: Sessions
) -> None:
    def add(session: Connection, number: int) -> Awaitable[Any]:
        zone = "Europe/Berlin" if number % 2 else f"UTC+{number}"
        return insert(session, "user_preferences", user_id=f"u{number}", timezone=zone)

    answers = await at_once(sessions, add)
    assert sum(isinstance(answer, asyncpg.InvalidParameterValueError) for answer in answers) == SESSIONS // 2
    zones = await migrated_connection.fetch("SELECT timezone FROM user_preferences")
    assert [row["timezone"] for row in zones] == ["Europe/Berlin"] * (SESSIONS // 2)


async def test_audit_rows_have_ids_and_times_of_the_database(
    migrated_connection: Connection, sessions: Sessions
) -> None:
    async def write(session: Connection, number: int) -> None:
        for _ in range(ROUNDS):
            await insert(session, "audit_log", id=number + 1, timestamp="=now() - interval '1 year'")

    before = await migrated_connection.fetchval("SELECT clock_timestamp()")
    assert await at_once(sessions, write) == [None] * SESSIONS
    rows = await migrated_connection.fetch("SELECT id, timestamp FROM audit_log ORDER BY id")
    assert [row["id"] for row in rows] == list(range(1, SESSIONS * ROUNDS + 1))
    assert min(row["timestamp"] for row in rows) >= before
