"""Servers that answer at random, at every stage of the protocol: each ends in an error of ours, and nothing is left."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.database.connection import Connection, connected
from controller.database.target import SslMode, Target
from controller.errors import DatabaseUnavailable
from controller.migrate.history.read import read_history
from tests.database.engine import read_facts
from tests.support.effort import rounds
from tests.support.hostile import hostile_server
from tests.support.random_server import random_server

AT_ONCE = 40
PASSWORD = "c4nary-horse"
TARGET = Target(
    host="127.0.0.1", port=0, database="perses", user="ann", password=PASSWORD, ssl_mode=SslMode.DISABLE,
    connect_timeout=0.3, query_timeout=0.3,
)  # fmt: skip
QUESTIONS: tuple[Callable[[Connection], Awaitable[Any]], ...] = (
    lambda connection: connection.fetch("SELECT 1"),
    lambda connection: connection.fetchval("SELECT $1", "x"),
    lambda connection: connection.execute("SELECT 1"),
    read_facts,
    read_history,
)


async def outcome(seed: int) -> str:
    """Return the reason in which a connection to one of the servers ends; no other error than ours is caught."""
    ask = random.Random(seed).choice(QUESTIONS)
    async with hostile_server(random_server(seed)) as port:
        try:
            async with connected(replace(TARGET, port=port)) as connection:
                await ask(connection)
                await ask(connection)
        except DatabaseUnavailable as error:
            return error.reason if PASSWORD not in error.message else PASSWORD
    return "answered"


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.repeats
@pytest.mark.timeout(1800)
async def test_each_ends_in_an_error_of_ours_and_nothing_is_left(caplog: pytest.LogCaptureFixture) -> None:
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    await outcome(0)
    tasks, open_before = len(asyncio.all_tasks()), descriptors()
    seen: Counter[str] = Counter()
    with caplog.at_level(logging.DEBUG):
        for begin in range(0, rounds(short=200, long=10_000), AT_ONCE):
            seen.update(await asyncio.gather(*(outcome(begin + number) for number in range(AT_ONCE))))
    async with asyncio.timeout(10):
        while len(asyncio.all_tasks()) > tasks or descriptors() > open_before:  # noqa: ASYNC110 - see hostile_server
            await asyncio.sleep(0.01)
    assert faults == []
    assert PASSWORD not in caplog.text
    assert PASSWORD not in seen
    assert len(seen) >= 6, seen
