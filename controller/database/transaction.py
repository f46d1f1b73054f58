"""Transactions that end in bounded time, whatever the server does.

asyncpg's transactions wait a second query timeout for the ROLLBACK if the server no longer answers.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from controller.database.connection import CLOSE_TIMEOUT, Connection, OpenConnection
from controller.database.failures import DRIVER_ERRORS, SERIALIZATION_FAILURE
from controller.errors import DashdbError, DatabaseUnavailable

T = TypeVar("T")

OWN_NAMES = "SET LOCAL search_path = pg_catalog, pg_temp;\n"
"""SQL after which names of functions, operators and types in our own SQL mean PostgreSQL's own, whatever other roles
made in a schema of the search_path. pg_temp is named since it would come first otherwise."""


class Isolation(StrEnum):
    """Isolation level, which each transaction names, since a role may have another default.

    https://www.postgresql.org/docs/current/transaction-iso.html
    """

    READ_COMMITTED = "READ COMMITTED"
    REPEATABLE_READ = "REPEATABLE READ"
    SERIALIZABLE = "SERIALIZABLE"


@asynccontextmanager
async def transaction(
    connection: Connection,
    isolation: Isolation = Isolation.READ_COMMITTED,
    *,
    read_only: bool = False,
    first: str = "",
) -> AsyncIterator[None]:
    """Run a `with` in a transaction: commit at its end, or roll back if it raises.

    Its SQL looks names up as `OWN_NAMES` says, so names of tables need their schema. Inside another transaction it is
    part of that one.

    Args:
        first: statements at its begin, which look names up as the user does.

    Raises:
        DatabaseUnavailable: TransactionAborted if the error of a failed statement was ignored; the whole transaction
            was rolled back.
    """
    if connection.is_in_transaction():
        yield
        return
    mode = "READ ONLY" if read_only else "READ WRITE"
    await connection.execute(f"BEGIN ISOLATION LEVEL {isolation} {mode};\n{first}{OWN_NAMES}")
    try:
        yield
    except BaseException:
        await roll_back(connection, in_doubt=True)
        raise
    if await connection.execute("COMMIT") != "COMMIT":
        raise DatabaseUnavailable(
            "A statement of the transaction had failed, so all of it was rolled back.", reason="TransactionAborted"
        )


async def transact(
    open_connection: OpenConnection,
    work: Callable[[Connection], Awaitable[T]],
    isolation: Isolation = Isolation.READ_COMMITTED,
    *,
    read_only: bool = False,
    tries: int = 1,
) -> T:
    """Run `work` in a transaction on a connection of its own, and return its result.

    Args:
        tries: largest number of tries; another one follows, after a pause, only if PostgreSQL ended the transaction
            because of a conflict with another one (SQLSTATE 40001, 40P01).
    """

    async def once() -> T:
        async with open_connection() as connection, transaction(connection, isolation, read_only=read_only):
            return await work(connection)

    retrying = AsyncRetrying(
        retry=retry_if_exception(_is_conflict),
        wait=wait_random_exponential(multiplier=0.01, max=1),
        stop=stop_after_attempt(tries),
        reraise=True,
    )
    result: T = await retrying(once)
    return result


def _is_conflict(error: BaseException) -> bool:
    return isinstance(error, DashdbError) and error.reason == SERIALIZATION_FAILURE


async def roll_back(connection: Connection, *, seconds: float = CLOSE_TIMEOUT, in_doubt: bool = False) -> None:
    """End the open transaction, or terminate a connection that cannot do so in time.

    Args:
        seconds: time limit of the ROLLBACK, with the cancellation of the statement before it.
        in_doubt: a statement was cancelled or failed, so the driver may not know of a transaction. This costs one
            round trip even if none is open.
    """
    if connection.is_closed() or not (in_doubt or connection.is_in_transaction()):
        return
    try:
        await connection.execute("ROLLBACK", timeout=seconds)
    except DRIVER_ERRORS:
        connection.terminate()
