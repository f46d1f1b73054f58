"""Where the history of a database is, or will be."""

from dataclasses import dataclass

from controller.database.connection import Connection
from controller.errors import DatabaseUnavailable, Recovery
from controller.migrate.sql.quoting import identifier

_LOCATE = """
SELECT schema, to_regclass(quote_ident(schema) || '.schema_version') IS NOT NULL AS has_history,
       to_regclass(quote_ident(schema) || '.schema_migrations') IS NOT NULL AS has_golang_migrate
  FROM (SELECT CASE WHEN $1::text IS NULL THEN current_schema()
                    ELSE (SELECT nspname FROM pg_namespace WHERE nspname = $1) END AS schema) AS s
"""


@dataclass(frozen=True, slots=True)
class HistoryLocation:
    """The schema that is migrated, and what of the history is in it.

    Attributes:
        schema: its name.
        has_history: the engine's table.
        has_golang_migrate: golang-migrate's table.
    """

    schema: str
    has_history: bool
    has_golang_migrate: bool

    @property
    def table(self) -> str:
        return table_in(self.schema)

    @property
    def keeps_history(self) -> bool:
        """Even an empty one: without it, what golang-migrate says would count again."""
        return self.has_golang_migrate


def table_in(schema: str) -> str:
    """The history, qualified and quoted: a file may change the search_path, or a user have several schemas."""
    return f"{identifier(schema)}.schema_version"


async def locate_history(connection: Connection, schema: str | None) -> HistoryLocation:
    """Where the history is, or will be.

    Args:
        schema: its name; None for the first of the search_path.

    Raises:
        DatabaseUnavailable: there is no such schema.
    """
    row = await connection.fetchrow(_LOCATE, schema)
    if row["schema"] is not None:
        return HistoryLocation(**dict(row))
    if schema is not None:
        raise DatabaseUnavailable(
            f'There is no schema "{schema}" in this database. CREATE SCHEMA {identifier(schema)}, or correct the name.',
            reason="SchemaMissing",
            recovery=Recovery.WAITING,
        )
    raise DatabaseUnavailable(
        "No schema to create tables in: the search_path of this user names none that exists and is open to it. "
        "CREATE SCHEMA, or GRANT USAGE, CREATE ON SCHEMA.",
        reason="SchemaMissing",
        recovery=Recovery.WAITING,
    )
