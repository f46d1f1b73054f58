"""Catalog of a schema: read as it is now, and recorded when a version is applied.

The record is the comment of the primary key of `schema_version`: there it is part of the history and of every backup,
changes in the transaction that changes the schema, and does not show in `SELECT * FROM schema_version`.
"""

import json

from controller.database.answer_messages import as_expected
from controller.database.connection import Connection, answer_limit
from controller.database.quoting import literal
from controller.database.transaction import transaction
from controller.errors import DashdbError, Recovery
from controller.migrate.catalog.differences import Catalog
from controller.migrate.catalog.inventory import inventory_query
from controller.migrate.catalog.query import FORMAT, NAMES, SETTINGS, catalog_query
from controller.migrate.history.location import IS_APPLIED, table_in
from controller.migrate.history.read import read_history
from controller.migrate.plan.model import current_version, shown_version

CATALOG_BYTES = 8 * 1024 * 1024
"""Limit of a catalog in bytes, about that of 5,000 tables."""

_RECORD = """
DO $dashdb_record$ BEGIN
    EXECUTE format('COMMENT ON CONSTRAINT schema_version_pkey ON %s IS %L', {name}, (
        SELECT json_build_object(
                   'version', (SELECT coalesce(max(version), 0) FROM {table} WHERE {is_applied}),
                   'format', '{format}',
                   'names', '{names}',
                   'postgresql', current_setting('server_version_num')::int / 10000,
                   'inventory', ({inventory}),
                   'objects', coalesce(json_object_agg(c.object, c.definition), '{{}}'))
          FROM ({query}) AS c));
EXCEPTION WHEN insufficient_privilege THEN
    NULL; -- only the owner may; a migration is not to fail for it, and drift says which version was recorded last
END $dashdb_record$;
"""
# One value takes a fraction of the time that its rows would take.
_AS_ONE_VALUE = """
SELECT coalesce(json_object_agg(c.object, c.definition ORDER BY c.object, c.definition), '{{}}')::text
  FROM ({query}) AS c
"""
_RECORDED = """
SELECT obj_description(oid, 'pg_constraint') AS recorded, current_setting('server_version_num')::int / 10000 AS major
  FROM pg_constraint WHERE conrelid = to_regclass($1::text) AND conname = 'schema_version_pkey'
"""


def record_statements(schema: str) -> str:
    """Return SQL that records the catalog of `schema`, as the last statements of the transaction that changed it.

    It changes settings until COMMIT: search_path is pg_catalog.
    """
    table = table_in(schema)
    query, inventory = catalog_query(schema), inventory_query(schema)
    parts = {"table": table, "name": literal(table), "is_applied": IS_APPLIED, "query": query, "inventory": inventory}
    return SETTINGS + _RECORD.format(**parts, format=FORMAT, names=NAMES)


async def read_live(connection: Connection, schema: str) -> Catalog:
    """Return the current catalog of `schema`; must not be called inside a transaction.

    Raises:
        DatabaseUnavailable: the schema does not exist.
    """
    version = shown_version(current_version(await read_history(connection, schema)))
    return parse_catalog(version, await read_text(connection, schema))


async def read_text(connection: Connection, schema: str) -> str:
    """Return the current catalog of `schema` as JSON, which is the same text for the same catalog; see `read_live`."""
    async with transaction(connection, read_only=True, first=SETTINGS):
        return await read_text_at_once(connection, schema)


async def read_text_at_once(connection: Connection, schema: str) -> str:
    """Return what `read_text` does in a single message, on a connection that has `SETTINGS_OF_SESSION`."""
    with answer_limit(connection, CATALOG_BYTES):
        text: str = await connection.fetchval(_AS_ONE_VALUE.format(query=catalog_query(schema)))
    return text


def parse_catalog(version: int, text: str) -> Catalog:
    """Return the catalog of a version from the text of `read_text`."""
    with as_expected("the catalog"):
        return Catalog(version, dict(json.loads(text)))


async def read_recorded(connection: Connection, schema: str, *, names_alone: bool = False) -> Catalog:
    """Return the catalog of `schema` as recorded by its last migration.

    Args:
        names_alone: definitions are not to be compared, so that they may be written in any form.

    Raises:
        DashdbError: no catalog was recorded (CatalogNotRecorded), or one by another release of this program or of
            PostgreSQL, which write definitions differently (CatalogNotComparable).
    """
    async with transaction(connection, read_only=True):
        with answer_limit(connection, CATALOG_BYTES):
            row = await connection.fetchrow(_RECORDED, table_in(schema))
    if row is None or row["recorded"] is None:
        raise DashdbError(
            "No catalog was recorded in this schema: nothing was migrated here, or by a role that does not own the "
            "table schema_version. The next migration records it.",
            reason="CatalogNotRecorded",
            recovery=Recovery.STALLED,
        )
    with as_expected("the recorded catalog"):
        recorded = json.loads(row["recorded"])
        version, objects = int(recorded["version"]), dict(recorded["objects"])
        kept, now = (str(recorded["format"]), int(recorded["postgresql"])), (FORMAT, row["major"])
        comparable = recorded.get("names") == NAMES if names_alone else kept == now
    if not comparable:
        raise DashdbError(
            f"The catalog was recorded in another form ({kept[0]} of PostgreSQL {kept[1]}; now {now[0]} of PostgreSQL "
            f"{now[1]}) and cannot be compared: dashdb or PostgreSQL was upgraded since. The next migration records it "
            "again.",
            reason="CatalogNotComparable",
            recovery=Recovery.STALLED,
        )
    return Catalog(version, objects)
