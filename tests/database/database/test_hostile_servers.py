"""Servers that want our password, our time or our memory: each ends in a reason of its own, and nobody else notices."""

import asyncio
import gc
import hashlib
import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from tenacity import AsyncRetrying

from controller.database.auth_messages import MOST_ITERATIONS
from controller.database.connection import answer_limit, connected
from controller.database.hardened_protocol import ANSWER_SHARE, PIECE, HardenedProtocol, _hashing, _salted
from controller.database.pool.pool import Pool
from controller.database.pool.values import PoolSettings
from controller.database.target import SslMode, Target
from controller.errors import DatabaseUnavailable
from tests.support import hostile
from tests.support.certificates import Certificates
from tests.support.hostile import Client, Script, hostile_server
from tests.support.postgres import PostgresServer

PASSWORD = "h0rse battery"
TARGET = Target(
    host="127.0.0.1", port=0, database="perses", user="ann", password=PASSWORD, ssl_mode=SslMode.DISABLE,
    connect_timeout=2, query_timeout=1,
)  # fmt: skip


@asynccontextmanager
async def nothing_left_over() -> AsyncIterator[None]:
    """No task and no connection outlives the `with`."""
    before = asyncio.all_tasks()
    yield
    async with asyncio.timeout(10):
        while asyncio.all_tasks() - before:  # noqa: ASYNC110 - a server that was closed gives its tasks one more turn
            await asyncio.sleep(0.005)


async def ask(port: int, **changes: object) -> int:
    pool = Pool(replace(TARGET, port=port, **changes), PoolSettings(max_open=2, max_idle=2))  # type: ignore[arg-type]
    try:
        async with pool.connection() as connection:
            answer: int = await connection.fetchval("SELECT 1")
            return answer
    finally:
        await pool.close()
        assert pool.statistics.open == 0


