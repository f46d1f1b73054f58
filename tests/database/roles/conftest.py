"""A migrated database on PostgreSQL 15 and 18 with the two roles of a service, as `dashdb roles --apply` makes them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from controller.roles.privileges import Kind
from tests.database.programs import dashdb_here
from tests.database.targets import role
from tests.support.database import Database, quoted
from tests.support.postgres import PostgresServer

CATALOGS = ("pg_class", "pg_attribute", "pg_proc", "pg_namespace", "pg_default_acl", "pg_authid", "pg_db_role_setting")
ROWS = " UNION ALL ".join(f"SELECT '{name}', ctid::text, xmin::text FROM {name}" for name in CATALOGS)
"""Query by which a superuser sees whether any row was written in the catalogs that hold roles and rights."""


@dataclass(frozen=True)
class Service:
    """A database and who logs in to it."""

    server: PostgresServer
    owner: Database
    application: Database
    reader: Database

    @property
    def options(self) -> tuple[str, ...]:
        return ("roles", "--application", self.application.user, "--read-only", self.reader.user)

    @property
    def superuser(self) -> Database:
        return replace(self.server.superuser, name=self.owner.name)

    def as_role(self, kind: Kind) -> Database:
        return self.application if kind is Kind.APPLICATION else self.reader

    def run(self, *arguments: str) -> Any:
        """Run `dashdb` as the owner."""
        return dashdb_here(self.owner.environ, *arguments)

    def apply(self, *arguments: str) -> Any:
        """Run `dashdb roles --apply`, which has to succeed."""
        done = self.run(*self.options, "--apply", *arguments)
        assert done.exit_code == 0, done.output
        return done

    def sql(self, text: str, *, user: Database | None = None) -> str:
        return self.server.psql(user or self.owner, sql=text, args=("-At",))


@pytest.fixture
def service(each_postgres: PostgresServer) -> Iterator[Service]:
    """Two roles that have nothing yet."""
    owner = each_postgres.create_database()
    made = Service(each_postgres, owner, role(each_postgres, database=owner), role(each_postgres, database=owner))
    assert made.run("migrate", "up").exit_code == 0
    yield made
    each_postgres.drop_database(owner)


@pytest.fixture
def granted(service: Service) -> Service:
    service.apply()
    return service


def create_role_right(service: Service) -> None:
    """Let the owner make roles."""
    service.sql(f"ALTER ROLE {quoted(service.owner.user)} CREATEROLE", user=service.superuser)


def acl(service: Service) -> str:
    """Return all rights to tables of the schema, to compare."""
    return service.sql("SELECT relname, relacl FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1")
