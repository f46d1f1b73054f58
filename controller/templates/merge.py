"""What seeding does with each system template: a three-way merge, decided over plain values.

The three sides are what this release ships, what was last seeded (its digest stays in the row as
`seeded_sha256`) and what the row holds now. The row equals what was seeded: nobody touched it, it may be
upgraded. It differs: a user edited it, it stays. Everything else in this module is the cases around that.

Pure: no I/O, no clock. `seeding` reads the rows and carries the decisions out.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from controller.templates.content import TemplateContent
from controller.templates.shipped import ShippedTemplate


class TemplateState(StrEnum):
    """How a system template stands in a database."""

    CURRENT = "Current"
    """The row is what is shipped, or what a newer release shipped."""
    MISSING = "Missing"
    """There is no row."""
    OUTDATED = "Outdated"
    """The row is an untouched older one, or holds what is shipped without a true record of that."""
    CUSTOMIZED = "Customized"
    """A user edited the row. It stays, and lags behind where its version is below the shipped one."""
    UNREADABLE = "Unreadable"
    """The row holds JSON that this program cannot read: a number or a nesting beyond its limits. It stays."""
    CONFLICT = "Conflict"
    """Another template has the id or the unique name; a person must give one of the two way."""


class TemplateAction(StrEnum):
    """What seeding has to write. Insert belongs to Missing, Upgrade to Outdated, None to all others."""

    INSERT = "Insert"
    UPGRADE = "Upgrade"
    NONE = "None"


@dataclass(frozen=True, kw_only=True)
class TemplateRow(TemplateContent):
    """A row of `dashboard_template`, as far as the merge looks at it."""

    id: str
    version: str
    is_system: bool
    seeded_sha256: str | None


@dataclass(frozen=True, kw_only=True)
class UnreadableRow:
    """A row of `dashboard_template` whose JSON cannot be read."""

    id: str
    name: str
    version: str
    is_system: bool


@dataclass(frozen=True, kw_only=True)
class TemplateDecision:
    """What to do with one shipped template, and why."""

    template_id: str
    state: TemplateState
    action: TemplateAction
    row_version: str | None
    """Version in the row with the template's id; None where there is no such row."""
    shipped_version: str
    message: str
    """For people: why, and what to do where a person has to do something."""


def decide(
    shipped: Sequence[ShippedTemplate], rows: Iterable[TemplateRow | UnreadableRow]
) -> tuple[TemplateDecision, ...]:
    """Compare each shipped template with the rows; one decision each, in the order of `shipped`.

    `rows` must hold every row with an id or a name of a shipped template; others do no harm.
    """
    known = tuple(rows)
    by_id = {row.id: row for row in known}
    by_name = {row.name: row for row in known}
    return tuple(_decide_one(template, by_id.get(template.id), by_name.get(template.name)) for template in shipped)


def _decide_one(
    template: ShippedTemplate, row: TemplateRow | UnreadableRow | None, namesake: TemplateRow | UnreadableRow | None
) -> TemplateDecision:
    state, message = _state(template, row)
    action = _ACTIONS.get(state, TemplateAction.NONE)
    if action is not TemplateAction.NONE and namesake is not None and namesake.id != template.id:
        # name is unique: writing would fail, and the namesake is not ours to change
        state, action = TemplateState.CONFLICT, TemplateAction.NONE
        message = (
            f'the name "{template.name}" is taken by template "{namesake.id}"; rename that one, '
            "the next seeding then writes this one"
        )
    return TemplateDecision(
        template_id=template.id,
        state=state,
        action=action,
        row_version=row.version if row else None,
        shipped_version=template.version,
        message=message,
    )


def _state(template: ShippedTemplate, row: TemplateRow | UnreadableRow | None) -> tuple[TemplateState, str]:
    """The state and its reason; the first rule that holds wins."""
    if row is None:
        return TemplateState.MISSING, "there is no such row; it will be inserted"
    if not row.is_system:
        return TemplateState.CONFLICT, (
            f'the id "{row.id}" is taken by a custom template (is_system = false), which is never touched; '
            "give that one another id, the next seeding then inserts the system template"
        )
    if isinstance(row, UnreadableRow):
        return TemplateState.UNREADABLE, (
            "the row holds a number or a nesting of JSON that cannot be read here; it is kept. Correct the row; or, "
            "for the shipped one, SET LOCAL dashdb.maintenance = 'on' and DELETE the row in the same transaction"
        )
    return _compare(template, row)


def _compare(template: ShippedTemplate, row: TemplateRow) -> tuple[TemplateState, str]:
    """The three-way rule itself, for a system template and its row."""
    untouched = row.content_sha256 == row.seeded_sha256
    newer = _precedence(row.version) > _precedence(template.version)
    if row.content_sha256 == template.content_sha256 and not newer:
        if untouched and row.version == template.version:
            return TemplateState.CURRENT, "the row is what is shipped"
        # restored or brought up to date by hand: adopting it writes no content, so no edit can be lost
        return TemplateState.OUTDATED, "the content is what is shipped; its record will be renewed"
    if untouched and newer:
        # a newer replica of this program seeded it during a rolling update: two must not undo each other
        return TemplateState.CURRENT, "a newer release seeded this row; it is left alone"
    if untouched:
        return TemplateState.OUTDATED, "the row is as it was seeded; it will be upgraded"
    return TemplateState.CUSTOMIZED, _why_customized(template, row)


def _why_customized(template: ShippedTemplate, row: TemplateRow) -> str:
    edited = (
        "the row was edited after it was seeded"
        if row.seeded_sha256 is not None
        else "the row has no record of what was seeded, and may be a person's work"
    )
    lag = ""
    if _precedence(row.version) < _precedence(template.version):
        lag = f" and lags behind version {template.version}"
    return (
        f"{edited}; it is kept{lag}. For the shipped one: SET LOCAL dashdb.maintenance = 'on', "
        "DELETE the row in the same transaction, and seed again"
    )


_ACTIONS = {
    TemplateState.MISSING: TemplateAction.INSERT,
    TemplateState.OUTDATED: TemplateAction.UPGRADE,
}

_SEMVER = re.compile(r"([0-9]+)\.([0-9]+)\.([0-9]+)(?:-([0-9A-Za-z.-]+))?(?:\+.*)?")


def _precedence(version: str) -> tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]:
    """A key that sorts versions as semver.org 2.0.0 section 11 does; the column's check admits nothing else.

    A pre-release comes before its release; its parts compare as numbers where they are numbers, which come
    before words; build metadata does not count.
    """
    match = _SEMVER.fullmatch(version)
    if match is None:
        return (), False, ()
    release = tuple(int(part) for part in match.group(1, 2, 3))
    if match.group(4) is None:
        return release, True, ()
    parts = match.group(4).split(".")
    return release, False, tuple((not p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in parts)
