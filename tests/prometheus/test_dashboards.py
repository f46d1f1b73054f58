"""Dashboards of the operator's own metrics: laid out without holes, and equal in both programs."""

import json
from collections import Counter

from tools.dashboards import COLUMNS, FOLDER, PANELS, Kind, files, grafana, perses, placed


def test_the_files_are_what_the_table_says() -> None:
    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == files()


def test_every_cell_of_every_row_is_of_one_panel() -> None:
    cells = Counter(
        (x, y)
        for place in placed()
        for x in range(place.x, place.x + place.panel.width)
        for y in range(place.y, place.y + place.panel.height)
    )
    rows = {y for _, y in cells}
    assert set(cells.values()) == {1}
    assert set(cells) == {(x, y) for x in range(COLUMNS) for y in range(max(rows) + 1)}


def test_every_panel_says_what_it_shows_and_has_a_name_of_its_own() -> None:
    assert len({panel.key for panel in PANELS}) == len({panel.title for panel in PANELS}) == len(PANELS)
    assert all(panel.description.endswith(".") for panel in PANELS)
    assert all(line.legend for panel in PANELS if panel.kind is Kind.LINES for line in panel.lines)


def test_both_programs_ask_the_same_in_the_same_places() -> None:
    ours = perses()["spec"]
    of_perses = [
        (
            item["x"], item["y"], item["width"], item["height"],
            *(
                query["spec"]["plugin"]["spec"]["query"]
                for query in ours["panels"][item["content"]["$ref"].rpartition("/")[2]]["spec"]["queries"]
            ),
        )
        for item in ours["layouts"][0]["spec"]["items"]
    ]  # fmt: skip
    of_grafana = [
        (*(panel["gridPos"][side] for side in "xywh"), *(target["expr"] for target in panel["targets"]))
        for panel in grafana()["panels"]
    ]
    assert of_perses == of_grafana
    assert all("$job" in query for *_, query in of_perses)
    assert json.loads(files()["grafana.json"])["templating"]["list"][1]["name"] == "job"
