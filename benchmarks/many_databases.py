"""Many databases at once: made, applied as resources, and the least work that they could be."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from benchmarks.apply_to_ready import MIGRATION
from benchmarks.parts import Parts
from tests.support.database import Database, quoted
from tests.support.postgres import PostgresServer
from tests.support.resources import connection_values, resource, secret

PIECE = 500
"""Objects that one kubectl creates; thousands would take as much of its memory as of ours."""


def create_databases(postgres: PostgresServer, names: list[str]) -> dict[str, Database]:
    """Return new databases with one owner, by name; much quicker than one by one."""
    first, *others = names
    made = postgres.create_database(first)
    statement = "CREATE DATABASE {} OWNER {} TEMPLATE template0 STRATEGY file_copy;"
    postgres.psql(
        postgres.superuser, sql="\n".join(statement.format(quoted(name), quoted(made.user)) for name in others)
    )
    return {name: replace(made, name=name) for name in names}


def spread_databases(servers: tuple[PostgresServer, ...], names: list[str]) -> dict[str, Database]:
    """Return new databases by name, as many on each of SERVERS."""
    found: dict[str, Database] = {}
    for number, postgres in enumerate(servers):
        found |= create_databases(postgres, names[number :: len(servers)])
    return {name: found[name] for name in names}


def drop_databases(servers: tuple[PostgresServer, ...], databases: dict[str, Database]) -> None:
    """Drop the databases, those of each server in one psql."""
    for postgres in servers:
        names = [name for name, database in databases.items() if database.port == postgres.port]
        postgres.psql(postgres.superuser, sql="\n".join(f"DROP DATABASE {quoted(name)};" for name in names))


def create_secrets(parts: Parts, databases: dict[str, Database]) -> None:
    """Create the Secret of each, with the name of its database."""
    kubectl_create(parts, [secret(name, connection_values(database)) for name, database in databases.items()])


def apply_resources(parts: Parts, names: list[str], **spec: Any) -> None:
    """Apply a resource for each, in one kubectl."""
    parts.team.apply(*(resource(name, secret_name=name, **spec) for name in names))


def floor_seconds(parts: Parts, count: int) -> float:
    """Return the least seconds for COUNT databases: ConfigMaps in one kubectl, beside psql, two at a time.

    The databases are dropped again, so that they take no memory from those that are measured against them.
    """
    databases = spread_databases(parts.servers, [f"floor-{number}" for number in range(count)])
    by_port = {postgres.port: postgres for postgres in parts.servers}

    def migrate(database: Database) -> None:
        by_port[database.port].psql(database, file=MIGRATION, args=("-1",))

    maps = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}} for name in databases]
    started = time.monotonic()
    with ThreadPoolExecutor(1) as kubectl, ThreadPoolExecutor(2) as psql:
        applied = kubectl.submit(parts.team.apply, *maps)
        list(psql.map(migrate, databases.values()))
        applied.result()
    seconds = time.monotonic() - started
    drop_databases(parts.servers, databases)
    return seconds


def kubectl_create(parts: Parts, manifests: list[dict[str, Any]]) -> None:
    """`kubectl create` of all of them, which is quicker than to apply them."""
    for begin in range(0, len(manifests), PIECE):
        documents = "\n---\n".join(json.dumps(manifest) for manifest in manifests[begin : begin + PIECE])
        parts.cluster.kubectl("create", "-n", parts.team.name, "-f", "-", input=documents)
