"""What two catalogs differ in, in words. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

SHORT = 60
"""Characters of a definition that still fits into a line beside its other self."""

_IDENTIFIER = r'"(?:[^"]|"")+"|[^\s".]+'
_COLUMN = re.compile(rf"column (?P<of>{_IDENTIFIER})\.(?:{_IDENTIFIER})")
_ON = re.compile(rf".+ on (?P<of>{_IDENTIFIER})", re.DOTALL)
_RELATION = re.compile(rf"(?:table|view|materialized view|foreign table|sequence|type) (?P<name>{_IDENTIFIER})")


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a schema holds.

    Attributes:
        version: the migration after which it looked so; 0 for none.
        objects: what a person calls each object, such as `column dashboard.name`, and its definition.
    """

    version: int = 0
    objects: Mapping[str, str] = field(default_factory=dict)


class Kind(StrEnum):
    MISSING = "missing"
    ADDED = "added"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One object that is not as wanted.

    Attributes:
        before: its wanted definition; None where it should not be there.
        after: its definition as found; None where it is missing.
    """

    kind: Kind
    object: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        """One line; definitions only where they are short."""
        if self.kind is Kind.CHANGED and _is_short(self.before) and _is_short(self.after):
            return f"{self.object}: changed ({self.before or 'nothing said'} -> {self.after or 'nothing said'})"
        if self.kind is Kind.ADDED and self.after and _is_short(self.after):
            return f"{self.object}: added ({self.after})"
        return f"{self.object}: {self.kind}"


def differences(wanted: Catalog, found: Catalog) -> tuple[Difference, ...]:
    """What is not in `found` as it is in `wanted`, by the objects' names; versions are not compared.

    A table that is missing, or should not be there, stands for its columns, indexes, comments and all else on it.
    """
    before, after = wanted.objects, found.objects
    missing = _topmost(before.keys() - after.keys(), before.keys())
    added = _topmost(after.keys() - before.keys(), after.keys())
    changed = {each for each in before.keys() & after.keys() if before[each] != after[each]}
    kinds = {Kind.MISSING: missing, Kind.ADDED: added, Kind.CHANGED: changed}
    found_ones = (Difference(kind, o, before.get(o), after.get(o)) for kind, objects in kinds.items() for o in objects)
    return tuple(sorted(found_ones, key=lambda difference: difference.object))


def _topmost(objects: Iterable[str], among: Iterable[str]) -> set[str]:
    """Those of `objects` that hang on no other of them."""
    there = set(objects)
    relations = {match["name"]: each for each in among if (match := _RELATION.match(each))}
    return {each for each in there if there.isdisjoint(_hangs_on(each, relations))}


def _hangs_on(each: str, relations: Mapping[str, str]) -> Iterable[str]:
    """What `each` is a part of: `comment on column a.b` of `column a.b`, that of `table a`."""
    for prefix in ("comment on ", "privileges on "):
        if each.startswith(prefix):
            inner = each.removeprefix(prefix)
            yield inner
            yield from _hangs_on(inner, relations)
            return
    match = _COLUMN.fullmatch(each) or _ON.fullmatch(each)
    if match and match["of"] in relations:
        yield relations[match["of"]]


def _is_short(definition: str | None) -> bool:
    return definition is not None and len(definition) <= SHORT and "\n" not in definition
