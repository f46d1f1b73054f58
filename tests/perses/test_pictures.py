"""The pictures show the documents and pages of this release, are small, and are described where they stand."""

import re
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from controller.health.role import Role
from controller.runtime.waits import Waits
from controller.templates.shipped import ShippedTemplate, shipped_templates
from tests.pictures.picture import PICTURES, source_of, with_source
from tests.pictures.series import all_series, operator
from tests.pictures.series.shapes import TIMES, counter, histogram, steady
from tests.pictures.shown import Dashboard, Page, dashboards, pages
from tests.unit.web.reports import scrape, store_with

ROOT = Path(__file__).parents[2]
LARGEST = 150_000
"""Bytes of a picture that a reader on a slow line still waits for."""

SHOWN: tuple[Dashboard | Page, ...] = (*dashboards(), *pages())

every_picture = pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: str(shown.name))
every_template = pytest.mark.parametrize("template", shipped_templates(), ids=lambda template: template.id)


def pictures_in(document: str) -> dict[str, str]:
    """Return the text that stands for each picture in a document, by the file that it shows or links."""
    found = re.findall(r"\[([^\]]*)\]\((?:[^)]*/)?([^/)]+\.png)\)", (ROOT / document).read_text())
    return {file: " ".join(text.split()) for text, file in found}


@every_picture
def test_the_picture_shows_the_document_of_this_release(shown: Dashboard | Page) -> None:
    source = source_of((PICTURES / f"{shown.name}.png").read_bytes())
    assert source == shown.source, "it was drawn from another document: make pictures, and look at it"


def test_there_is_no_picture_of_anything_else() -> None:
    assert {file.stem for file in PICTURES.iterdir()} == {shown.name for shown in SHOWN}


@every_picture
def test_the_picture_is_small(shown: Dashboard | Page) -> None:
    assert (PICTURES / f"{shown.name}.png").stat().st_size < LARGEST


@every_template
def test_the_reference_shows_the_picture_and_says_what_is_on_it(template: ShippedTemplate) -> None:
    text = pictures_in("docs/reference/templates.md")[f"{template.id}.png"]
    assert text.startswith("Template for ")
    assert {"CPU", "memory", "limits"} <= set(re.findall(r"\w+", text))


def test_every_picture_is_shown_somewhere_and_described() -> None:
    documents = ("README.md", "docs/reference/templates.md", "docs/runbooks.md")
    found = {file: text for document in documents for file, text in pictures_in(document).items()}
    assert found.keys() == {f"{shown.name}.png" for shown in SHOWN}
    assert all(len(text) > 40 for text in found.values())


def test_the_operators_series_have_the_names_and_labels_of_those_that_it_exports() -> None:
    store = store_with("one")
    store.watching, store.connection_waits = True, Waits()
    exported = scrape(store, role=lambda: Role(leading=True, standby=False, leader="a", transitions=1))
    of_prometheus = {"job", "pod", "instance"}
    for each in operator.series():
        labels = "".join(f'.*{name}="' for name in sorted(each.labels.keys() - of_prometheus))
        assert re.search(rf"^{each.metric}(\{{{labels}.*\}})? ", exported, re.MULTILINE), each


def test_a_picture_tells_what_it_was_drawn_from_and_looks_the_same() -> None:
    drawn = BytesIO()
    Image.new("RGB", (3, 2), "#1b6b8f").save(drawn, format="PNG")
    marked = with_source(drawn.getvalue(), "sha256:abc")
    assert source_of(drawn.getvalue()) is None
    assert source_of(marked) == "sha256:abc"
    assert Image.open(BytesIO(marked)).convert("RGB").getpixel((2, 1)) == (0x1B, 0x6B, 0x8F)


def test_the_synthetic_series_are_the_same_at_each_call_and_each_is_there_once() -> None:
    series = all_series()
    assert [list(each.lines()) for each in all_series()] == [list(each.lines()) for each in series]
    names = [(each.metric, tuple(sorted(each.labels.items()))) for each in series]
    assert len(set(names)) == len(names)


def test_every_series_has_its_samples_in_the_order_of_time() -> None:
    for series in all_series():
        times = [int(line.split()[-1]) for line in series.lines()]
        assert times == sorted(times)
        assert set(times) <= set(TIMES)


def test_a_counter_grows_by_its_rate() -> None:
    grown = counter(steady(2))
    assert (grown[0], grown[1], grown[-1]) == (60, 120, 60 * len(TIMES))


def test_each_bucket_of_a_histogram_holds_those_below_it() -> None:
    low, middle, every = (
        series.values[-1] for series in histogram("h", {}, steady(1), steady(1.0), (0.1, 1.0, float("inf")))
    )
    assert low < middle < every
    assert middle == pytest.approx(every / 2)
