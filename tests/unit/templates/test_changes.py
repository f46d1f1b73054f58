"""The diff of a row and the shipped template, as a person reads it."""

import dataclasses

from controller.templates.changes import LONGEST, Change, changes
from controller.templates.merge import TemplateRow, UnreadableRow
from controller.templates.shipped import ShippedTemplate, shipped_templates
from tests.unit.templates.releases import custom, seeded

NOTEBOOK = next(template for template in shipped_templates() if template.id == "template-notebook")
NEXT = dataclasses.replace(NOTEBOOK, version="1.1.0", description="Better.")


def change(shipped: ShippedTemplate, *rows: TemplateRow | UnreadableRow) -> Change:
    (found,) = changes((shipped,), rows)
    return found


def with_unit(template: ShippedTemplate, unit: str) -> TemplateRow:
    """Return the row with another unit of the panel `cpu_usage`."""
    row = seeded(template)
    spec = row.document["spec"]
    panel = spec["panels"]["cpu_usage"]
    plugin = panel["spec"]["plugin"]
    axis = {**plugin["spec"]["yAxis"], "format": {"unit": unit}}
    panel = {**panel, "spec": {**panel["spec"], "plugin": {**plugin, "spec": {**plugin["spec"], "yAxis": axis}}}}
    panels = {**spec["panels"], "cpu_usage": panel}
    return dataclasses.replace(row, document={**row.document, "spec": {**spec, "panels": panels}})


def test_an_edit_is_shown_against_the_shipped_one_under_its_panel() -> None:
    found = change(NOTEBOOK, with_unit(NOTEBOOK, "percent"))
    assert not found.writes
    assert list(found.diff) == [
        "--- template-notebook 1.0.0 (shipped)",
        "+++ template-notebook 1.0.0 (database)",
        "@@ panel cpu_usage @@",
        "       yAxis:",
        "         format:",
        '-          unit: "decimal"',
        '+          unit: "percent"',
        '         label: "cores"',
        "         min: 0",
    ]


def test_an_upgrade_is_shown_from_the_row_to_the_shipped_one() -> None:
    found = change(NEXT, seeded(NOTEBOOK))
    assert found.writes
    assert list(found.diff[:3]) == [
        "--- template-notebook 1.0.0 (database)",
        "+++ template-notebook 1.1.0 (shipped)",
        "@@ template @@",
    ]
    assert [line for line in found.diff[3:] if line[0] in "+-"] == [
        f'-description: "{NOTEBOOK.description}"',
        '+description: "Better."',
        '-version: "1.0.0"',
        '+version: "1.1.0"',
    ]


def test_an_edit_that_lags_behind_is_shown_against_the_newest_shipped_one() -> None:
    found = change(NEXT, with_unit(NOTEBOOK, "percent"))
    assert found.diff[:2] == ("--- template-notebook 1.1.0 (shipped)", "+++ template-notebook 1.0.0 (database)")
    assert '-description: "Better."' in found.diff
    assert '+          unit: "percent"' in found.diff


def test_a_missing_template_is_all_new() -> None:
    found = change(NOTEBOOK)
    assert found.diff[0] == "--- /dev/null"
    assert {line[0] for line in found.diff[1:]} == {"+", "@"}


def test_a_removed_panel_is_a_part_of_its_own() -> None:
    row = seeded(NOTEBOOK)
    spec = row.document["spec"]
    panels = {key: panel for key, panel in spec["panels"].items() if key != "disk_io"}
    row = dataclasses.replace(row, document={**row.document, "spec": {**spec, "panels": panels}})
    assert [line for line in change(NOTEBOOK, row).diff if line.startswith("@@")] == ["@@ panel disk_io @@"]


def test_what_is_equal_unreadable_or_a_custom_template_has_no_diff() -> None:
    unreadable = UnreadableRow(id=NOTEBOOK.id, name=NOTEBOOK.name, version="1.0.0", is_system=True)
    for row in (seeded(NOTEBOOK), unreadable, custom(with_unit(NOTEBOOK, "percent"))):
        assert change(NOTEBOOK, row).diff == ()


def test_a_row_whose_record_alone_is_wrong_has_no_diff_and_is_written() -> None:
    found = change(NOTEBOOK, dataclasses.replace(seeded(NOTEBOOK), seeded_sha256=None))
    assert (found.diff, found.writes) == ((), True)


def test_a_part_that_is_too_long_to_compare_is_named() -> None:
    row = dataclasses.replace(seeded(NOTEBOOK), document={"a": list(range(LONGEST + 1)), "b": "\n" * LONGEST})
    (line,) = (line for line in change(NOTEBOOK, row).diff if line.startswith("@@ dashboard"))
    assert "too long to be shown" in line
