"""The rules of table share_token, and when a token is good."""

from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from controller.database.connection import Connection
from tests.database.rows import insert, insert_as_it_was

HERE = "192.0.2.7"
NOBODYS = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"


@pytest_asyncio.fixture
async def shared(migrated_connection: Connection) -> Connection:
    """A connection to a database that holds one dashboard."""
    await insert(migrated_connection, "dashboard")
    return migrated_connection


async def good(connection: Connection, token: Any, address: str | None = HERE) -> bool:
    answer: bool = await connection.fetchval(
        "SELECT share_token_is_valid($1, $2)", token, ip_address(address) if address else None
    )
    return answer


async def test_a_new_token_reads_for_24_hours_from_anywhere(shared: Connection) -> None:
    row = await insert(shared, "share_token")
    assert row["expires_at"] - row["created_at"] == timedelta(hours=24)
    assert (row["permissions"], row["ip_restrictions"], row["revoked"]) == (["read"], None, False)
    assert await good(shared, row["token_id"])
    assert await good(shared, row["token_id"], "2001:db8::1")
    assert await good(shared, row["token_id"], None)


async def test_two_tokens_differ(shared: Connection) -> None:
    first, second = [(await insert(shared, "share_token"))["token_id"] for _ in range(2)]
    assert first != second


@pytest.mark.parametrize("span", ["1 second", "7 days"])
async def test_a_life_of_up_to_seven_days_is_taken(shared: Connection, span: str) -> None:
    await insert(shared, "share_token", expires_at=f"=now() + interval '{span}'")


@pytest.mark.parametrize("span", ["0 seconds", "-1 second", "7 days 1 second"])
async def test_another_life_is_refused(shared: Connection, span: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="share_token_lives_at_most_7_days"):
        await insert(shared, "share_token", expires_at=f"=now() + interval '{span}'")


async def test_a_life_cannot_be_lengthened_beyond_seven_days(shared: Connection) -> None:
    await insert(shared, "share_token")
    with pytest.raises(asyncpg.CheckViolationError):
        await shared.execute("UPDATE share_token SET expires_at = created_at + interval '8 days'")


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Pacific/Apia"])
async def test_seven_days_are_168_hours_in_every_time_zone(shared: Connection, zone: str) -> None:
    await shared.execute(f"SET TimeZone = '{zone}'")
    for day in ("2026-03-28 12:00Z", "2026-10-24 12:00Z"):  # the clocks change the night after
        born = f"='{day}'::timestamptz"
        end, too_late = (f"{born} + interval '168 hours {more} seconds'" for more in (0, 1))
        await insert_as_it_was(shared, "share_token", created_at=born, expires_at=end)
        with pytest.raises(asyncpg.CheckViolationError):
            await insert_as_it_was(shared, "share_token", created_at=born, expires_at=too_late)


@pytest.mark.parametrize(
    "column",
    [
        {"revoked": True},
        {"revoked_at": "=now()"},
        {"revoked_by": "ann"},
        {"revoked_by": "ann", "revoked_at": "=now()"},
        {"permissions": []},
        {"permissions": [None]},
        {"ip_restrictions": []},
        {"ip_restrictions": [None]},
        {"ip_restrictions": [ip_network("10.0.0.0/8"), ip_network("::ffff:10.0.0.0/104")]},
        {"usage_count": -1},
    ],
    ids=str,
)
async def test_what_does_not_agree_is_refused(shared: Connection, column: dict[str, Any]) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await insert(shared, "share_token", **column)


async def test_a_token_for_no_dashboard_is_refused(shared: Connection) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await insert(shared, "share_token", dashboard_id="none")


async def test_tokens_go_with_their_dashboard(shared: Connection) -> None:
    await insert(shared, "share_token")
    await shared.execute("DELETE FROM dashboard")
    assert await shared.fetchval("SELECT count(*) FROM share_token") == 0


async def test_a_revoked_token_is_not_good(shared: Connection) -> None:
    token = (await insert(shared, "share_token"))["token_id"]
    await shared.execute("UPDATE share_token SET revoked = true, revoked_at = now(), revoked_by = 'ann'")
    assert not await good(shared, token)


async def test_an_expired_token_is_not_good(shared: Connection) -> None:
    born = "=now() - interval '2 hours'"
    past = "=now() - interval '1 microsecond'"
    token = await insert_as_it_was(shared, "share_token", created_at=born, expires_at=past)
    assert not await good(shared, token["token_id"])


