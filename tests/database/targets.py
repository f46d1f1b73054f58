"""Targets of our code for the databases of a test server."""

import secrets
from dataclasses import replace
from typing import Any

from controller.database.target import SslMode, Target
from tests.support.database import Database, quoted
from tests.support.postgres import PostgresServer


def target_to(database: Database, **changes: Any) -> Target:
    """Return the target of DATABASE with its owner as user; CHANGES are attributes of `Target`."""
    target = Target(
        host=database.host,
        port=database.port,
        database=database.name,
        user=database.user,
        password=database.password,
        ssl_mode=SslMode(database.sslmode),
    )
    return replace(target, **changes)


def role(server: PostgresServer, *, options: str = "", grants: str = "", database: Database) -> Database:
    """DATABASE as another role with a login sees it; GRANTS run in it, with `{role}` for its name."""
    name, password = f"Role-{secrets.token_hex(4)}", secrets.token_urlsafe(18)
    server.psql(server.superuser, sql=f"CREATE ROLE {quoted(name)} LOGIN PASSWORD '{password}' {options};")
    if grants:
        as_superuser = replace(server.superuser, name=database.name)
        server.psql(as_superuser, sql=grants.format(role=quoted(name)))
    return replace(database, user=name, password=password)
