"""Three-way merge: decides over plain values what seeding does with each system template.

The three sides are the content that this release ships, the content that was last seeded (its digest stays in the
row as `seeded_sha256`) and the content of the row now. A row equal to what was seeded was not edited, and may be
upgraded. A row that differs was edited by a user, and is kept, unless a person asks for the shipped one by name
(reset). The rest of this module handles special cases.

Pure: no I/O, no clock. `seeding` reads the rows and carries the decisions out.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from controller.templates.content import TemplateContent
from controller.templates.shipped import ShippedTemplate


class TemplateState(StrEnum):
    """State of a system template in a database."""

    CURRENT = "Current"
    """The row equals the template of this release, or that of a newer one."""
    MISSING = "Missing"
    """There is no row."""
    OUTDATED = "Outdated"
    """The row holds an older version that nobody edited, or the shipped content with a wrong version or digest."""
    CUSTOMIZED = "Customized"
    """A user edited the row. It is kept, even where its version is below the shipped one."""
    UNREADABLE = "Unreadable"
    """The row holds JSON that this program cannot read: a number or a nesting beyond its limits. It is kept."""
    CONFLICT = "Conflict"
    """Another template has the id or the unique name; a person must change one of the two."""


class TemplateAction(StrEnum):
    """Write that seeding has to make.

    Insert for Missing, Upgrade for Outdated, Reset for Customized and Unreadable where a person asks for it, None for
    all others.
    """

    INSERT = "Insert"
    UPGRADE = "Upgrade"
    RESET = "Reset"
    """The shipped content in the place of an edit. The row stays, with what is not content and what refers to it."""
    NONE = "None"


@dataclass(frozen=True, kw_only=True)
class TemplateRow(TemplateContent):
    """Row of `dashboard_template`, with the columns that the merge compares."""

    id: str
    version: str
    is_system: bool
    seeded_sha256: str | None


@dataclass(frozen=True, kw_only=True)
class UnreadableRow:
    """Row of `dashboard_template` whose JSON cannot be read."""

    id: str
    name: str
    version: str
    is_system: bool


@dataclass(frozen=True, kw_only=True)
class TemplateDecision:
    """Decision about one shipped template, with its reason."""

    template_id: str
    state: TemplateState
    action: TemplateAction
    row_version: str | None
    """Version in the row with the template's id; None if there is no such row."""
    shipped_version: str
    message: str
    """Reason in words, with what a person has to do, if anything."""

    @property
    def lags_behind(self) -> str | None:
        """Shipped version, if the row is kept at a version below it."""
        if self.row_version is None or self.action is not TemplateAction.NONE:
            return None
        return self.shipped_version if _precedence(self.row_version) < _precedence(self.shipped_version) else None


def decide(
    shipped: Sequence[ShippedTemplate], rows: Iterable[TemplateRow | UnreadableRow], reset: Collection[str] = ()
) -> tuple[TemplateDecision, ...]:
    """Compare each shipped template with the rows, and return one decision each, in the order of `shipped`.

    `rows` must hold every row with an id or a name of a shipped template; others do no harm.

    Args:
        reset: ids of templates whose edits are to be replaced by the shipped content. A row that a newer release
            seeded and nobody edited is left alone even so: there is no edit to take back, and that release would
            only write it again.
    """
    known = tuple(rows)
    by_id = {row.id: row for row in known}
    by_name = {row.name: row for row in known}
    return tuple(
        _decide_one(
            template, by_id.get(template.id), by_name.get(template.name), _RESETS if template.id in reset else _ACTIONS
        )
        for template in shipped
    )


def _decide_one(
    template: ShippedTemplate,
    row: TemplateRow | UnreadableRow | None,
    namesake: TemplateRow | UnreadableRow | None,
    actions: Mapping[TemplateState, TemplateAction],
) -> TemplateDecision:
    state, message = _state(template, row)
    action = actions.get(state, TemplateAction.NONE)
    if action is not TemplateAction.NONE and namesake is not None and namesake.id != template.id:
        # the column `name` is unique: a write would fail, and the other template must not be changed
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
    """Return the state and its reason; the first rule that holds decides."""
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
            f"for the shipped one: {_reset(template)}"
        )
    return _compare(template, row)


def _compare(template: ShippedTemplate, row: TemplateRow) -> tuple[TemplateState, str]:
    """Apply the three-way rule to a system template and its row; return the state and its reason."""
    untouched = row.content_sha256 == row.seeded_sha256
    newer = _precedence(row.version) > _precedence(template.version)
    if row.content_sha256 == template.content_sha256 and not newer:
        if untouched and row.version == template.version:
            return TemplateState.CURRENT, "the row is what is shipped"
        # a person restored or updated the row; only version and digest are written, so no edit can be lost
        return TemplateState.OUTDATED, "the content is what is shipped; its record will be renewed"
    if untouched and newer:
        # during a rolling update a newer replica seeded the row; the two must not undo each other's writes
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
    return f"{edited}; it is kept{lag}. For the shipped one: {_reset(template)}"


def _reset(template: ShippedTemplate) -> str:
    return f"dashdb templates seed --reset {template.id}"


_ACTIONS = {
    TemplateState.MISSING: TemplateAction.INSERT,
    TemplateState.OUTDATED: TemplateAction.UPGRADE,
}
_RESETS = {
    **_ACTIONS,
    TemplateState.CUSTOMIZED: TemplateAction.RESET,
    TemplateState.UNREADABLE: TemplateAction.RESET,
}

_LONGEST_VERSION = 32
"""Limit in characters, that of the column; a table of another make may hold numbers that Python refuses to read."""

_SEMVER = re.compile(r"([0-9]+)\.([0-9]+)\.([0-9]+)(?:-([0-9A-Za-z.-]+))?(?:\+.*)?")


def _precedence(version: str) -> tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]:
    """Return a sort key for versions, by semver.org 2.0.0 section 11; the column's check admits nothing else.

    A pre-release comes before its release; its parts compare as numbers where they are numbers, which come
    before words; build metadata does not count.
    """
    match = _SEMVER.fullmatch(version) if len(version) <= _LONGEST_VERSION else None
    if match is None:
        return (), False, ()
    release = tuple(int(part) for part in match.group(1, 2, 3))
    if match.group(4) is None:
        return release, True, ()
    parts = match.group(4).split(".")
    return release, False, tuple((not p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in parts)
