"""Content of a template as lines for people, in sections that name the panel or variable. Pure.

Not YAML of a library, although it looks like it: nobody reads it back, a row may hold anything that is JSON, and each
section is to be compared by itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from controller.templates.content import TemplateContent, canonical_json

DEEPEST = 24
"""Limit in levels of what is spread over lines; a document of ours has 13. What is deeper is one line of JSON."""


def sections(content: TemplateContent, version: str) -> dict[str, list[str]]:
    """Return the lines of each section by its heading, such as `panel cpu_usage`.

    Keys are sorted, since jsonb keeps no order. Whatever has not the shape of a dashboard, in a row that was edited, is
    shown with the part that it stands in.
    """
    found: dict[str, list[str]] = {
        "template": _lines(
            {
                "category": content.category,
                "description": content.description,
                "name": content.name,
                "version": version,
            }
        )
    }
    for heading, value in _parts(content.document):
        found.setdefault(heading, []).extend(_lines(value))
    found["form fields"] = _lines(content.variables)
    return found


def _parts(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield heading and value of each part of a document: itself without its panels and so on, and then those."""
    spec = document.get("spec") if isinstance(document, Mapping) else None
    if not isinstance(spec, Mapping):
        yield "dashboard", document
        return
    kinds = {"variables": list, "panels": Mapping, "layouts": object}
    apart = {key: spec[key] for key, kind in kinds.items() if key in spec and isinstance(spec[key], kind)}
    yield "dashboard", {**document, "spec": {key: value for key, value in spec.items() if key not in apart}}
    for variable in apart.get("variables", ()):
        yield f"variable {_name_of(variable)}", variable
    for key, panel in sorted(apart.get("panels", {}).items()):
        yield f"panel {key}", panel
    if "layouts" in apart:
        yield "layout", apart["layouts"]


def _name_of(variable: Any) -> str:
    """Return the name of a variable, or what stands in its place."""
    spec = variable.get("spec") if isinstance(variable, Mapping) else None
    name = spec.get("name") if isinstance(spec, Mapping) else None
    return name if isinstance(name, str) else "without a name"


def _lines(value: Any) -> list[str]:
    return list(_spread(value, "", DEEPEST))


def _spread(value: Any, indent: str, levels: int) -> Iterator[str]:
    """Yield a value as lines: a key or an entry each, and PromQL and other texts with quotes or lines as they are."""
    if isinstance(value, Mapping) and value and levels:
        for key in sorted(value):
            yield from _entry(f"{indent}{key}:", value[key], indent + "  ", levels)
    elif isinstance(value, Sequence) and not isinstance(value, str) and value and levels:
        for item in value:
            yield from _item(item, indent, levels)
    else:
        yield f"{indent}{_leaf(value)}"


def _item(value: Any, indent: str, levels: int) -> Iterator[str]:
    """Yield an entry of a list; the first key of an object stands behind its dash."""
    if isinstance(value, Mapping) and value and levels > 1:
        first, *rest = _spread(value, indent + "  ", levels - 1)
        yield f"{indent}- {first.lstrip(' ')}"
        yield from rest
    else:
        yield from _entry(f"{indent}-", value, indent + "  ", levels)


def _entry(head: str, value: Any, indent: str, levels: int) -> Iterator[str]:
    if isinstance(value, str) and ("\n" in value or '"' in value):
        yield f"{head} |"
        yield from (f"{indent}{line}" for line in value.split("\n"))
    elif isinstance(value, str | int | float | None) or not value or levels == 1:
        yield f"{head} {_leaf(value)}"
    else:
        yield head
        yield from _spread(value, indent, levels - 1)


def _leaf(value: Any) -> str:
    try:
        return canonical_json(value)
    except RecursionError:  # it was read with fewer calls around it
        return "(nested too deeply to be shown)"
