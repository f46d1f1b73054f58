"""The three-way rule: shipped, last seeded, in the row."""

import dataclasses

import pytest

from controller.templates.merge import (
    TemplateAction,
    TemplateDecision,
    TemplateRow,
    TemplateState,
    UnreadableRow,
    decide,
)
from controller.templates.shipped import ShippedTemplate
from tests.unit.templates.releases import custom, edited, release, seeded

CURRENT, MISSING = TemplateState.CURRENT, TemplateState.MISSING
OUTDATED, CUSTOMIZED, CONFLICT = TemplateState.OUTDATED, TemplateState.CUSTOMIZED, TemplateState.CONFLICT
INSERT, UPGRADE, NONE = TemplateAction.INSERT, TemplateAction.UPGRADE, TemplateAction.NONE
RESET = TemplateAction.RESET


def decide_one(shipped: ShippedTemplate, *rows: TemplateRow | UnreadableRow) -> TemplateDecision:
    (decision,) = decide((shipped,), rows)
    return decision


def decide_reset(shipped: ShippedTemplate, *rows: TemplateRow | UnreadableRow) -> TemplateDecision:
    (decision,) = decide((shipped,), rows, {shipped.id})
    return decision


ONE, TWO = release("1.0.0"), release("2.0.0")


def test_a_template_without_a_row_is_missing_and_inserted() -> None:
    decision = decide_one(ONE)
    assert (decision.state, decision.action, decision.row_version) == (MISSING, INSERT, None)


def test_a_row_as_seeded_from_this_release_is_current() -> None:
    decision = decide_one(ONE, seeded(ONE))
    assert (decision.state, decision.action) == (CURRENT, NONE)


def test_an_untouched_older_row_is_upgraded() -> None:
    decision = decide_one(TWO, seeded(ONE))
    assert (decision.state, decision.action) == (OUTDATED, UPGRADE)
    assert (decision.row_version, decision.shipped_version) == ("1.0.0", "2.0.0")


def test_an_untouched_row_with_the_same_version_but_older_content_is_upgraded() -> None:
    decision = decide_one(release("1.0.0", description="Better words"), seeded(ONE))
    assert (decision.state, decision.action) == (OUTDATED, UPGRADE)


def test_an_edited_row_stays() -> None:
    decision = decide_one(ONE, edited(seeded(ONE)))
    assert (decision.state, decision.action) == (CUSTOMIZED, NONE)
    assert "lags" not in decision.message


def test_an_edited_row_says_which_shipped_version_it_lags_behind() -> None:
    decision = decide_one(TWO, edited(seeded(ONE)))
    assert (decision.state, decision.row_version, decision.shipped_version) == (CUSTOMIZED, "1.0.0", "2.0.0")
    assert "lags behind version 2.0.0" in decision.message
    assert decision.message.endswith("dashdb templates seed --reset template-notebook")
    assert (decision.lags_behind, decide_one(ONE, edited(seeded(ONE))).lags_behind) == ("2.0.0", None)


@pytest.mark.parametrize(
    "edit",
    [
        {"name": "My notebook"},
        {"description": "Mine"},
        {"category": "custom"},
        {"variables": ()},
    ],
    ids=lambda edit: next(iter(edit)),
)
def test_an_edit_of_any_part_of_the_content_counts(edit: dict[str, object]) -> None:
    row = dataclasses.replace(seeded(ONE), **edit)  # type: ignore[arg-type]
    assert decide_one(TWO, row).state is CUSTOMIZED


def test_a_row_without_a_record_whose_content_differs_counts_as_edited() -> None:
    row = dataclasses.replace(seeded(ONE), seeded_sha256=None)
    decision = decide_one(TWO, row)
    assert (decision.state, decision.action) == (CUSTOMIZED, NONE)
    assert "no record" in decision.message


@pytest.mark.parametrize("record", [None, TWO.content_sha256], ids=["no record", "another record"])
def test_a_row_with_the_shipped_content_is_adopted(record: str | None) -> None:
    decision = decide_one(ONE, dataclasses.replace(seeded(ONE), seeded_sha256=record))
    assert (decision.state, decision.action) == (OUTDATED, UPGRADE)


def test_an_edit_that_ends_at_the_content_of_the_next_release_is_adopted_by_it() -> None:
    row = dataclasses.replace(seeded(ONE), document=TWO.document)
    decision = decide_one(TWO, row)
    assert (decision.state, decision.action) == (OUTDATED, UPGRADE)


def test_a_row_that_a_newer_release_seeded_is_not_downgraded() -> None:
    decision = decide_one(ONE, seeded(TWO))
    assert (decision.state, decision.action) == (CURRENT, NONE)
    assert "newer release" in decision.message


def test_an_edited_row_of_a_newer_release_is_reported_and_stays() -> None:
    decision = decide_one(ONE, edited(seeded(TWO)))
    assert (decision.state, decision.action) == (CUSTOMIZED, NONE)
    assert "lags" not in decision.message


def test_a_newer_row_with_our_content_is_not_adopted_backwards() -> None:
    row = dataclasses.replace(seeded(ONE), version="2.0.0", seeded_sha256=TWO.content_sha256)
    assert decide_one(ONE, row).action is NONE


