"""A server and a fresh database, as in `tests.database`."""

from collections.abc import Iterator

import pytest

from tests.support.database import Database
from tests.support.postgres import PostgresServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer(18) as server:
        yield server


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[Database]:
    created = postgres.create_database()
    yield created
    postgres.drop_database(created)
