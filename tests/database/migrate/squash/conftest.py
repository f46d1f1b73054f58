"""Databases of the tests of `verify`, by which a squashed file is proven."""

from tests.database.migrate.verify.conftest import creator, database

__all__ = ["creator", "database"]
