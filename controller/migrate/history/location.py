"""Location of the history in a database. Pure."""

from dataclasses import dataclass

from controller.migrate.sql.quoting import identifier


@dataclass(frozen=True, slots=True)
class HistoryLocation:
    """Schema that is migrated, and the tables of a history in it.

    Attributes:
        schema: name of the schema.
        has_history: True if it has the engine's table.
        has_golang_migrate: True if it has golang-migrate's table.
    """

    schema: str
    has_history: bool
    has_golang_migrate: bool

    @property
    def table(self) -> str:
        return table_in(self.schema)

    @property
    def keeps_history(self) -> bool:
        """True if even an empty history is kept: without it golang-migrate's table would count again."""
        return self.has_golang_migrate


def table_in(schema: str) -> str:
    """Return the qualified and quoted name of the history table, since a file may change the search_path."""
    return f"{identifier(schema)}.schema_version"
