"""The place of the history in a database. Pure."""

from dataclasses import dataclass

from controller.migrate.sql.quoting import identifier


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
