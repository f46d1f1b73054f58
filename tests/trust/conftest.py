"""Servers and databases as the other tests have them, and a role that attacks."""

import pytest

from controller.database.target import Target
from tests.database.conftest import connection, database, migrated_connection, postgres, target
from tests.database.targets import role, target_to
from tests.support.database import Database, quoted
from tests.support.postgres import PostgresServer
from tests.trust.planting import MAY_CREATE

__all__ = ["attacker", "connection", "database", "migrated_connection", "postgres", "target"]


@pytest.fixture
def attacker(postgres: PostgresServer, database: Database) -> Target:
    """A role that may create objects, as every role may in a database upgraded from PostgreSQL 14."""
    return target_to(role(postgres, database=database, grants=MAY_CREATE.replace("CURRENT", quoted(database.name))))
