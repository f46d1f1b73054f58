"""Messages about failed connections to real servers; none of them contains the password."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from controller.database.connection import connect, connected
from controller.database.target import Pooler, SslMode, Target
from controller.errors import DashdbError, DatabaseUnavailable, Recovery
from tests.database.engine import read_facts
from tests.database.targets import role, target_to
from tests.support.certificates import Certificates
from tests.support.database import Database, quoted
from tests.support.postgres import PostgresServer


async def refusal(target: Target, reason: str, recovery: Recovery = Recovery.WAITING) -> str:
    async with asyncio.timeout(30):
        with pytest.raises(DashdbError) as caught:
            await connect(target)
    assert (caught.value.reason, caught.value.recovery) == (reason, recovery)
    assert target.password not in caught.value.message
    return caught.value.message


@pytest.fixture
def tls_target(tls_postgres: PostgresServer) -> Target:
    """Return the target of a server that takes TLS only, with a certificate for 127.0.0.1 and localhost."""
    database = tls_postgres.create_database()
    return target_to(database, ssl_mode=SslMode.VERIFY_FULL, ca_pem=tls_postgres.ca_pem)


async def test_a_wrong_password(target: Target) -> None:
    message = await refusal(replace(target, password="wr0ng"), "AuthenticationFailed")
    assert target.user in message
    assert target.description in message


async def test_a_user_that_does_not_exist_is_not_told_from_a_wrong_password(target: Target) -> None:
    await refusal(replace(target, user="nobody"), "AuthenticationFailed")


async def test_a_role_that_may_not_log_in(postgres: PostgresServer, database: Database) -> None:
    nobody = role(postgres, database=database)
    postgres.psql(postgres.superuser, sql=f"ALTER ROLE {quoted(nobody.user)} NOLOGIN")
    await refusal(target_to(nobody), "LoginRefused")


async def test_a_database_that_does_not_exist(target: Target) -> None:
    assert 'no database "absent"' in await refusal(replace(target, database="absent"), "DatabaseNotFound")


async def test_a_role_without_a_connection_left(postgres: PostgresServer, database: Database) -> None:
    full = role(postgres, options="CONNECTION LIMIT 0", database=database)
    await refusal(target_to(full), "TooManyConnections", Recovery.TRANSIENT)


async def test_a_database_that_is_closed_to_the_role(postgres: PostgresServer, database: Database) -> None:
    outsider = role(postgres, database=database)
    postgres.psql(database, sql=f'REVOKE CONNECT ON DATABASE "{database.name}" FROM PUBLIC')
    await refusal(target_to(outsider), "PermissionDenied")


async def test_a_port_where_nothing_listens(target: Target) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        await refusal(replace(target, port=unused.getsockname()[1]), "ConnectionRefused", Recovery.TRANSIENT)


@pytest.mark.parametrize("host", ["db..example", "x" * 70 + ".example", ".example"])
async def test_a_name_that_is_no_name(target: Target, host: str) -> None:
    await refusal(replace(target, host=host), "HostNotFound", Recovery.TRANSIENT)


async def test_a_name_that_the_resolver_does_not_know(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    await refusal(replace(target, host="db.example"), "HostNotFound", Recovery.TRANSIENT)


async def test_a_server_without_tls(target: Target) -> None:
    message = await refusal(replace(target, ssl_mode=SslMode.REQUIRE), "TLSUnsupported")
    assert "sslmode require needs it" in message
    assert "disable" not in message, "no message advises to do without TLS"


async def test_a_server_that_refuses_plain_text(tls_target: Target) -> None:
    message = await refusal(replace(tls_target, ssl_mode=SslMode.DISABLE), "LoginRefused")
    assert "perhaps because this connection has no TLS" in message


@pytest.mark.parametrize("mode", [SslMode.REQUIRE, SslMode.VERIFY_CA, SslMode.VERIFY_FULL])
async def test_a_server_with_tls_is_reached_and_the_connection_is_encrypted(tls_target: Target, mode: SslMode) -> None:
    async with connected(replace(tls_target, ssl_mode=mode)) as connection:
        assert await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")


@pytest.mark.parametrize("mode", [SslMode.VERIFY_CA, SslMode.VERIFY_FULL])
async def test_a_certificate_of_another_authority(
    tls_target: Target, certificates: Certificates, mode: SslMode
) -> None:
    other = certificates.ca.read_text()
    await refusal(replace(tls_target, ssl_mode=mode, ca_pem=other), "CertificateNotTrusted")
    await refusal(replace(tls_target, ssl_mode=mode, ca_pem=None), "CertificateNotTrusted")


async def test_a_certificate_for_another_name(tls_target: Target) -> None:
    elsewhere = replace(tls_target, host="127.1")  # the same address under a name that the certificate does not hold
    await refusal(elsewhere, "HostnameMismatch")
    async with connected(replace(elsewhere, ssl_mode=SslMode.VERIFY_CA)) as connection:
        assert await connection.fetchval("SELECT 1") == 1


@asynccontextmanager
async def server_that(answers: bytes | None) -> AsyncIterator[int]:
    """Run a server that sends ANSWERS and hangs up, or, for None, accepts connections and sends nothing."""
    served: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.add(asyncio.current_task())
        await reader.read(8)
        if answers is None:
            await reader.read()  # until the client gives up
        else:
            writer.write(answers)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    await asyncio.gather(*(task for task in served if task))


@pytest.mark.parametrize("mode", [SslMode.DISABLE, SslMode.VERIFY_FULL])
async def test_a_server_that_says_nothing(target: Target, mode: SslMode) -> None:
    async with server_that(None) as port:
        mute = replace(target, port=port, ssl_mode=mode, connect_timeout=0.2)
        told = await refusal(mute, "Timeout", Recovery.TRANSIENT)
        assert "No answer within 0.2 s. Check host and port, and whether a firewall" in told
        assert "for a slow server, raise spec.pool.connectTimeoutSeconds" in told


@pytest.mark.parametrize("answers", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"N", b"S", b"S\x16\x03"])
@pytest.mark.parametrize("mode", [SslMode.DISABLE, SslMode.VERIFY_FULL])
async def test_a_server_that_is_no_postgresql_is_an_error_of_ours(
    target: Target, mode: SslMode, answers: bytes
) -> None:
    async with server_that(answers) as port, asyncio.timeout(30):
        with pytest.raises(DatabaseUnavailable) as caught:
            await connect(replace(target, port=port, ssl_mode=mode, connect_timeout=2))
    assert caught.value.reason in ("ConnectionLost", "NotPostgreSQL", "TLSUnsupported", "TLSFailed", "Timeout")


async def test_a_frozen_server(postgres15: PostgresServer) -> None:
    target = target_to(postgres15.create_database(), connect_timeout=0.3)
    postgres15.freeze()
    try:
        await refusal(target, "Timeout", Recovery.TRANSIENT)
    finally:
        postgres15.thaw()


async def test_a_query_that_takes_too_long_is_told_with_its_own_limit(target: Target) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"No answer within 0\.2 s") as caught:
        async with connected(replace(target, query_timeout=0.2)) as connection:
            await connection.fetchval("SELECT pg_sleep(60)")
    assert caught.value.reason == "Timeout"


async def test_a_connection_that_the_server_ends(postgres: PostgresServer, target: Target) -> None:
    async def lose() -> None:
        async with connected(target) as connection:
            pid = await connection.fetchval("SELECT pg_backend_pid()")
            postgres.psql(postgres.superuser, sql=f"SELECT pg_terminate_backend({pid}, 5000)")
            await connection.fetchval("SELECT 1")

    with pytest.raises(DatabaseUnavailable) as caught:
        await lose()
    assert caught.value.reason == "ConnectionLost"


async def test_very_long_limits_are_taken(target: Target) -> None:
    async with connected(replace(target, query_timeout=9e9, connect_timeout=9e9)) as connection:
        assert await connection.fetchval("SELECT 1") == 1


@pytest.mark.parametrize("pooler", Pooler)
async def test_the_environment_of_other_programs_is_not_read(
    target: Target, monkeypatch: pytest.MonkeyPatch, pooler: Pooler
) -> None:
    source = Path(asyncpg.connect_utils.__file__).read_text()
    names = set(re.findall(r"""(?:environ\.get|getenv)\(\s*["'](PG\w+)""", source))
    assert names >= {"PGHOST", "PGTARGETSESSIONATTRS", "PGSSLNEGOTIATION"}
    for name in names:
        monkeypatch.setenv(name, "12345")
    async with connected(replace(target, pooler=pooler)) as connection:
        assert await connection.fetchval("SELECT current_user") == target.user
        assert await connection.fetchval("SELECT current_setting('application_name')") == "dashdb"


async def test_a_server_tells_what_it_is(each_postgres: PostgresServer) -> None:
    database = each_postgres.create_database()
    other = each_postgres.create_database()
    limited = role(each_postgres, options="CONNECTION LIMIT 4", database=database)
    async with connected(target_to(limited)) as connection, connected(target_to(other)) as second:
        facts, others = await read_facts(connection), await read_facts(second)
    assert facts.version.partition(".")[0] == str(each_postgres.release)
    assert (facts.read_only, facts.connections, facts.connection_limit) == (False, 1, 4)
    assert facts.identity.partition("/")[0] == others.identity.partition("/")[0]
    assert facts.identity != others.identity
