"""Changes that seeding would make to the templates in a database, as a diff of JSON for people to read. Pure."""

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from controller.templates.content import TemplateContent
from controller.templates.merge import TemplateAction, TemplateDecision, TemplateRow, UnreadableRow, decide
from controller.templates.shipped import ShippedTemplate


@dataclass(frozen=True, kw_only=True)
class Change:
    """Decision about one system template, and the change that seeding would make.

    Attributes:
        diff: lines of a unified diff, without line ends; none where nothing would be written.
    """

    decision: TemplateDecision
    diff: tuple[str, ...]

    @property
    def writes(self) -> bool:
        return self.decision.action is not TemplateAction.NONE


def changes(shipped: Sequence[ShippedTemplate], rows: Iterable[TemplateRow | UnreadableRow]) -> tuple[Change, ...]:
    """Return one change for each template of `shipped`, in its order; `rows` as for `merge.decide`."""
    known = tuple(rows)
    by_id = {row.id: row for row in known}
    return tuple(
        Change(decision=decision, diff=_diff(template, by_id.get(template.id), decision))
        for template, decision in zip(shipped, decide(shipped, known), strict=True)
    )


def _diff(
    template: ShippedTemplate, row: TemplateRow | UnreadableRow | None, decision: TemplateDecision
) -> tuple[str, ...]:
    if decision.action is TemplateAction.NONE or isinstance(row, UnreadableRow):
        return ()
    before = [] if row is None else _lines(row, row.version, row.seeded_sha256)
    after = _lines(template, template.version, template.content_sha256)
    name_before = "/dev/null" if row is None else f"{template.id} {row.version} (database)"
    return tuple(difflib.unified_diff(before, after, name_before, f"{template.id} {template.version}", lineterm=""))


def _lines(content: TemplateContent, version: str, seeded_sha256: str | None) -> list[str]:
    """Return the columns of a row as lines of JSON, with sorted keys, since jsonb keeps no order."""
    columns: dict[str, Any] = {
        "name": content.name,
        "description": content.description,
        "category": content.category,
        "version": version,
        "seeded_sha256": seeded_sha256,
        "variables": list(content.variables),
        "doc": content.document,
    }
    return json.dumps(columns, indent=2, sort_keys=True, ensure_ascii=False).splitlines()
