"""The pictures of the templates show the documents of this release, are small, and are described where they stand."""

import re
import zlib
from pathlib import Path

import pytest

from controller.templates.shipped import ShippedTemplate, shipped_templates
from tests.pictures.picture import PICTURES, SIGNATURE, source_of, with_source
from tests.pictures.series import all_series
from tests.pictures.series.shapes import TIMES, counter, histogram, steady

ROOT = Path(__file__).parents[2]
LARGEST = 200_000
"""Bytes of a picture that a reader on a slow line still waits for."""
SMALLEST = b"\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU" + b"\0\0\0\0IEND\xaeB`\x82"
"""Head and end of a PNG; what lies between is not looked at."""

every_template = pytest.mark.parametrize("template", shipped_templates(), ids=lambda template: template.id)


def pictures_in(document: str) -> dict[str, str]:
    """Return the alternative text of each picture in a document, by the file that it shows."""
    found = re.findall(r"!\[([^\]]*)\]\((?:[^)]*/)?([^/)]+\.png)\)", (ROOT / document).read_text())
    return {file: " ".join(text.split()) for text, file in found}


@every_template
def test_the_picture_shows_the_document_of_this_release(template: ShippedTemplate) -> None:
    source = source_of((PICTURES / f"{template.id}.png").read_bytes())
    assert source == template.content_sha256, "it was drawn from another document: make pictures, and look at it"


def test_there_is_no_picture_of_anything_else() -> None:
    assert {file.stem for file in PICTURES.iterdir()} == {template.id for template in shipped_templates()}


@every_template
def test_the_picture_is_small(template: ShippedTemplate) -> None:
    assert (PICTURES / f"{template.id}.png").stat().st_size < LARGEST


@every_template
def test_the_reference_shows_the_picture_and_says_what_is_on_it(template: ShippedTemplate) -> None:
    text = pictures_in("docs/reference/templates.md")[f"{template.id}.png"]
    assert text.startswith("Template for ")
    assert {"CPU", "memory", "limits"} <= set(re.findall(r"\w+", text))


def test_the_readme_shows_one() -> None:
    assert list(pictures_in("README.md")) == ["template-model-serving.png"]


def test_a_picture_tells_what_it_was_drawn_from() -> None:
    picture = SIGNATURE + SMALLEST
    marked = with_source(picture, "sha256:abc")
    assert source_of(picture) is None
    assert source_of(marked) == "sha256:abc"
    assert marked.startswith(picture[:-12])
    assert marked.endswith(picture[-12:])
    chunk = marked[len(picture) - 12 : -12]
    assert chunk[-4:] == zlib.crc32(chunk[4:-4]).to_bytes(4)


def test_what_is_no_png_is_refused() -> None:
    with pytest.raises(ValueError, match="not a PNG"):
        source_of(b"GIF89a")


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
