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
from controller.web.strip import strip_of
from tests.support.reasons import shown_in_reports
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
    assert found.counts == {State.NOT_READY: 2, State.NOT_CHECKED: 1, State.DEGRADED: 1, State.READY: 1}


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
    assert "/api/v1/health/sales/charts" in html


def test_the_title_says_how_many_are_in_which_state() -> None:
    assert overview(REPORTS, Selection(search="fine")).title == "2 not ready, 1 not checked yet, 1 degraded"
    assert overview({("team-a", "fine"): report()}, Selection()).title == "all ready"
    assert overview({}, Selection()).title == "no databases yet"
    assert "<title>1 degraded · dashdb</title>" in html_of(reports={("team-b", "slow"): report(SLOW)})
    assert "<title>standby · dashdb</title>" in overview_html(Selection(), {}, note="This replica is the standby.")


def test_the_reason_of_what_is_not_ready_leads_to_what_to_do() -> None:
    links = [link["href"] for link in Elements(html_of()).of("a")]
    assert "/databases/team-c/just-gone#what-to-do" in links
    assert "/databases/team-a/fine#what-to-do" not in links


@pytest.mark.parametrize("reason", sorted(shown_in_reports()))
def test_the_page_of_a_database_says_what_to_do_for_every_reason(reason: str) -> None:
    html = database_html(report(DOWN, reason=reason, answers=(Answer("Ready", None, reason, ""),)))
    elements = Elements(html)
    names = [heading["id"] for heading in elements.of("h3")]
    assert names[0] == reason
    assert f'<a href="#{reason}">{reason}</a></td>' in html
    within = [str(link["href"]) for link in elements.of("a") if str(link["href"]).startswith("#")]
    assert {link[1:] for link in within} <= set(names), "each leads to an entry on this page"


def test_it_says_what_to_do_for_conditions_that_do_not_hold_and_for_no_others() -> None:
    answers = (Answer("Connected", True, "Connected", ""), Answer("SchemaCurrent", None, "NotConnected", ""))
    html = database_html(report(DOWN, reason="DiskFull", answers=(*answers, Answer("Ready", False, "DiskFull", ""))))
    assert [heading["id"] for heading in Elements(html).of("h3")] == ["DiskFull", "NotConnected"]


def test_a_reason_without_an_entry_has_no_link_and_the_page_says_so() -> None:
    html = database_html(report(DOWN, reason="Unheard", answers=(Answer("Ready", False, "Unheard", ""),)))
    assert "has no entry for Unheard" in html
    assert "#Unheard" not in html


def test_a_strip_shows_how_long_it_was_ready() -> None:
    changes = (
        Change(NOW - timedelta(hours=4), ready=True, reason="Ready"),
        Change(NOW - timedelta(hours=1), ready=False, reason="ConnectionRefused"),
        Change(NOW - timedelta(seconds=1), ready=True, reason="Ready"),
    )
    shown = report(changes=changes)
    strip = strip_of(shown, NOW)
    assert strip is not None
    assert [(each.left, each.width, each.state) for each in strip.segments] == [
        (0.0, 750.0, State.READY),
        (750.0, 249.9, State.NOT_READY),
        (997.0, 3.0, State.READY),
    ]
    assert strip.text == "From 2026-01-30 23:00:00 to 2026-01-31 03:00:00 UTC, it was ready for 75.0% of the time"
    assert strip.segments[1].text == (
        "not ready (ConnectionRefused) from 2026-01-31 02:00:00 to 2026-01-31 02:59:59 UTC"
    )
    [picture] = Elements(database_html(shown)).of("svg")
    assert (picture["role"], picture["aria-label"]) == ("img", strip.text)


def test_a_strip_shows_no_database_as_ready_whose_check_is_overdue() -> None:
    changes = (Change(NOW - timedelta(hours=2), ready=True, reason="Ready"),)
    stale = report(changes=changes, due_by=NOW - timedelta(hours=1)).as_of(NOW)
    strip = strip_of(stale, NOW)
    assert strip is not None
    assert [each.state for each in strip.segments] == [State.READY, State.NOT_READY]
    assert "ready for 50.0% of the time" in strip.text


def test_a_database_that_was_not_checked_yet_has_no_strip() -> None:
    assert strip_of(starting(), NOW) is None
