"""The rules of table user_preferences."""

import json
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
        {"theme": "blue"},
        {"default_refresh_interval": 4},
        {"default_refresh_interval": 301},
        {"default_time_range": "last_year"},
        {"timezone": ""},
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
