"""What a schema holds: read as it is now, kept as it was when a version was applied.

It is kept in a materialized view beside `schema_version`: the stored answer of the very query that is asked again to
notice drift. `SELECT * FROM schema_version_catalog` shows it in psql.
"""

from controller.database.connection import Connection
from controller.errors import DashdbError, Recovery
from controller.migrate.catalog_query import CATALOG_COMMENT, FORMAT, SETTINGS, SNAPSHOT, catalog_query, snapshot_query
from controller.migrate.differences import Catalog
from controller.migrate.history import read_history
from controller.migrate.plan import current_version
from controller.migrate.quoting import identifier

_VERSION, _FORMAT = "schema version", "catalog format"
_READ = "SELECT object, definition FROM {snapshot}"
_KEPT = "SELECT obj_description(to_regclass($1), 'pg_class')"
_MAJOR = "SELECT current_setting('server_version_num')::int / 10000"


def record_statements(schema: str, *, exists: bool) -> str:
    """SQL that keeps what `schema` holds at this moment; the last statements of the transaction that changed it.

    Everything before COMMIT in that transaction sees other settings afterwards: search_path is pg_catalog.

    Args:
        exists: what `Place.has_catalog` says. False makes the snapshot anew, in place of an older release's.
    """
    snapshot = _snapshot(schema)
    if exists:
        return f"{SETTINGS} REFRESH MATERIALIZED VIEW {snapshot};"
    return (
        f"{SETTINGS} {drop_statement(schema)}"
        f" CREATE MATERIALIZED VIEW {snapshot} AS {snapshot_query(schema)} WITH DATA;"
        f" COMMENT ON MATERIALIZED VIEW {snapshot} IS '{CATALOG_COMMENT}';"
    )


def drop_statement(schema: str) -> str:
    """SQL that removes the snapshot if there is one; before `schema_version` is dropped, on which it stands."""
    return f"DROP MATERIALIZED VIEW IF EXISTS {_snapshot(schema)};"


async def read_live(connection: Connection, schema: str) -> Catalog:
    """What `schema`, the connection's own, holds now; not to be called inside a transaction.

    Raises:
        DatabaseUnavailable: there is no such schema.
    """
    version = current_version(await read_history(connection, schema))
    async with connection.transaction(readonly=True):
        await connection.execute(SETTINGS)
        rows = await connection.fetch(catalog_query(schema))
    return Catalog(version, dict(map(tuple, rows)))


async def read_recorded(connection: Connection, schema: str) -> Catalog:
    """What `schema` held when its last migration was applied.

    Raises:
        DashdbError: nothing was recorded (CatalogNotRecorded), or by another release of this program, or on another
            release of PostgreSQL, which write definitions in other words (CatalogNotComparable).
    """
    snapshot = _snapshot(schema)
    if await connection.fetchval(_KEPT, snapshot) is None:
        raise DashdbError(
            "No catalog was recorded in this schema: nothing was migrated here, or by a release that did not record "
            "it. The next migration records it.",
            reason="CatalogNotRecorded",
            recovery=Recovery.STALLED,
        )
    objects = dict(map(tuple, await connection.fetch(_READ.format(snapshot=snapshot))))
    version, kept = int(objects.pop(_VERSION)), objects.pop(_FORMAT)
    now = f"{FORMAT} of PostgreSQL {await connection.fetchval(_MAJOR)}"
    if kept != now:
        raise DashdbError(
            f"The catalog was recorded in another form ({kept}; now {now}) and cannot be compared: dashdb or "
            "PostgreSQL was upgraded since. The next migration records it anew.",
            reason="CatalogNotComparable",
            recovery=Recovery.STALLED,
        )
    return Catalog(version, objects)


def _snapshot(schema: str) -> str:
    return f"{identifier(schema)}.{SNAPSHOT}"