async def refused(script: Script, clients: list[Client] | None = None, **changes: object) -> DatabaseUnavailable:
    """Return the error of a connection to a server that runs SCRIPT."""
    async with nothing_left_over(), hostile_server(script, clients) as port, asyncio.timeout(20):
        with pytest.raises(DatabaseUnavailable) as caught:
            await ask(port, **changes)
    assert "h0rse" not in caught.value.message
    assert "script" not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (hostile.mute, "Timeout"),
        (hostile.mute_after_startup, "Timeout"),
        (hostile.mute_in_scram, "Timeout"),
        (hostile.mute_after_login, "Timeout"),
        (hostile.slow, "Timeout"),
        (hostile.asks_for_kerberos, "LoginMethodUnsupported"),
        (hostile.scram_bomb, "LoginTooCostly"),
        (hostile.scram_challenge(0), "LoginTooCostly"),
        (hostile.talks_before_login, "NotPostgreSQL"),
        (hostile.talks_after_login, "AnswerTooLarge"),
        (hostile.speaks_http, "NotPostgreSQL"),
        (hostile.answers_nonsense, "ProtocolViolation"),
        (hostile.refuses_with("53300"), "TooManyConnections"),
        (hostile.refuses_with("57P03"), "ServerNotReady"),
        (hostile.fails_queries_with("53100"), "DiskFull"),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", ""),
)
async def test_each_ends_in_its_own_reason(script: Script, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        assert (await refused(script)).reason == reason
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("stage", hostile.CLOSING_SCRIPTS)
async def test_one_that_hangs_up_at_any_stage_is_a_lost_connection(stage: str) -> None:
    assert (await refused(hostile.CLOSING_SCRIPTS[stage])).reason == "ConnectionLost"


async def test_a_password_is_not_sent_in_plain_text_to_a_server_that_nobody_verified(
    certificates: Certificates,
) -> None:
    clients: list[Client] = []
    async with hostile_server(hostile.asks_for_plain_password_over_tls(certificates), clients) as port:
        with pytest.raises(DatabaseUnavailable) as caught:
            await ask(port, ssl_mode=SslMode.REQUIRE)
    assert caught.value.reason == "PlaintextPasswordRefused"
    assert [bytes(client.said) for client in clients] == [b""]


async def test_a_server_that_was_verified_may_ask_for_it_in_plain_text(certificates: Certificates) -> None:
    clients: list[Client] = []
    async with hostile_server(hostile.asks_for_plain_password_over_tls(certificates), clients) as port:
        with pytest.raises(DatabaseUnavailable):  # it answers no question
            await ask(port, ssl_mode=SslMode.VERIFY_FULL, ca_pem=certificates.ca.read_text())
    assert PASSWORD.encode() in bytes(clients[0].said)


async def test_who_turned_tls_off_has_said_that_it_may_be_read() -> None:
    clients: list[Client] = []
    await refused(hostile.asks_for_plain_password, clients, password_in_plaintext=True)
    assert PASSWORD.encode() in bytes(clients[0].said)


async def test_without_tls_no_other_word_makes_the_password_go_out_in_plain_text() -> None:
    clients: list[Client] = []
    error = await refused(hostile.asks_for_plain_password, clients, password_in_plaintext=False)
    assert error.reason == "PlaintextPasswordRefused"
    assert bytes(clients[0].said) == b""


async def test_over_tls_without_a_check_of_the_server_it_stays_here_too(certificates: Certificates) -> None:
    clients: list[Client] = []
    script = hostile.asks_for_plain_password_over_tls(certificates)
    error = await refused(script, clients, ssl_mode=SslMode.REQUIRE, password_in_plaintext=True)
    assert error.reason == "PlaintextPasswordRefused"
    assert bytes(clients[0].said) == b""


async def test_the_costly_hash_is_made_beside_the_event_loop_and_once_for_a_user(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []
    real = hashlib.pbkdf2_hmac

    def seen(*arguments: Any) -> bytes:
        threads.append(threading.current_thread().name)
        return real(*arguments)

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", seen)
    for _ in range(3):
        async with connected(target):
            pass
    assert [name.startswith("scram") for name in threads] == [True]


async def test_the_dearest_hash_that_is_made_holds_up_the_login_and_nothing_else() -> None:
    assert (await refused(hostile.scram_challenge(MOST_ITERATIONS))).reason == "Timeout"


@pytest.mark.parametrize("of_another_login", [False, True])
async def test_hashes_for_servers_with_ever_new_salts_are_not_all_kept(
    monkeypatch: pytest.MonkeyPatch, of_another_login: bool
) -> None:
    monkeypatch.setattr("controller.database.hardened_protocol.MOST_HASHES", 2)
    _salted.clear()
    for _ in range(4):
        await refused(hostile.scram_challenge(1, of_another_login=of_another_login), connect_timeout=0.5)
        assert 0 < len(_salted) <= 2


async def test_servers_that_ask_for_many_rounds_do_not_hold_up_the_logins_of_others(target: Target) -> None:
    """Twenty dials of one tenant, each with the most rounds that are allowed and a salt of its own."""
    longest, script = 0.0, hostile.scram_challenge(MOST_ITERATIONS)
    async with AsyncExitStack() as servers, asyncio.timeout(30):
        ports = [await servers.enter_async_context(hostile_server(script)) for _ in range(20)]
        hostiles = [asyncio.create_task(refused_at(replace(TARGET, port=port, tenant="hostile"))) for port in ports]
        for number in range(5):
            _salted.clear()
            began = time.monotonic()
            async with connected(replace(target, tenant=f"other-{number}")):
                longest = max(longest, time.monotonic() - began)
        assert {error.reason for error in await asyncio.gather(*hostiles)} == {"Timeout"}
    assert longest < 1.0  # 20 hashes take a second on an idle machine


async def test_a_hash_is_not_made_for_a_login_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def hold(*_: Any) -> bytes:
        made.append(1)
        begun.set()
        assert go_on.wait(20)
        return b""

    monkeypatch.setattr("controller.database.hardened_protocol._hash", hold)
    async with hostile_server(hostile.scram_challenge(4096)) as port:
        dials = [asyncio.create_task(refused_at(replace(TARGET, port=port, connect_timeout=0.5))) for _ in range(5)]
        assert await asyncio.to_thread(begun.wait, 10)
        assert {(await dial).reason for dial in dials} == {"Timeout"}
        go_on.set()
        async with asyncio.timeout(10):
            await asyncio.wrap_future(_hashing.submit(("", "127.0.0.1:0"), lambda: None))
    assert made == [1]


async def refused_at(target: Target) -> DatabaseUnavailable:
    with pytest.raises(DatabaseUnavailable) as caught:
        async with connected(target):
            pass
    return caught.value


async def test_a_flood_gets_its_share_of_our_time_and_others_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    spent = 0.0
    pass_answer = HardenedProtocol._pass_answer

    def counting(self: HardenedProtocol, data: bytes) -> None:
        nonlocal spent
        sizes.append(len(data))
        began = time.thread_time()
        pass_answer(self, data)
        spent += time.thread_time() - began

    monkeypatch.setattr(HardenedProtocol, "_pass_answer", counting)
    monkeypatch.setattr("controller.database.hardened_protocol.ANSWER_SECONDS", 0.05)
    async with hostile_server(hostile.talks_after_login) as port:
        with pytest.raises(DatabaseUnavailable, match="No answer within"):
            async with connected(replace(TARGET, port=port)) as connection:
                await connection.execute("SELECT 1")
    assert max(sizes) == PIECE
    assert 0.05 < spent < 0.05 + 3 * ANSWER_SHARE * (TARGET.connect_timeout + TARGET.query_timeout)


async def test_a_long_answer_does_not_hold_up_the_one_to_the_next_query(
    monkeypatch: pytest.MonkeyPatch, target: Target
) -> None:
    monkeypatch.setattr("controller.database.hardened_protocol.ANSWER_SECONDS", 0.0)
    monkeypatch.setattr(
        "controller.database.hardened_protocol.ANSWER_SHARE", 1e-6
    )  # a piece takes minutes to be paid for
    async with connected(target) as connection, asyncio.timeout(10):
        for number in range(20):
            assert await connection.fetchval(f"SELECT {number}") == number  # each is prepared anew
            assert await connection.fetchval("SELECT $1::int", number) == number


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
async def test_an_answer_is_whole_though_the_server_closes_behind_it(certificates: Certificates, *, tls: bool) -> None:
    script = hostile.answers_and_closes(100, certificates if tls else None)
    mode = SslMode.REQUIRE if tls else SslMode.DISABLE
    async with hostile_server(script) as port, connected(replace(TARGET, port=port, ssl_mode=mode)) as connection:
        assert await connection.execute("SELECT x") == "SELECT 100"


async def test_much_that_was_asked_for_is_read_in_full_again_and_again(target: Target) -> None:
    async with connected(target) as connection:
        for _ in range(5):
            with answer_limit(connection, 32_000_000):
                text = await connection.fetchval("SELECT repeat('x', 20_000_000)")
                rows = await connection.fetch("SELECT n FROM generate_series(1, 100000) AS n")
            assert len(text) == 20_000_000
            assert [row[0] for row in rows] == list(range(1, 100_001))


@pytest.mark.parametrize("password", ["plain", "pässwörd ½", "ﬁ", "日本語"])
async def test_passwords_of_any_alphabet_and_any_number_of_rounds_log_in(
    postgres: PostgresServer, target: Target, password: str
) -> None:
    for rounds in (4096, 100_000):
        setting = f"SET scram_iterations = {rounds};" if postgres.release >= 16 else ""
        postgres.psql(postgres.superuser, sql=f"{setting} ALTER ROLE {target.user} PASSWORD '{password}'")
        async with connected(replace(target, password=password)) as connection:
            assert await connection.fetchval("SELECT 1") == 1


@pytest.mark.parametrize("script", [hostile.mute, hostile.mute_in_scram, hostile.mute_after_login, hostile.scram_bomb])
async def test_a_failure_leaves_nothing_of_its_login_to_the_garbage_collector(script: Script) -> None:
    """Hundreds that fail all the time would make it stop the process for a third of a second each minute."""

    def failures() -> list[object]:
        kinds = HardenedProtocol | AsyncRetrying | DatabaseUnavailable
        return [each for each in gc.get_objects() if isinstance(each, kinds)]

    gc.collect()
    before = failures()
    gc.disable()
    try:
        async with nothing_left_over(), hostile_server(script) as port:
            with suppress(DatabaseUnavailable):
                await ask(port, connect_timeout=0.3, query_timeout=0.3)
            with suppress(DatabaseUnavailable):
                async with connected(replace(TARGET, port=port, connect_timeout=0.3)):
                    pass
        assert not [left for left in failures() if left not in before]
    finally:
        gc.enable()
