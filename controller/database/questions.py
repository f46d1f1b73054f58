"""Questions to a server in one round trip: several queries in one message, each of which brings one JSON value.

A transaction by asyncpg takes four round trips on a new connection: BEGIN, preparation, execution and COMMIT. For a
thousand databases that are looked at again and again, most of the work would be these.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from controller.database.answer_messages import as_expected, first_value
from controller.database.connection import Connection, answer_limit
from controller.database.transaction import OWN_NAMES, roll_back

QUESTION_BYTES = 256 * 1024
"""Limit in bytes of all answers to one call of `ask`."""
MOST_ROWS = 200
"""Limit of the rows that one answer brings, see `rows_question`."""
_ROWS = """
SELECT CASE WHEN a.number <= {most_rows} AND octet_length(a.rows) <= {most_bytes} THEN a.rows ELSE 'null' END
  FROM (SELECT count(*), coalesce(json_agg(r), '[]')::text
          FROM (SELECT * FROM ({query}) AS q LIMIT {one_more}) AS r) AS a (number, rows)
"""


def rows_question(query: str, most_bytes: int) -> str:
    """Return the question, as `ask` takes it, for all rows of QUERY: a JSON array of objects by the names of columns.

    The answer is null where it would have more than `MOST_ROWS` rows or `most_bytes` bytes: they are read one by one
    then, since JSON of a hostile server takes up to 20 times as much memory as its text.
    """
    return _ROWS.format(query=query, most_bytes=most_bytes, most_rows=MOST_ROWS, one_more=MOST_ROWS + 1)


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers to the questions of one message.

    Attributes:
        values: one JSON value for each question, in their order.
        seconds: from sending the message until the answer, or its beginning if that is read by itself, arrived at this
            machine. A process that is busy and reads it later adds nothing.
    """

    values: tuple[Any, ...]
    seconds: float


async def ask(
    connection: Connection,
    *questions: str,
    first: str = "",
    most_bytes: int = QUESTION_BYTES,
    seconds: float | None = None,
) -> Answers:
    """Return the answers to QUESTIONS, in one transaction that cannot write; or as part of the one that is open.

    Args:
        questions: queries without parameters and semicolons that bring one row with one column of JSON. They look
            names up as `OWN_NAMES` says, so names of tables need their schema.
        first: statements at the begin, which look names up as the user does.
        most_bytes: limit of all answers together.
        seconds: time limit; None for the target's query timeout. Where it is exceeded, the connection ends, since the
            server may be frozen.

    Raises:
        asyncpg.PostgresError, OSError, TimeoutError: as from any statement.
        ProtocolViolation: an answer is no JSON, or one is missing.
    """
    asked = first + ";\n".join(questions)
    outside = not connection.is_in_transaction()
    if outside:
        begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;\n"
        asked = begin + first + OWN_NAMES + ";\n".join((*questions, "COMMIT"))
    with answer_limit(connection, most_bytes), _rows_kept(connection) as rows:
        protocol = connection._protocol  # asyncpg offers no public way to its protocol
        asked_at = time.monotonic()
        protocol.note_arrival()
        try:
            await connection.execute(asked, timeout=seconds)
        except BaseException as error:
            if seconds is not None and isinstance(error, TimeoutError):
                connection.terminate()
            elif outside:
                await roll_back(connection, in_doubt=True)
            raise
    with as_expected("its state"):
        values = tuple(json.loads(first_value(row)) for row in rows[len(rows) - len(questions) :])
        if len(values) != len(questions):
            raise ValueError
    return Answers(values, max(0.0, (protocol.arrived_at or time.monotonic()) - asked_at))


@contextmanager
def _rows_kept(connection: Connection) -> Iterator[list[bytes]]:
    """Keep the rows that a text brings during a `with`, which asyncpg drops."""
    answers = connection._protocol.answers
    rows: list[bytes] = []
    answers.rows = rows
    try:
        yield rows
    finally:
        answers.rows = None
