"""Servers and databases as the other tests have them."""

from tests.database.conftest import connection, database, migrated_connection, postgres, target

__all__ = ["connection", "database", "migrated_connection", "postgres", "target"]
