"""Names of tables and columns, as SQL text and as PostgreSQL compares them. Pure."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field

_WORDS = (re.compile(r"\w+"), re.compile(r"[\w$]+"), re.compile(r'[^"]+'))
"""Parts of a file that may be a name: with and without a dollar, and all between two quotes."""


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


def mentioned(text: str, names: Collection[str]) -> set[str]:
    """Return those of `names` that stand anywhere in `text`, quoted or not; in doubt, one counts as mentioned.

    The time does not grow with the number of names, since another role may have chosen them.
    """
    pieces = {name: name.lower().split('"') for name in names}
    wanted = {piece for each in pieces.values() for piece in each}
    lower = text.lower()
    present = {""}.union(*(_among(wanted, pattern, lower) for pattern in _WORDS))
    return {name for name, each in pieces.items() if present.issuperset(each)}


def _among(wanted: set[str], pattern: re.Pattern[str], text: str) -> set[str]:
    return {match[0] for match in pattern.finditer(text) if match[0] in wanted}
