"""Servers and databases as the other tests have them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.database.conftest import (
    connection,
    database,
    each_postgres,
    migrated_connection,
    postgres,
    postgres15,
    target,
)
from tests.field.folder import Folder
from tests.support.binaries import golang_migrate, pgbouncer
from tests.support.postgres import PostgresServer

__all__ = ["connection", "database", "each_postgres", "migrated_connection", "postgres", "postgres15", "target"]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what is missing before the first test: a cold build takes longer than a test may."""
    here = Path(__file__).parent
    if not session.config.option.collectonly and any(here in item.path.parents for item in session.items):
        for prepare in (golang_migrate, pgbouncer):
            prepare()


@pytest.fixture
def folder(each_postgres: PostgresServer, tmp_path: Path) -> Iterator[Folder]:
    """A folder, and an empty database, on PostgreSQL 15 and 18."""
    database = each_postgres.create_database()
    yield Folder(each_postgres, database, tmp_path)
    each_postgres.drop_database(database)
