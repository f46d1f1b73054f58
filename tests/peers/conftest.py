"""A database for our engine and one for a peer, on one server; both read the same folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.programs import Peers
from tests.support.binaries import go_durations, golang_migrate, goose, kstatus, pgbouncer
from tests.support.postgres import PostgresServer


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what is missing before the first test: a cold build takes longer than a test may."""
    here = Path(__file__).parent
    if not session.config.option.collectonly and any(here in item.path.parents for item in session.items):
        for prepare in (go_durations, golang_migrate, goose, kstatus, pgbouncer):
            prepare()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer(18) as server:
        yield server


@pytest.fixture
def peers(postgres: PostgresServer, tmp_path: Path) -> Iterator[Peers]:
    ours, theirs = postgres.create_database(), postgres.create_database()
    yield Peers(postgres, tmp_path, ours, theirs)
    for database in (ours, theirs):
        postgres.drop_database(database)
