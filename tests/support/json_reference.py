"""The reference of the JSON of commands, docs/reference/json.md, compared with what a command prints."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "json.md"
_ROW = re.compile(r"^\| `(?P<path>[^`]+)` \| (?P<type>[a-z ]+) \|", re.MULTILINE)
TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "time": lambda value: value.endswith("Z") and datetime.fromisoformat(value).tzinfo is not None,
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "array of strings": lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value),
}


@cache
def sections() -> dict[str, dict[str, str]]:
    """Return path and type of each field, by the heading of its section."""
    parts = re.split(r"^## (.+)$", REFERENCE.read_text(), flags=re.MULTILINE)
    return {title.strip("`"): dict(_ROW.findall(text)) for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def fields(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield path and value of each field at any depth."""
    if path:
        yield path, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from fields(inner, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, dict):
                for name, deeper in inner.items():
                    yield from fields(deeper, f"{path}[].{name}")


def compare(section: str, *results: Any, never: frozenset[str] = frozenset()) -> None:
    """Compare all fields of `results` with the section: each is in it with its type, and each in it was printed."""
    documented, printed = sections()[section], set()
    for path, value in (field for result in results for field in fields(result)):
        if isinstance(value, dict) and path not in documented:
            continue  # it is described by its fields
        assert path in documented, f"{section}: {path} is not in {REFERENCE.name}"
        kind, _, nullable = documented[path].partition(" or ")
        printed.add(path)
        assert (value is None and nullable == "null") or TYPES[kind](value), f"{section}: {path} is {value!r}"
    assert set(documented) - printed - never == set(), f"{section}: never printed"
