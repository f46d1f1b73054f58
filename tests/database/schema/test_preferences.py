"""The rules of table user_preferences."""

import json
import re
from typing import Any

import asyncpg
import pytest

from controller.database.connection import Connection
from tests.database.rows import insert


def ids(count: int) -> str:
    return json.dumps([f"d{number}" for number in range(count)])


async def test_a_new_user_has_the_promised_defaults(migrated_connection: Connection) -> None:
    row = await insert(migrated_connection, "user_preferences")
    assert (row["default_time_range"], row["default_refresh_interval"], row["timezone"]) == ("last_1h", 15, "UTC")
    assert (row["theme"], row["favorite_dashboards"], row["recent_dashboards"]) == ("auto", "[]", "[]")


async def test_there_is_one_row_a_user(migrated_connection: Connection) -> None:
    await insert(migrated_connection, "user_preferences")
    with pytest.raises(asyncpg.UniqueViolationError):
        await insert(migrated_connection, "user_preferences")


@pytest.mark.parametrize(
    "column",
    [
        {"favorite_dashboards": ids(50)},
        {"recent_dashboards": ids(10)},
        {"theme": "light"},
        {"theme": "dark"},
        {"default_refresh_interval": 5},
        {"default_refresh_interval": 300},
    ],
    ids=lambda column: str(column)[:40],
)
async def test_bounds_themselves_are_taken(migrated_connection: Connection, column: dict[str, Any]) -> None:
    await insert(migrated_connection, "user_preferences", **column)


@pytest.mark.parametrize(
    "column",
    [
        {"favorite_dashboards": ids(51)},
        {"recent_dashboards": ids(11)},
        {"favorite_dashboards": "{}"},
        {"recent_dashboards": '"d"'},
        {"recent_dashboards": "null"},
        {"favorite_dashboards": '["d", 7]'},
        {"favorite_dashboards": "[null]"},
        {"favorite_dashboards": '[["d"]]'},
        {"favorite_dashboards": '[{"id": "d"}]'},
        {"recent_dashboards": "[true]"},
        {"theme": "blue"},
        {"default_refresh_interval": 4},
        {"default_refresh_interval": 301},
        {"default_time_range": "last_year"},
        {"user_id": ""},
    ],
    ids=lambda column: str(column)[:40],
)
async def test_what_is_out_of_bounds_is_refused(migrated_connection: Connection, column: dict[str, Any]) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await insert(migrated_connection, "user_preferences", **column)


async def test_the_time_of_the_last_change_is_kept(migrated_connection: Connection) -> None:
    before = await insert(migrated_connection, "user_preferences", updated_at="=now() - interval '1 day'")
    await migrated_connection.execute("UPDATE user_preferences SET theme = 'dark', updated_at = 'epoch'")
    after = await migrated_connection.fetchrow("SELECT * FROM user_preferences")
    assert after["updated_at"] > before["updated_at"]
    assert after["created_at"] == before["created_at"]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Asia/Kolkata"])
async def test_names_of_time_zones_are_taken(migrated_connection: Connection, zone: str) -> None:
    await insert(migrated_connection, "user_preferences", timezone=zone)
    await migrated_connection.execute("UPDATE user_preferences SET timezone = 'Asia/Tokyo'")
    await migrated_connection.execute("UPDATE user_preferences SET timezone = $1", zone)


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "europe/berlin", "Europe/Berlin ", "UTC+3", "foo-5", "+02:00"])
async def test_what_is_no_name_of_a_time_zone_is_refused(migrated_connection: Connection, zone: str) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError, match=f'no time zone "{re.escape(zone)}"') as caught:
        await insert(migrated_connection, "user_preferences", timezone=zone)
    assert "pg_timezone_names" in str(caught.value.hint)
    await insert(migrated_connection, "user_preferences")
    with pytest.raises(asyncpg.InvalidParameterValueError):
        await migrated_connection.execute("UPDATE user_preferences SET timezone = $1", zone)
