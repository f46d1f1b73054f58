"""Checks and repair of an index that is built CONCURRENTLY.

PostgreSQL keeps an interrupted build as an invalid index, which slows every write and serves no query; IF NOT EXISTS
treats it as done. https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
"""

from controller.database.connection import Connection
from controller.errors import FilePosition, MigrationFailed, Recovery
from controller.migrate.history.session import NO_LIMIT
from controller.migrate.sql.statements import ConcurrentIndex

# An index is in the schema of its table. PostgreSQL itself parses the names: quotes, case, length, search_path. That is
# the search_path of the file, so our own functions and operators are qualified.
_FIND = """
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, i.indisvalid AND i.indisready AS valid,
       coalesce(i.indrelid OPERATOR(pg_catalog.=) t.oid, false) AS on_its_table
  FROM pg_catalog.pg_class AS t
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) t.relnamespace
  JOIN pg_catalog.pg_class AS c
    ON c.relnamespace OPERATOR(pg_catalog.=) n.oid
   AND c.relname OPERATOR(pg_catalog.=) (pg_catalog.parse_ident($1::pg_catalog.text))[1]::pg_catalog.name
  LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid OPERATOR(pg_catalog.=) c.oid
 WHERE t.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($2::pg_catalog.text)::pg_catalog.oid
"""


async def is_valid(connection: Connection, wanted: ConcurrentIndex) -> bool:
    """Return whether the index exists and is valid, since the build of an earlier run may have ended after all."""
    row = await connection.fetchrow(_FIND, wanted.name.sql, wanted.table.sql)
    return row is not None and bool(row["valid"]) and row["on_its_table"]


async def drop_invalid(connection: Connection, wanted: ConcurrentIndex) -> None:
    """Drop the invalid index that an interrupted build of the same index left."""
    row = await connection.fetchrow(_FIND, wanted.name.sql, wanted.table.sql)
    if row is not None and row["valid"] is False and row["on_its_table"]:
        await connection.execute(f"DROP INDEX CONCURRENTLY {row['name']}", timeout=NO_LIMIT)


async def check(connection: Connection, wanted: ConcurrentIndex, *, at: FilePosition) -> None:
    """Check that the index exists and is valid after its statement.

    Args:
        at: place of its statement.

    Raises:
        MigrationFailed: PostgreSQL reported success, but the index does not exist or is not valid.
    """
    row = await connection.fetchrow(_FIND, wanted.name.sql, wanted.table.sql)
    if row is None or not row["valid"] or not row["on_its_table"]:
        raise MigrationFailed(
            f"{at}: PostgreSQL reports success, but there is no valid index {wanted.name.sql} on "
            f"{wanted.table.sql}: the name belongs to something else. Choose another name.",
            recovery=Recovery.STALLED,
            at=at,
        )
