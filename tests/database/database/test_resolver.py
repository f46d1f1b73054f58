"""Names of hosts: looked up beside everything else, with a share for each tenant, and dialled as they were checked."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from controller.database.addresses import AddressRules
from controller.database.connection import connect, connected
from controller.database.resolver import THREADS, THREADS_OF_A_TENANT
from controller.database.target import Target
from controller.errors import DatabaseUnavailable
from tests.support import hostile
from tests.support.hostile import Client, hostile_server

NO_LOOPBACK = AddressRules((ip_network("127.0.0.0/8"), ip_network("::1/128")))


@pytest.fixture
async def mute_resolver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[str]]:
    """Let names that end in .mute never be answered; yield those that were asked for."""
    asked: list[str] = []
    end = threading.Event()
    real = socket.getaddrinfo

    def look_up(host: str, *rest: Any, **options: Any) -> Any:
        if not host.endswith(".mute"):
            return real(host, *rest, **options)
        asked.append(host)
        end.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield asked
    end.set()


async def refusal(target: Target) -> DatabaseUnavailable:
    with pytest.raises(DatabaseUnavailable) as caught:
        await connect(target)
    return caught.value


async def test_names_that_nobody_answers_hold_up_their_tenant_alone(target: Target, mute_resolver: list[str]) -> None:
    mute = replace(target, connect_timeout=1.0)
    waiting = [
        asyncio.create_task(refusal(replace(mute, host=f"{number}.mute", tenant=f"team-{number % 5}")))
        for number in range(100)
    ]
    async with connected(replace(target, host="localhost", tenant="other")) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    assert len(mute_resolver) <= 5 * THREADS_OF_A_TENANT < THREADS
    assert {error.reason for error in await asyncio.gather(*waiting)} == {"Timeout"}
    assert len(mute_resolver) <= 5 * THREADS_OF_A_TENANT, "a lookup whose dial has ended is not begun"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "::1", "::ffff:127.0.0.1"])
async def test_an_address_that_is_denied_is_told_and_never_dialled(target: Target, host: str) -> None:
    clients: list[Client] = []
    async with hostile_server(hostile.mute, clients) as port:
        for closed_or_open in (port, 1):
            error = await refusal(replace(target, host=host, port=closed_or_open, address_rules=NO_LOOPBACK))
            assert error.reason == "AddressNotAllowed"
            assert "the operator does not connect to this address" in error.message
    assert clients == []


async def test_the_address_that_was_checked_is_dialled_and_no_second_lookup_is_made(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resolver that answers differently the second time cannot lead to an address that was not checked."""
    answers = iter(["127.0.0.1"])

    def look_up(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    rules = AddressRules((ip_network("169.254.0.0/16"),))
    async with connected(replace(target, host="db.example", address_rules=rules)) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    assert list(answers) == []


async def test_of_several_addresses_those_that_are_allowed_are_dialled(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_up(*_: Any, **__: Any) -> list[Any]:
        addresses = ["169.254.169.254", "127.0.0.2", "127.0.0.1", "127.0.0.1"]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    rules = AddressRules((ip_network("169.254.0.0/16"), ip_network("127.0.0.2/32")))
    async with connected(replace(target, host="db.example", address_rules=rules)) as connection:
        assert await connection.fetchval("SELECT 1") == 1
