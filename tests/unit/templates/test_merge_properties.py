"""Whatever users and releases did before, the merge keeps its promises."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from controller.templates.merge import TemplateAction, TemplateRow, TemplateState, decide
from controller.templates.shipped import ShippedTemplate
from tests.unit.templates.releases import custom, edited, release, seeded

INSERT, UPGRADE, NONE = TemplateAction.INSERT, TemplateAction.UPGRADE, TemplateAction.NONE
MISSING, OUTDATED = TemplateState.MISSING, TemplateState.OUTDATED


Step = Callable[[tuple[TemplateRow, ...]], tuple[TemplateRow, ...]]
IDS = ("template-a", "template-b")


def seed_with(version: str) -> Step:
    shipped = tuple(release(version, template_id=template_id) for template_id in IDS)
    return lambda rows: applied(shipped, rows)


def applied(
    shipped: Sequence[ShippedTemplate], rows: Iterable[TemplateRow], reset: Sequence[str] = ()
) -> tuple[TemplateRow, ...]:
    """Return the rows of a database after the decisions were carried out."""
    table = {row.id: row for row in rows}
    for template, decision in zip(shipped, decide(shipped, tuple(table.values()), reset), strict=True):
        if decision.action is not NONE:
            assert (template.id in table) == (decision.action is not INSERT)
            table[template.id] = seeded(template)
    return tuple(table.values())


def to_each(change: Callable[[TemplateRow], TemplateRow]) -> Step:
    return lambda rows: tuple(change(row) for row in rows)


steps = st.lists(
    st.one_of(
        st.sampled_from(["1.0.0", "1.1.0-rc.1", "1.1.0", "2.0.0"]).map(seed_with),
        st.sampled_from(
            [
                to_each(edited),
                to_each(custom),
                to_each(lambda row: dataclasses.replace(row, seeded_sha256=None)),
                to_each(lambda row: dataclasses.replace(row, version="3.0.0")),
                to_each(lambda row: dataclasses.replace(row, id="mine-" + row.id)),
                lambda rows: rows[1:],
                lambda rows: (),
            ]
        ),
    ),
    max_size=6,
)


def after(history: Sequence[Step]) -> tuple[TemplateRow, ...]:
    rows: tuple[TemplateRow, ...] = ()
    for step in history:
        rows = step(rows)
    return rows


@given(steps, st.sampled_from(["1.0.0", "1.1.0", "2.0.0"]))
def test_seeding_a_second_time_changes_nothing(history: list[Step], version: str) -> None:
    shipped = tuple(release(version, template_id=template_id) for template_id in IDS)
    once = applied(shipped, after(history))
    assert applied(shipped, once) == once
    assert all(decision.action is NONE for decision in decide(shipped, once))


@given(steps, st.sampled_from(["1.0.0", "1.1.0", "2.0.0"]))
def test_what_a_user_made_never_changes(history: list[Step], version: str) -> None:
    rows = after(history)
    made_by_users = [row for row in rows if not row.is_system or row.content_sha256 != row.seeded_sha256]
    shipped = tuple(release(version, template_id=template_id) for template_id in IDS)
    kept = {row.id: row for row in applied(shipped, rows)}
    for row in made_by_users:
        assert kept[row.id].content_sha256 == row.content_sha256
        assert kept[row.id].is_system == row.is_system


@given(steps, st.sampled_from(["1.0.0", "1.1.0", "2.0.0"]))
def test_only_missing_and_outdated_templates_are_written(history: list[Step], version: str) -> None:
    shipped = tuple(release(version, template_id=template_id) for template_id in IDS)
    for decision in decide(shipped, after(history)):
        assert (decision.action is INSERT) == (decision.state is MISSING)
        assert (decision.action is UPGRADE) == (decision.state is OUTDATED)
        assert decision.message


@given(steps, st.sampled_from(["1.0.0", "1.1.0", "2.0.0"]), st.lists(st.sampled_from(IDS), unique=True))
def test_a_reset_changes_named_system_templates_alone_and_leaves_nothing_to_do(
    history: list[Step], version: str, reset: list[str]
) -> None:
    rows = after(history)
    shipped = tuple(release(version, template_id=template_id) for template_id in IDS)
    once = applied(shipped, rows, reset)
    without = {row.id: row for row in applied(shipped, rows)}
    assert {row.id for row in once if without[row.id] != row} <= {
        row.id for row in rows if row.is_system and row.id in reset
    }
    assert all(decision.action is NONE for decision in decide(shipped, once, reset))


@given(steps)
def test_an_older_release_changes_no_content_of_a_newer_one(history: list[Step]) -> None:
    newest = seed_with("9.0.0")(after(history))
    older = seed_with("1.0.0")(newest)
    assert [(row.id, row.content_sha256) for row in older] == [(row.id, row.content_sha256) for row in newest]
