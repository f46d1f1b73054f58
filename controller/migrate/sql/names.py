"""Names of tables and columns, as SQL text and as PostgreSQL compares them. Pure."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class QualifiedName:
    """Name with its qualifiers; two are equal if PostgreSQL reads them as the same words.

    Attributes:
        parts: parts between the dots, unquoted and folded: database, schema and table, or the last ones of these.
        sql: text for SQL and for people: as in its file, without blanks, comments and Unicode escapes.
    """

    parts: tuple[str, ...]
    sql: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Relation:
    """Table that a statement uses.

    Attributes:
        only: True if its partitions and the tables that inherit from it are left out.
    """

    name: QualifiedName
    only: bool
