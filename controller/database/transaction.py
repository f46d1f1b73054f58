"""Transactions that end in bounded time, whatever the server does.

asyncpg's own waits for the whole query timeout once more to roll back on a server that no longer answers.
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


class Isolation(StrEnum):
    """https://www.postgresql.org/docs/current/transaction-iso.html; said each time, whatever the role's default is."""

    READ_COMMITTED = "READ COMMITTED"
    REPEATABLE_READ = "REPEATABLE READ"
    SERIALIZABLE = "SERIALIZABLE"


@asynccontextmanager
async def transaction(
    connection: Connection, isolation: Isolation = Isolation.READ_COMMITTED, *, read_only: bool = False
) -> AsyncIterator[None]:
    """Commits at the end of the `with`; rolls back where that raises, whatever it raises. Inside another one it is
    part of that.

    Raises:
        DatabaseUnavailable: TransactionAborted, where a statement failed and its error was passed over: nothing of
            the transaction remains.
    """
    if connection.is_in_transaction():
        yield
        return
    await connection.execute(f"BEGIN ISOLATION LEVEL {isolation} {'READ ONLY' if read_only else 'READ WRITE'}")
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
    """What `work` returns, done in a transaction of its own.

    Args:
        tries: at most; again only where PostgreSQL ended it for the sake of another transaction (SQLSTATE 40001,
            40P01), and after a moment.
    """

    async def once() -> T:
        async with open_connection() as connection, transaction(connection, isolation, read_only=read_only):
            return await work(connection)

    retrying = AsyncRetrying(
        retry=retry_if_exception(_lost_to_another),
        wait=wait_random_exponential(multiplier=0.01, max=1),
        stop=stop_after_attempt(tries),
        reraise=True,
    )
    result: T = await retrying(once)
    return result


def _lost_to_another(error: BaseException) -> bool:
    return isinstance(error, DashdbError) and error.reason == SERIALIZATION_FAILURE


async def roll_back(connection: Connection, *, seconds: float = CLOSE_TIMEOUT, in_doubt: bool = False) -> None:
    """End the open transaction, or terminate a connection that cannot do so in time.

    Args:
        seconds: for the ROLLBACK and the cancellation of the statement before it.
        in_doubt: a statement was cancelled or broke, so that the driver may not know of a transaction; one round trip
            even where none is open.
    """
    if connection.is_closed() or not (in_doubt or connection.is_in_transaction()):
        return
    try:
        await connection.execute("ROLLBACK", timeout=seconds)
    except DRIVER_ERRORS:
        connection.terminate()
