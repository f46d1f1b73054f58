"""The rules of table share_token, and when a token is good."""

from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from controller.database.connection import Connection
from tests.database.rows import insert

HERE = "192.0.2.7"


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
        await insert(shared, "share_token", created_at=born, expires_at=f"{born} + interval '168 hours'")
        with pytest.raises(asyncpg.CheckViolationError):
            await insert(shared, "share_token", created_at=born, expires_at=f"{born} + interval '168 hours 1 second'")


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
    token = await insert(shared, "share_token", created_at=born, expires_at="=now() - interval '1 microsecond'")
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
        (None, False),
    ],
)
async def test_a_token_for_some_networks_is_good_from_there_only(
    shared: Connection, address: str | None, expected: bool
) -> None:
    networks = [ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")]
    token = await insert(shared, "share_token", ip_restrictions=networks)
    assert await good(shared, token["token_id"], address) is expected


async def test_the_check_costs_one_index_probe(shared: Connection) -> None:
    await shared.execute("SET enable_seqscan = off")
    plan = await shared.fetch(
        "EXPLAIN SELECT share_token_is_valid('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '192.0.2.7')"
    )
    inner = await shared.fetch(
        "EXPLAIN SELECT FROM share_token WHERE token_id = gen_random_uuid() AND NOT revoked AND expires_at > now()"
    )
    assert len(plan) == 1
    assert sum("Index" in row[0] and "Scan" in row[0] for row in inner) == 1


async def test_tokens_are_removed_30_days_after_they_expired(shared: Connection) -> None:
    for days in (29, 30, 31, 400):
        await insert(
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
