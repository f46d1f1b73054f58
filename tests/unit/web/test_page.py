"""Pages for people: what is wrong first, since when and why; readable without colours, by keyboard and by machines."""

import itertools
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from controller.health.report import Answer, Change, Key, Report, starting
from controller.health.store import ReportStore
from controller.web import page
from controller.web.html import HEADERS, render
from controller.web.page import Selection, State, overview
from tests.unit.web.reports import DOWN, NOW, SLOW, report

STYLE = (Path(page.__file__).parent / "templates" / "base.html").read_text()
LEAST_CONTRAST = 4.5
"""WCAG 2.2, success criterion 1.4.3: https://www.w3.org/TR/WCAG22/#contrast-minimum."""
REPORTS: dict[Key, Report] = {
    ("team-a", "fine"): report(since=NOW),
    ("team-b", "slow"): report(SLOW, since=NOW),
    ("team-c", "long-gone"): report(DOWN, since=NOW - timedelta(hours=9)),
    ("team-c", "just-gone"): report(DOWN, since=NOW),
    ("team-d", "new"): starting(),
}


ALL = Selection()


def html_of(selection: Selection = ALL, reports: dict[Key, Report] = REPORTS, note: str = "") -> str:
    return render(
        "overview.html",
        page=overview(reports, selection),
        refresh_seconds=30 if selection.refresh else None,
        interval=30,
        note=note,
        links=page.LINKS,
        version="0.1.0",
        shard=None,
        now="now",
    )


def database_html(shown: Report) -> str:
    row = page.row_of(("team-a", "perses"), shown)
    return render(
        "database.html",
        row=row,
        facts=page.facts_of(row),
        conditions=page.conditions_of(shown),
        changes=page.changes_of(shown),
        links=page.links_of(("team-a", "perses")),
        refresh_seconds=30,
        now="now",
    )


class Elements(HTMLParser):
    """Elements of a page with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_what_is_wrong_comes_first_and_of_that_what_is_new() -> None:
    names = [row.name for row in overview(REPORTS, Selection()).rows]
    assert names == ["team-c/just-gone", "team-c/long-gone", "team-d/new", "team-b/slow", "team-a/fine"]


def test_a_row_says_since_when_why_and_what_else_is_known() -> None:
    shown = report(DOWN, since=NOW, templates={"Current": 3, "Customized": 1}, pending=2, dirty=True)
    row = page.row_of(("team-a", "perses"), shown)
    assert (row.state, row.since, row.reason, row.message) == (
        State.NOT_READY,
        "2026-01-31 03:00:00",
        "ConnectionRefused",
        "Nothing listens there.",
    )
    assert (row.schema, row.templates) == ("1 (dirty), 2 pending", "3 Current, 1 Customized")
    assert page.row_of(("", "db"), report()).connections == "5 of 97"


def test_a_degraded_database_shows_what_degrades_it() -> None:
    row = page.row_of(("team-a", "perses"), report(SLOW))
    assert (row.state, row.reason) == (State.DEGRADED, "SlowResponse")
    assert row.message == "The database takes more than 100 ms to answer."


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"search": "TEAM-C"}, ["team-c/just-gone", "team-c/long-gone"]),
        ({"search": "listens there"}, ["team-c/just-gone", "team-c/long-gone"]),
        ({"state": "degraded"}, ["team-b/slow"]),
        ({"state": "ready", "search": "b"}, []),
        ({"state": "nonsense", "search": "fine"}, ["team-a/fine"]),
    ],
)
def test_a_filter_needs_no_script(query: dict[str, str], names: list[str]) -> None:
    found = overview(REPORTS, Selection.of_query(query))
    assert [row.name for row in found.rows] == names
    assert found.counts == {State.NOT_READY: 3, State.DEGRADED: 1, State.READY: 1}


def test_a_page_ends_somewhere_and_says_so() -> None:
    many = {("team", f"db-{number:04}"): report() for number in range(page.MOST_ROWS + 7)}
    found = overview(many, Selection())
    assert (len(found.rows), found.chosen, found.left_out) == (page.MOST_ROWS, page.MOST_ROWS + 7, 7)
    assert f"The first {page.MOST_ROWS} are shown" in html_of(reports=many)


def test_every_value_is_escaped_on_both_pages() -> None:
    script = "<script>alert(1)</script>"
    hostile = report(DOWN, reason=script, message=script, answers=(Answer(script, None, script, script),))
    hostile = replace(hostile, changes=(Change(NOW, ready=False, reason=script),))
    pages = html_of(Selection(search='"><script>'), {(script, script): hostile}), database_html(hostile)
    for html in pages:
        assert Elements(html).of("script") == []
        assert "&lt;script&gt;" in html or "&#34;&gt;&lt;script" in html
    assert "script-src" not in HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in HEADERS["Content-Security-Policy"]


def test_tables_have_captions_and_scopes_and_inputs_have_labels() -> None:
    for html in (html_of(), database_html(report(DOWN, answers=(Answer("Connected", False, "Down", "Down."),)))):
        elements = Elements(html)
        assert len(elements.of("table")) == len(elements.of("caption")) > 0
        assert all("scope" in attributes for attributes in elements.of("th"))
        assert {attributes.get("lang") for attributes in elements.of("html")} == {"en"}
        assert any(attributes.get("name") == "viewport" for attributes in elements.of("meta"))
    form = html_of()
    assert len(re.findall(r"<label>[^<]+<br><(?:input|select)", form)) == 2


def test_a_page_that_loads_itself_again_can_be_stopped() -> None:
    assert any(meta.get("http-equiv") == "refresh" for meta in Elements(html_of()).of("meta"))
    stopped = Elements(html_of(Selection.of_query({"refresh": "off", "search": "team"})))
    assert not any(meta.get("http-equiv") == "refresh" for meta in stopped.of("meta"))
    assert {"type": "hidden", "name": "refresh", "value": "off"} in stopped.of("input")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_of_text_has_contrast_enough(scheme: str) -> None:
    light, dark = re.findall(r":root\{(.*?)\}", STYLE)
    colours = dict(re.findall(r"--(\w+):(#\w+)", light if scheme == "light" else dark))
    assert {"text", "back", "soft", "link", "bad", "warn", "good"} <= colours.keys()
    for name in ("text", "soft", "link", "bad", "warn", "good"):
        assert contrast(colours[name], colours["back"]) >= LEAST_CONTRAST, name


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Return the relative luminance, by https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    digits = colour[1:] if len(colour) == 7 else "".join(itertools.chain(*zip(colour[1:], colour[1:], strict=True)))
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_page_of_one_database_has_its_conditions_and_its_changes() -> None:
    store = ReportStore()
    store.put(("team-a", "perses"), report())
    store.put(("team-a", "perses"), report(DOWN, answers=(Answer("Connected", False, "ConnectionRefused", "No."),)))
    latest = store.latest(("team-a", "perses"))
    assert latest is not None
    assert [(each.name, each.holds, each.reason) for each in page.conditions_of(latest)] == [
        ("Connected", "no", "ConnectionRefused")
    ]
    assert [(each.state, each.reason) for each in page.changes_of(latest)] == [
        (State.NOT_READY, "ConnectionRefused"),
        (State.READY, "Ready"),
    ]
    html = database_html(latest)
    assert "ConnectionRefused: Nothing listens there." in html
    assert "/api/v1/health/team-a/perses" in html