@pytest.mark.parametrize("shipped", [ONE, TWO], ids=["of this release", "of a newer release"])
def test_an_edited_row_is_reset_where_its_template_is_named(shipped: ShippedTemplate) -> None:
    decision = decide_reset(ONE, edited(seeded(shipped)))
    assert (decision.state, decision.action) == (CUSTOMIZED, RESET)


def test_an_unreadable_row_is_reset_where_its_template_is_named() -> None:
    row = UnreadableRow(id=ONE.id, name=ONE.name, version="1.0.0", is_system=True)
    kept = decide_one(ONE, row)
    assert kept.action is NONE
    assert kept.message.endswith("dashdb templates seed --reset template-notebook")
    assert decide_reset(ONE, row).action is RESET


def test_a_reset_of_what_was_not_edited_is_seeding() -> None:
    assert decide_reset(ONE).action is INSERT
    assert decide_reset(ONE, seeded(ONE)).action is NONE
    assert decide_reset(TWO, seeded(ONE)).action is UPGRADE


def test_a_reset_leaves_an_unedited_row_of_a_newer_release_alone() -> None:
    decision = decide_reset(ONE, seeded(TWO))
    assert (decision.state, decision.action) == (CURRENT, NONE)


def test_a_reset_never_touches_a_custom_template() -> None:
    assert decide_reset(ONE, custom(seeded(ONE))).state is CONFLICT
    renamed = dataclasses.replace(edited(seeded(ONE)), name="Ours")
    namesake = dataclasses.replace(custom(seeded(ONE)), id="mine")
    decision = decide_reset(ONE, renamed, namesake)
    assert (decision.state, decision.action) == (CONFLICT, NONE)


def test_only_the_named_templates_are_reset() -> None:
    two = tuple(release("1.0.0", template_id=name) for name in ("template-a", "template-b"))
    decisions = decide(two, [edited(seeded(template)) for template in two], {"template-b"})
    assert [decision.action for decision in decisions] == [NONE, RESET]


def test_a_custom_template_that_took_the_id_is_a_conflict() -> None:
    decision = decide_one(TWO, custom(seeded(ONE)))
    assert (decision.state, decision.action) == (CONFLICT, NONE)
    assert "another id" in decision.message


def test_a_custom_template_with_the_id_and_the_shipped_content_is_still_never_touched() -> None:
    assert decide_one(ONE, custom(seeded(ONE))).action is NONE


def test_a_custom_template_that_took_the_name_is_a_conflict() -> None:
    namesake = dataclasses.replace(custom(seeded(ONE)), id="my-template")
    decision = decide_one(ONE, namesake)
    assert (decision.state, decision.action, decision.row_version) == (CONFLICT, NONE, None)
    assert '"my-template"' in decision.message


def test_an_upgrade_to_a_name_that_is_taken_is_a_conflict() -> None:
    renamed = release("2.0.0", name="Workbench")
    namesake = dataclasses.replace(custom(seeded(renamed)), id="my-template")
    decision = decide_one(renamed, seeded(ONE), namesake)
    assert (decision.state, decision.action, decision.row_version) == (CONFLICT, NONE, "1.0.0")


def test_an_edited_row_may_leave_its_name_to_another() -> None:
    row = dataclasses.replace(seeded(ONE), name="My notebook")
    namesake = dataclasses.replace(custom(seeded(ONE)), id="my-template")
    assert decide_one(ONE, row, namesake).state is CUSTOMIZED


def test_rows_that_have_nothing_to_do_with_us_change_nothing() -> None:
    other = dataclasses.replace(custom(seeded(ONE)), id="mine", name="Mine")
    assert decide_one(ONE, other) == decide_one(ONE)


def test_decisions_come_in_the_order_of_what_is_shipped() -> None:
    shipped = tuple(release("1.0.0", template_id=name) for name in ("c", "a", "b"))
    assert [decision.template_id for decision in decide(shipped, ())] == ["c", "a", "b"]


SORTED_VERSIONS = [
    "0.9.9",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "1.2.0",
    "1.10.0",
    "10.0.0",
]


@pytest.mark.parametrize("older", range(len(SORTED_VERSIONS) - 1))
def test_versions_sort_as_semver_org_says(older: int) -> None:
    low, high = release(SORTED_VERSIONS[older]), release(SORTED_VERSIONS[older + 1])
    assert decide_one(high, seeded(low)).action is UPGRADE
    assert decide_one(low, seeded(high)).action is NONE


def test_build_metadata_does_not_make_a_version_newer() -> None:
    row = dataclasses.replace(seeded(ONE), version="1.0.0+build.7", seeded_sha256=None)
    assert decide_one(ONE, row).action is UPGRADE


@pytest.mark.parametrize("version", ["one", "9" * 5000 + ".0.0"], ids=["a word", "longer than its column"])
def test_a_version_that_is_none_counts_as_the_oldest(version: str) -> None:
    row = dataclasses.replace(seeded(ONE), version=version)
    assert decide_one(TWO, row).action is UPGRADE
