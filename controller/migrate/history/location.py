"""Location of the history in a database. Pure."""

from dataclasses import dataclass

from controller.database.quoting import identifier

HISTORY = frozenset(("schema_version", "schema_version_detail"))
"""Names of the tables of a history."""
IS_APPLIED = "state IN ('applied', 'dirty down')"
"""SQL condition on a row of schema_version, the same as `HistoryRow.applied`."""


@dataclass(frozen=True, slots=True)
class HistoryLocation:
    """Schema that is migrated, and the tables of a history in it.

    Attributes:
        schema: name of the schema.
        has_history: True if it has the engine's tables, or one of them.
        has_golang_migrate: True if it has golang-migrate's table.
        database: identity of the database, see `server_facts.ServerFacts.identity`.
        path: schemas in which the statements of files look names up; the first is `schema`.
        foreign_relations: tables and views of other roles in them, each with its owner.
    """

    schema: str
    has_history: bool
    has_golang_migrate: bool
    database: str = ""
    path: tuple[str, ...] = ()
    foreign_relations: tuple[tuple[str, str], ...] = ()

    @property
    def search_path(self) -> str:
        """Value of the setting search_path for the statements of files."""
        return ", ".join(map(identifier, self.path or (self.schema,)))

    @property
    def table(self) -> str:
        return table_in(self.schema)

    @property
    def detail(self) -> str:
        return detail_in(self.schema)

    @property
    def identity(self) -> str:
        """Identity of the database, and the schema in it."""
        return f"{self.database}/{self.schema}"

    @property
    def keeps_history(self) -> bool:
        """True if even an empty history is kept: without it golang-migrate's table would count again."""
        return self.has_golang_migrate


def table_in(schema: str) -> str:
    """Return the qualified and quoted name of the history table, since a file may change the search_path."""
    return f"{identifier(schema)}.schema_version"


def detail_in(schema: str) -> str:
    """Return the qualified and quoted name of the table beside it, which has what does not fit into a line."""
    return f"{identifier(schema)}.schema_version_detail"
