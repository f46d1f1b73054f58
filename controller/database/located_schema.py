"""Schema to work in, after `schema.locate_schema` has checked it. Pure."""

from dataclasses import dataclass

from controller.database.quoting import identifier


@dataclass(frozen=True, slots=True)
class LocatedSchema:
    """Schema to work in, of which everything that our SQL names is known to be ours.

    Attributes:
        database: identity of the database, see `server_facts.ServerFacts.identity`.
        path: schemas in which the statements of migration files look names up; the first is `name`.
        tables: those of `schema_queries.TABLES` that exist.
        foreign_relations: tables and views of roles without our rights, with other names than those, and the owner.
        suspicious: there were objects of other roles to be checked, so every look has to check them again.
    """

    name: str
    database: str
    path: tuple[str, ...]
    tables: frozenset[str]
    foreign_relations: tuple[tuple[str, str], ...] = ()
    suspicious: bool = False

    def qualified(self, name: str) -> str:
        """Return the name of an object in the schema, qualified and quoted."""
        return f"{identifier(self.name)}.{identifier(name)}"
