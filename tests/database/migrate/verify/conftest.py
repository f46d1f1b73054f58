"""Databases for scratch databases beside them, on PostgreSQL 15 and 18."""

from collections.abc import Iterator

import pytest

from controller.database.target import Target
from tests.database.targets import role, target_to
from tests.support.database import Database
from tests.support.postgres import PostgresServer


@pytest.fixture
def database(each_postgres: PostgresServer) -> Iterator[Database]:
    """Make a database on each of them."""
    fresh = each_postgres.create_database()
    yield fresh
    each_postgres.drop_database(fresh)


@pytest.fixture
def creator(each_postgres: PostgresServer, database: Database) -> Target:
    """Make a role that may create databases, and nothing else."""
    return target_to(role(each_postgres, options="CREATEDB", database=database))
