"""Servers that log us in and then answer with what fills memory or stops decoders: each ends in a reason of its own."""

import asyncio
import logging
from dataclasses import replace

import pytest

from controller.database.connection import connected
from controller.errors import DatabaseUnavailable
from tests.database.database.test_hostile_servers import TARGET, nothing_left_over
from tests.support import hostile
from tests.support.hostile import Script, hostile_server


async def ended(script: Script) -> DatabaseUnavailable:
    """Return the error of a query to a server that runs SCRIPT."""
    async with nothing_left_over(), hostile_server(script) as port, asyncio.timeout(20):
        with pytest.raises(DatabaseUnavailable) as caught:
            async with connected(replace(TARGET, port=port, query_timeout=10)) as connection:
                await connection.fetch("SELECT 1")
    return caught.value


@pytest.mark.parametrize("answer", hostile.ANSWERS)
async def test_each_answer_ends_in_its_reason(answer: str, caplog: pytest.LogCaptureFixture) -> None:
    script, reason = hostile.ANSWERS[answer]
    with caplog.at_level(logging.DEBUG):
        error = await ended(script)
    assert error.reason == reason
    assert error.message.startswith('database "perses" at 127.0.0.1:')
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("login", hostile.LOGINS)
async def test_each_login_ends_in_its_reason(login: str) -> None:
    script, reason = hostile.LOGINS[login]
    assert (await ended(script)).reason == reason
