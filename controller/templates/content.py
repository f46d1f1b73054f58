"""What a template consists of, whether it is shipped or stored, and the digest that compares two of them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TemplateContent:
    """The part of a template that a user can edit and that an upgrade replaces.

    Not part of it: the id, the version, who made it and when, and how often it was used.
    """

    name: str
    description: str
    category: str
    document: Mapping[str, Any]
    """The Perses dashboard document, as JSON values."""
    variables: Sequence[Mapping[str, Any]]
    """What `document` asks for, as JSON values: one object with `name`, `label`, `description` for each."""

    @cached_property
    def content_sha256(self) -> str:
        """`sha256:<64 hex digits>`, equal for equal content whatever the order of keys or the spacing."""
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
    """JSON with whole numbers as int, `1.0` too.

    jsonb keeps the scale of a number (`1.0` stays `1.0`) but holds `1` and `1.0` for equal, and so do editors
    that read a document and write it back: neither may count as an edit.
    """
    return json.loads(text, parse_float=_whole_as_int)


def canonical_json(value: Any) -> str:
    """One text for each value that `parse_json` gives: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _whole_as_int(text: str) -> int | float:
    number = float(text)
    return int(number) if number.is_integer() else number
