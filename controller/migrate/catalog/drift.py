"""Whether a schema is still as its last migration left it."""

from dataclasses import dataclass

from controller.database.connection import Connection
from controller.errors import DashdbError, Recovery
from controller.migrate.catalog.differences import Difference, differences
from controller.migrate.catalog.snapshot import read_live, read_recorded
from controller.migrate.history.read import locate_history


@dataclass(frozen=True, slots=True)
class Drift:
    """What was changed by hand since `version` was reached."""

    version: int
    differences: tuple[Difference, ...]


async def read_drift(connection: Connection, schema: str | None = None) -> Drift:
    """Compares what `schema` (None: the first of the search_path) holds with what was recorded.

    Raises:
        DashdbError: nothing was recorded that could be compared; see `read_recorded`. Or it is of another version
            (CatalogOutdated): a release that records nothing has migrated since.
        DatabaseUnavailable: there is no such schema.
    """
    location = await locate_history(connection, schema)
    wanted, found = await read_recorded(connection, location.schema), await read_live(connection, location.schema)
    if wanted.version != found.version:
        raise DashdbError(
            f"The catalog was recorded at version {wanted.version}, and the database is at version {found.version}: "
            "another program or an older release brought it there. The next migration records it anew.",
            reason="CatalogOutdated",
            recovery=Recovery.STALLED,
        )
    return Drift(found.version, differences(wanted, found))
