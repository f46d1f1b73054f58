"""Differences between two catalogs, and their text. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

SHORT = 60
"""Limit in characters of a definition that is shown in a line with another one."""

_IDENTIFIER = r'"(?:[^"]|"")+"|[^\s".]+'
_COLUMN = re.compile(rf"column (?P<of>{_IDENTIFIER})\.(?:{_IDENTIFIER})")
_ON = re.compile(rf".+ on (?P<of>{_IDENTIFIER})", re.DOTALL)
_RELATION = re.compile(rf"(?:table|view|materialized view|foreign table|sequence|type) (?P<name>{_IDENTIFIER})")

_USED = (
    "table ", "column ", "view ", "materialized view ", "foreign table ", "sequence ", "function ", "procedure ",
    "aggregate ", "trigger ", "type ", "partitions ", "last partition ",
)  # fmt: skip
_GRANTS = "privileges on "
"""Begin of the names of privileges, as `query` writes them."""
_OFF = ("disabled", "on replicas")
"""Ends of the definition of a trigger that fires for no program, as `query` writes them."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Objects of a schema and their definitions.

    Attributes:
        version: version of the schema at that time; 0 for none.
        objects: definition of each object by its name for people, such as `column dashboard.name`.
    """

    version: int = 0
    objects: Mapping[str, str] = field(default_factory=dict)


class Kind(StrEnum):
    MISSING = "missing"
    ADDED = "added"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """Object that differs between two catalogs.

    Attributes:
        before: its wanted definition; None if it should not exist.
        after: its definition as found; None if it is missing.
    """

    kind: Kind
    object: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        """Return one line, with definitions only if they are short."""
        if self.kind is Kind.CHANGED and _is_short(self.before) and _is_short(self.after):
            return f"{self.object}: changed ({self.before or 'no definition'} -> {self.after or 'no definition'})"
        if self.kind is Kind.ADDED and self.after and _is_short(self.after):
            return f"{self.object}: added ({self.after})"
        return f"{self.object}: {self.kind}"


def differences(wanted: Catalog, found: Catalog) -> tuple[Difference, ...]:
    """Return the objects that differ between `wanted` and `found`, sorted by name; versions are not compared.

    A table that is missing or added is one difference, without its columns, indexes, comments and other parts.
    """
    before, after = wanted.objects, found.objects
    missing = _topmost(before.keys() - after.keys(), before.keys())
    added = _topmost(after.keys() - before.keys(), after.keys())
    changed = {each for each in before.keys() & after.keys() if before[each] != after[each]}
    kinds = {Kind.MISSING: missing, Kind.ADDED: added, Kind.CHANGED: changed}
    found_ones = (Difference(kind, o, before.get(o), after.get(o)) for kind, objects in kinds.items() for o in objects)
    return tuple(sorted(found_ones, key=lambda difference: difference.object))


def is_damage(difference: Difference) -> bool:
    """Return True where something that programs use is missing or disabled, and not only changed or added."""
    if difference.kind is Kind.MISSING:
        return difference.object.startswith(_USED)
    off = (difference.after or "").endswith(_OFF) and not (difference.before or "").endswith(_OFF)
    return difference.object.startswith("trigger ") and off


def is_grant(difference: Difference) -> bool:
    """Return True for privileges, which the owner of a database gives to roles that no migration knows."""
    return difference.object.startswith(_GRANTS)


def _topmost(objects: Iterable[str], among: Iterable[str]) -> set[str]:
    """Return those of `objects` that are not part of another one of them."""
    all_objects = set(objects)
    relations = {match["name"]: each for each in among if (match := _RELATION.match(each))}
    return {each for each in all_objects if all_objects.isdisjoint(_parents(each, relations))}


def _parents(each: str, relations: Mapping[str, str]) -> Iterable[str]:
    """Yield the objects that `each` is part of: `column a.b` for `comment on column a.b`, then `table a`."""
    for prefix in ("comment on ", _GRANTS):
        if each.startswith(prefix):
            inner = each.removeprefix(prefix)
            yield inner
            yield from _parents(inner, relations)
            return
    match = _COLUMN.fullmatch(each) or _ON.fullmatch(each)
    if match and match["of"] in relations:
        yield relations[match["of"]]


def _is_short(definition: str | None) -> bool:
    return definition is not None and len(definition) <= SHORT and "\n" not in definition
