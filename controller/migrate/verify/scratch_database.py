"""A database of its own for something that must not touch the real one; gone afterwards for certain."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import tenacity

from controller.database.connection import Connection, behind_pooler, connected
from controller.database.target import Pooler, Target
from controller.errors import ConfigurationError, DatabaseUnavailable
from controller.migrate.sql.quoting import identifier

PREFIX = "dashdb_verify_"
_DROP_TRIES, _DROP_PAUSE = 5, 1.0
"""Times, and seconds between two of them: a server that just restarts is waited for."""


@asynccontextmanager
async def scratch_database(target: Target, *, schema: str | None = None) -> AsyncIterator[Target]:
    """The way to an empty database on the server of `target`, owned by its user, for the time of a `with`.

    It is dropped at the end, also after an error or a cancellation, with all sessions in it. Only a process that is
    killed leaves it behind, by a name that says what it is.

    Args:
        schema: made in it; the one that `target` leads to unless given.

    Raises:
        ConfigurationError: the user may not create databases, or a pooler stands before the server.
        DatabaseUnavailable: see `connect`; or the database could not be dropped (ScratchNotDropped).
    """
    name = f"{PREFIX}{secrets.token_hex(6)}"
    async with connected(target) as connection:
        await _refuse_pooler(connection, target)
        schema = schema or await connection.fetchval("SELECT current_schema()") or "public"
        try:
            await _create(connection, target, name)
            scratch = replace(target, database=name)
            async with connected(scratch) as inside:
                await inside.execute(_quoted(_IN_SCRATCH, database=name, schema=schema))
            yield scratch
        finally:
            await _drop(target, name)


_IN_SCRATCH = """
CREATE SCHEMA IF NOT EXISTS {schema};
COMMENT ON DATABASE {database} IS 'Made by dashdb migrate verify for some seconds; may be dropped';
"""


async def _create(connection: Connection, target: Target, name: str) -> None:
    """From template0: nothing of an administrator's is in it, and nobody's session there can be in the way."""
    try:
        await connection.execute(_quoted("CREATE DATABASE {database} TEMPLATE template0", database=name))
    except asyncpg.InsufficientPrivilegeError:
        raise ConfigurationError(
            f"{target.description}: this needs a scratch database on the same server, and user {target.user!r} may not "
            f"create one. Say ALTER ROLE {identifier(target.user)} CREATEDB, or give the URL of another server, such "
            "as a test's.",
            reason="ScratchForbidden",
        ) from None


async def _refuse_pooler(connection: Connection, target: Target) -> None:
    """A pooler knows the databases of its configuration, and not one that was made a moment ago."""
    if target.pooler is not Pooler.NONE or await behind_pooler(connection):
        raise ConfigurationError(
            f"{target.description}: a pooler stands before this server, and cannot lead to a scratch database. Give "
            "the address of the server itself.",
            reason="PoolerInTheWay",
        )


async def _drop(target: Target, name: str) -> None:
    """Over a connection of its own: the other one may be what broke."""
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
