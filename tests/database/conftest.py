"""A server of each kind for each worker of a run, started when first asked for; a fresh database for each test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from controller.database.connection import Connection, connected
from controller.database.target import Target
from controller.migrate.files.folder import packaged_folder, read_folder
from controller.migrate.history.session import RunSettings
from controller.migrate.run.runner import Runner
from tests.database.engine import none_left
from tests.database.silence import Silence
from tests.database.targets import target_to
from tests.support.binaries import golang_migrate, pgbouncer
from tests.support.certificates import Certificates, issue_certificates
from tests.support.database import Database
from tests.support.postgres import PostgresServer


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what is missing before the first test: a cold build takes longer than a test may."""
    here = Path(__file__).parent
    if not session.config.option.collectonly and any(here in item.path.parents for item in session.items):
        for prepare in (golang_migrate, pgbouncer):
            prepare()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer(18) as server:
        yield server


@pytest.fixture(scope="session")
def postgres15() -> Iterator[PostgresServer]:
    with PostgresServer(15) as server:
        yield server


@pytest.fixture(scope="session")
def tls_postgres() -> Iterator[PostgresServer]:
    with PostgresServer(18, tls=True) as server:
        yield server


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Issue certificates of an authority that signed nothing else."""
    return issue_certificates(tmp_path_factory.mktemp("certificates") / "tls")


@pytest.fixture(params=[15, 18], ids=["on PostgreSQL 15", "on PostgreSQL 18"])
def each_postgres(request: pytest.FixtureRequest) -> PostgresServer:
    server: PostgresServer = request.getfixturevalue("postgres15" if request.param == 15 else "postgres")
    return server


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[Database]:
    """On PostgreSQL 18; its owner is no superuser."""
    fresh = postgres.create_database()
    yield fresh
    postgres.drop_database(fresh)


@pytest.fixture
def target(database: Database) -> Target:
    return target_to(database)


@pytest_asyncio.fixture
async def connection(target: Target) -> AsyncIterator[Connection]:
    async with connected(target) as connection:
        yield connection


@pytest_asyncio.fixture
async def migrated_connection(connection: Connection) -> Connection:
    """The owner's, to a database with our schema."""
    await Runner(connection, RunSettings(), Silence(), none_left).run(read_folder(packaged_folder()), None)
    return connection


@pytest_asyncio.fixture
async def second_connection(migrated_connection: Connection, target: Target) -> AsyncIterator[Connection]:
    """Another session on the same database, as a second replica or a user has."""
    async with connected(target) as connection:
        yield connection
