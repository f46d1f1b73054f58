"""Temporary database for work that must not touch the real one; it is dropped in any case."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import tenacity

from controller.database.connection import Connection, behind_pooler, connected
from controller.database.quoting import identifier
from controller.database.target import Pooler, Target
from controller.errors import ConfigurationError, DatabaseUnavailable

PREFIX = "dashdb_verify_"
_DROP_TRIES, _DROP_PAUSE = 5, 1.0
"""Number of tries, and seconds between two, which cover a restart of the server."""


@asynccontextmanager
async def scratch_database(target: Target, *, schema: str | None = None) -> AsyncIterator[Target]:
    """Yield the target of an empty database on the server of `target`, for the duration of a `with`.

    The user of `target` owns it. It is dropped at the end with all sessions in it, also after an error or a
    cancellation; only a killed process leaves it, with a name and a comment that say what it is.

    Args:
        schema: schema to create in it; None for the current schema of `target`.

    Raises:
        ConfigurationError: the user may not create databases, or there is a pooler in front of the server.
        DatabaseUnavailable: see `connect`; or the database could not be dropped (ScratchNotDropped).
    """
    name = f"{PREFIX}{secrets.token_hex(6)}"
    async with connected(target) as connection:
        await _refuse_pooler(connection, target)
        schema = schema or await connection.fetchval("SELECT pg_catalog.current_schema()") or "public"
        try:
            await _create(connection, target, name)
            scratch = replace(target, database=name)
            async with connected(scratch) as inside:
                await inside.execute(_quoted(_IN_SCRATCH, database=name, schema=schema))
            yield scratch
        finally:
            await _drop(target, name)


# What is lost in a crash needs no wait for the disk at each commit.
_IN_SCRATCH = """
CREATE SCHEMA IF NOT EXISTS {schema};
ALTER DATABASE {database} SET synchronous_commit = off;
COMMENT ON DATABASE {database} IS 'Made by dashdb migrate verify for some seconds; may be dropped';
"""


async def _create(connection: Connection, target: Target, name: str) -> None:
    """Create the database from template0, which has no additions and no sessions that would block the copy."""
    try:
        await connection.execute(_quoted("CREATE DATABASE {database} TEMPLATE template0", database=name))
    except asyncpg.InsufficientPrivilegeError:
        raise ConfigurationError(
            f"{target.description}: this needs a scratch database on the same server, and user {target.user!r} may not "
            f"create one. Run ALTER ROLE {identifier(target.user)} CREATEDB, or give the URL of another server, such "
            "as a test's.",
            reason="ScratchForbidden",
        ) from None


async def _refuse_pooler(connection: Connection, target: Target) -> None:
    """Raise ConfigurationError for a pooler, which only knows the databases of its configuration."""
    if target.pooler is not Pooler.NONE or await behind_pooler(connection):
        raise ConfigurationError(
            f"{target.description}: there is a pooler in front of this server, which cannot connect to a scratch "
            "database. Give the address of the server itself.",
            reason="PoolerInTheWay",
        )


async def _drop(target: Target, name: str) -> None:
    """Drop the database over a new connection, since the other one may be broken."""
    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(DatabaseUnavailable),
        stop=tenacity.stop_after_attempt(_DROP_TRIES),
        wait=tenacity.wait_fixed(_DROP_PAUSE),
    )
    statement = _quoted("DROP DATABASE IF EXISTS {database} WITH (FORCE)", database=name)
    try:
        async for attempt in retrying:
            with attempt:
                async with connected(target) as connection:
                    await connection.execute(statement)
    except tenacity.RetryError:
        raise DatabaseUnavailable(
            f"{target.description}: the scratch database could not be dropped. Once the server is back: {statement};",
            reason="ScratchNotDropped",
        ) from None


def _quoted(statement: str, **names: str) -> str:
    return statement.format(**{key: identifier(name) for key, name in names.items()})
