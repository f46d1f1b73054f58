"""Names of tables and columns, as SQL text and as PostgreSQL compares them. Pure."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class QualifiedName:
    """A name with the qualifiers before it; two are equal where PostgreSQL takes them for the same words.

    Attributes:
        parts: what its dots separate, unquoted and folded: database, schema and table, or fewer of them from the left.
        sql: for use in SQL and for people: as its file writes it, without blanks, comments and Unicode escapes.
    """

    parts: tuple[str, ...]
    sql: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Relation:
    """A table that a statement works on.

    Attributes:
        only: its partitions and the tables that inherit from it are left out.
    """

    name: QualifiedName
    only: bool
