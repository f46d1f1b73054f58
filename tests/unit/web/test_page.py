"""Pages for people: what is wrong first, since when and why; in plain HTML that needs no script."""

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from controller.health.report import Answer, Change, Key, Report, starting
from controller.health.store import ReportStore
from controller.web import page
from controller.web.html import HEADERS
from controller.web.page import Selection, State, overview
from tests.unit.web.pages import database_html, overview_html
from tests.unit.web.reports import DOWN, NOW, SLOW, report

REPORTS: dict[Key, Report] = {
    ("team-a", "fine"): report(since=NOW),
    ("team-b", "slow"): report(SLOW, since=NOW),
    ("team-c", "long-gone"): report(DOWN, since=NOW - timedelta(hours=9)),
    ("team-c", "just-gone"): report(DOWN, since=NOW),
    ("team-d", "new"): starting(),
}


def html_of(selection: Selection | None = None, reports: dict[Key, Report] = REPORTS) -> str:
    return overview_html(selection or Selection(), reports)


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


def test_a_page_loads_itself_again_only_where_that_is_asked_for_and_keeps_the_filter() -> None:
    def refreshes(html: Elements) -> bool:
        return any(meta.get("http-equiv") == "refresh" for meta in html.of("meta"))

    assert not refreshes(Elements(html_of())), "it would take away what a person is reading"
    assert not refreshes(Elements(database_html(report())))
    chosen = Selection.of_query({"refresh": "on", "search": "team", "state": "not ready"})
    asked_for = Elements(html_of(chosen))
    assert refreshes(asked_for)
    assert {"type": "hidden", "name": "refresh", "value": "on"} in asked_for.of("input")
    links = [link.get("href") for link in asked_for.of("a")]
    assert "?search=team&state=not+ready" in links, "the one that stops it"
    assert "?state=degraded&refresh=on" in links


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
