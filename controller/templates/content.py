"""Content of a template, shipped or stored, and the digest by which two contents are compared."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TemplateContent:
    """Part of a template that a user can edit and that an upgrade replaces.

    Not part of it: the id, the version, who made it and when, and how often it was used.
    """

    name: str
    description: str
    category: str
    document: Mapping[str, Any]
    """The Perses dashboard document, as JSON values."""
    variables: Sequence[Mapping[str, Any]]
    """Variables of the document that a user fills in: one JSON object each, with `name`, `label` and `description`."""

    @cached_property
    def content_sha256(self) -> str:
        """Digest of the content, `sha256:<64 hex digits>`; the order of keys and the spacing do not change it."""
        canonical = canonical_json(
            {
                "name": self.name,
                "description": self.description,
                "category": self.category,
                "doc": self.document,
                "variables": self.variables,
            }
        )
        return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def parse_json(text: str) -> Any:
    """Return the value of a JSON text, with every whole number as int, `1.0` too.

    jsonb keeps the scale of a number (`1.0` stays `1.0`) but takes `1` and `1.0` for equal, and so do editors
    that read a document and write it back: neither may count as an edit.
    """
    return json.loads(text, parse_float=_whole_as_int)


def canonical_json(value: Any) -> str:
    """Return the JSON text of a value with sorted keys and without spaces, so that equal values have equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _whole_as_int(text: str) -> int | float:
    number = float(text)
    return int(number) if number.is_integer() else number
