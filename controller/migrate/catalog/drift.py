"""Drift: changes made to a schema by hand since its last migration."""

from dataclasses import dataclass
from itertools import filterfalse

from controller.database.connection import Connection
from controller.errors import DashdbError, Recovery
from controller.migrate.catalog.differences import Catalog, Difference, Kind, differences, is_grant
from controller.migrate.catalog.snapshot import read_live, read_recorded
from controller.migrate.history.read import locate_history


@dataclass(frozen=True, slots=True)
class Drift:
    """Changes by hand since the migration to `version`.

    Attributes:
        grants: those of privileges, which are no drift: an owner grants them to the roles of a service.
    """

    version: int
    differences: tuple[Difference, ...]
    grants: tuple[Difference, ...] = ()


async def read_drift(connection: Connection, schema: str | None = None) -> Drift:
    """Compare the catalog of `schema` (None: the first of the search_path) with the recorded one.

    Raises:
        DashdbError: no comparable catalog was recorded, see `read_recorded`; or it is of another version
            (CatalogOutdated), since a program that records none has migrated the schema.
        DatabaseUnavailable: the schema does not exist.
    """
    location = await locate_history(connection, schema)
    wanted, found = await _read_both(connection, location.schema)
    changed = differences(wanted, found)
    grants = tuple(filter(is_grant, changed))
    return Drift(found.version, tuple(filterfalse(is_grant, changed)), grants)


async def read_missing(connection: Connection, schema: str) -> Drift:
    """Return what is missing in `schema`, by names alone: for a catalog that was recorded in another form.

    Raises:
        DashdbError, DatabaseUnavailable: see `read_drift`.
    """
    wanted, found = await _read_both(connection, schema, names_alone=True)
    return Drift(found.version, tuple(each for each in differences(wanted, found) if each.kind is Kind.MISSING))


async def _read_both(connection: Connection, schema: str, *, names_alone: bool = False) -> tuple[Catalog, Catalog]:
    """Return the recorded catalog and the one found, which are of the same version."""
    wanted = await read_recorded(connection, schema, names_alone=names_alone)
    found = await read_live(connection, schema)
    if wanted.version != found.version:
        raise DashdbError(
            f"The catalog was recorded at version {wanted.version}, and the database is at version {found.version}: "
            "another program or an older release migrated it. The next migration records it again.",
            reason="CatalogOutdated",
            recovery=Recovery.STALLED,
        )
    return wanted, found
