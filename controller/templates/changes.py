"""Differences between the templates in a database and the shipped ones, for people to read. Pure."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from controller.templates.merge import (
    TemplateAction,
    TemplateDecision,
    TemplateRow,
    TemplateState,
    UnreadableRow,
    decide,
)
from controller.templates.sections import sections
from controller.templates.shipped import ShippedTemplate

CONTEXT = 2
"""Lines that are shown before and after a difference; the heading says where it is, so few are enough."""
LONGEST = 1000
"""Limit in lines of a section that is compared line by line, since the time grows with the square; ours have 120."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """Decision about one system template, and how its row differs from the shipped one.

    Attributes:
        diff: lines without line ends, as in a unified diff, but with the section in the place of line numbers.
            What seeding would write: from the row to the shipped one. The edits of a Customized row, which seeding
            keeps: from the shipped one to the row. Empty otherwise.
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
        Change(decision=decision, diff=tuple(_diff(template, by_id.get(template.id), decision)))
        for template, decision in zip(shipped, decide(shipped, known), strict=True)
    )


def _diff(
    template: ShippedTemplate, row: TemplateRow | UnreadableRow | None, decision: TemplateDecision
) -> Iterator[str]:
    if isinstance(row, UnreadableRow):
        return
    ours = (f"{template.id} {template.version} (shipped)", sections(template, template.version))
    theirs = ("/dev/null", {}) if row is None else (f"{row.id} {row.version} (database)", sections(row, row.version))
    if decision.action is not TemplateAction.NONE:
        before, after = theirs, ours
    elif decision.state is TemplateState.CUSTOMIZED:
        before, after = ours, theirs
    else:
        return
    hunks = tuple(_hunks(before[1], after[1]))
    if hunks:
        yield from (f"--- {before[0]}", f"+++ {after[0]}")
        yield from hunks


def _hunks(before: dict[str, list[str]], after: dict[str, list[str]]) -> Iterator[str]:
    """Yield the differences of each section under its heading."""
    for heading in dict.fromkeys((*before, *after)):
        old, new = before.get(heading, []), after.get(heading, [])
        if old == new:
            continue
        if max(len(old), len(new)) > LONGEST:
            yield f"@@ {heading}: differs, and is too long to be shown ({len(old)} and {len(new)} lines) @@"
            continue
        without_file_names = islice(difflib.unified_diff(old, new, n=CONTEXT, lineterm=""), 2, None)
        for line in without_file_names:
            yield f"@@ {heading} @@" if line.startswith("@@ ") else line
