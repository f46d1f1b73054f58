"""`dashdb health`: one check by hand, or as the probe of a container."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.database.programs import dashdb, dashdb_here
from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.processes import free_port


@asynccontextmanager
async def slow_way_to(database: Database, *, seconds: float) -> AsyncIterator[int]:
    """A port from which whatever the server says comes SECONDS later."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
        while data := await reader.read(65536):
            await asyncio.sleep(delay)
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(database.host, database.port)
        await asyncio.gather(pump(reader, there[1], 0), pump(there[0], writer, seconds), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def test_a_healthy_database_is_told_as_the_endpoint_tells_it(database: Database) -> None:
    done = dashdb(database.environ, "health")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["status"]) == (0, "healthy")
    check = answer["checks"]["database"]
    assert check["status"] == "pass"
    assert check["response_time_ms"] > 0
    assert set(check["details"]) == {
        "open_connections", "idle_connections", "in_use_connections", "wait_count", "utilization_percent",
        "checked_at", "server_connections", "server_connection_limit",
    }  # fmt: skip


def test_a_database_that_cannot_be_reached_is_exit_code_1(database: Database) -> None:
    done = dashdb_here({**database.environ, "DB_PORT": str(free_port())}, "health")
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["status"]) == (1, "unhealthy")
    assert "Nothing listens there" in answer["checks"]["database"]["error"]


async def test_a_slow_database_is_degraded_and_exit_code_0(database: Database) -> None:
    async with slow_way_to(database, seconds=0.11) as port:
        done = await asyncio.to_thread(dashdb, {**database.environ, "DB_PORT": str(port)}, "health")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["status"]) == (0, "degraded")
    assert "more than 100 ms" in answer["checks"]["database"]["details"]["warning"]


def test_the_check_does_not_count_its_own_connection(database: Database) -> None:
    done = dashdb_here({**database.environ, "DB_MAX_OPEN_CONNS": "1"}, "health")
    answer = json.loads(done.stdout)
    assert answer["status"] == "healthy"
    details = answer["checks"]["database"]["details"]
    assert details["in_use_connections"] == 0
    assert details["utilization_percent"] < 100


def test_a_wrong_password_is_not_repeated(postgres: PostgresServer, database: Database) -> None:
    done = dashdb_here({**database.environ, "DB_PASSWORD": "not-the-password"}, "health")
    assert done.exit_code == 1
    assert "refused the password" in done.output
    assert "not-the-password" not in done.output


def test_a_wrong_variable_is_exit_code_2_and_one_line(database: Database) -> None:
    done = dashdb(database.environ | {"DB_PORT": "many"}, "health")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "ConfigurationInvalid: DB_PORT='many' is not a whole number from 1 to 65535.\n"