async def test_a_token_that_nobody_made_is_not_good(shared: Connection) -> None:
    assert await shared.fetchval("SELECT share_token_is_valid(gen_random_uuid(), '192.0.2.7')") is False
    assert await shared.fetchval("SELECT share_token_is_valid(NULL, '192.0.2.7')") is False


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (HERE, True),
        ("192.0.2.255", True),
        ("198.51.100.1", False),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
        ("::ffff:192.0.2.7", True),
        ("::ffff:198.51.100.1", False),
        ("::192.0.2.7", False),
        (None, False),
    ],
)
async def test_a_token_for_some_networks_is_good_from_there_only(
    shared: Connection, address: str | None, expected: bool
) -> None:
    networks = [ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")]
    token = await insert(shared, "share_token", ip_restrictions=networks)
    assert await good(shared, token["token_id"], address) is expected


async def test_any_ipv6_network_does_not_take_ipv4_written_as_ipv6(shared: Connection) -> None:
    token = (await insert(shared, "share_token", ip_restrictions=[ip_network("::/0")]))["token_id"]
    assert await good(shared, token, "2001:db8::1")
    assert not await good(shared, token, "::ffff:192.0.2.7")


@pytest.mark.parametrize(("state", "expected"), [("draft", True), ("active", True), ("archived", False)])
async def test_a_token_of_an_archived_dashboard_is_not_good(shared: Connection, state: str, expected: bool) -> None:
    await insert(shared, "dashboard", id="other", name="O", state=state)
    assert await good(shared, (await insert(shared, "share_token", dashboard_id="other"))["token_id"]) is expected


async def test_the_database_sets_the_time_of_creation(shared: Connection) -> None:
    later = "=now() + interval '9 days'"
    row = await insert(shared, "share_token", "created_at = now() AS is_now", created_at=later)
    assert row["is_now"]
    with pytest.raises(asyncpg.CheckViolationError, match="share_token_lives_at_most_7_days"):
        await insert(shared, "share_token", created_at=later, expires_at="=now() + interval '15 days'")


FIXED = ["created_at = created_at + interval '1 day'", "token_id = gen_random_uuid()"]
RISEN = [
    "revoked = false, revoked_at = NULL, revoked_by = NULL",
    "revoked_by = 'eve'",
    "revoked_at = now() + interval '1 day'",
]


@pytest.mark.parametrize("change", FIXED)
async def test_id_and_time_of_creation_cannot_be_changed(shared: Connection, change: str) -> None:
    before = await insert(shared, "share_token")
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="cannot be changed"):
        await shared.execute(f"UPDATE share_token SET {change}")
    assert await shared.fetchrow("SELECT * FROM share_token") == before


@pytest.mark.parametrize("change", RISEN)
async def test_a_revoked_token_stays_as_it_was_revoked(shared: Connection, change: str) -> None:
    await insert(shared, "share_token")
    await shared.execute("UPDATE share_token SET revoked = true, revoked_at = now(), revoked_by = 'ann'")
    before = await shared.fetchrow("SELECT * FROM share_token")
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="is revoked and stays so"):
        await shared.execute(f"UPDATE share_token SET {change}")
    assert await shared.fetchrow("SELECT * FROM share_token") == before
    await shared.execute("UPDATE share_token SET usage_count = 3, revoked = true, revoked_by = 'ann'")


async def test_uses_are_counted_from_the_audit_log(shared: Connection) -> None:
    used, unused = [(await insert(shared, "share_token"))["token_id"] for _ in range(2)]
    use = {"token_id": used, "access_method": "share_token", "client_ip": f"=inet '{HERE}'"}
    for different in ({}, {}, {"result": "denied"}, {"access_method": "rbac"}):
        await insert(shared, "audit_log", **(use | different))
    assert await shared.fetchval("SELECT update_share_token_usage()") == 1
    rows = await shared.fetch(
        "SELECT token_id, usage_count, last_used_at IS NOT NULL, host(last_used_ip) FROM share_token"
    )
    assert {tuple(row) for row in rows} == {(used, 2, True, HERE), (unused, 0, False, None)}
    assert await shared.fetchval("SELECT update_share_token_usage()") == 0


async def test_the_check_costs_two_lookups_by_primary_key(shared: Connection) -> None:
    await shared.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
    body = await shared.fetchval("SELECT pg_get_function_sqlbody('share_token_is_valid(uuid, inet)'::regprocedure)")
    statement = body.split("BEGIN ATOMIC")[1].split(";")[0]
    for parameter, value in (("token", f"uuid '{NOBODYS}'"), ("address", f"inet '{HERE}'")):
        assert f"share_token_is_valid.{parameter}" in statement
        statement = statement.replace(f"share_token_is_valid.{parameter}", value)
    plan = "\n".join(row[0] for row in await shared.fetch(f"EXPLAIN {statement}"))
    assert plan.count("Index Scan using share_token_pkey") == plan.count("Index Scan using dashboard_pkey") == 1
    assert "Seq Scan" not in plan


async def test_tokens_are_removed_30_days_after_they_expired(shared: Connection) -> None:
    for days in (29, 30, 31, 400):
        await insert_as_it_was(
            shared,
            "share_token",
            created_by=str(days),
            created_at=f"=now() - interval '{days + 1} days'",
            expires_at=f"=now() - interval '{days} days' - interval '1 second'",
        )
    await insert(shared, "share_token", created_by="new")
    assert await shared.fetchval("SELECT cleanup_expired_tokens()") == 3
    left = await shared.fetch("SELECT created_by FROM share_token ORDER BY 1")
    assert [row["created_by"] for row in left] == ["29", "new"]
    assert await shared.fetchval("SELECT cleanup_expired_tokens()") == 0
