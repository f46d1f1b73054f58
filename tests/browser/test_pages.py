"""The pages as a browser shows them: in a narrow window, in the dark, by keyboard, and to people who hear them."""

from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import BROKEN, MESSAGE
from tests.browser.rendered import FOCUSED, contrast, visible_texts
from tests.support.binaries import axe
from tests.support.browser import Scheme, Tab

OVERVIEW = "/"
DATABASE = "/databases/" + "/".join(BROKEN)
WIDE = 1280
NARROW = 360
"""Pixels of a window: a usual one, and that of a small phone."""
LEAST_CONTRAST = 4.5
"""WCAG 2.2, success criterion 1.4.3: https://www.w3.org/TR/WCAG22/#contrast-minimum."""
LEAST_CONTRAST_OF_LINES = 3
"""WCAG 2.2, success criterion 1.4.11: https://www.w3.org/TR/WCAG22/#non-text-contrast."""
MOST_STOPS = 60
"""Times to press Tab, more than either page has elements for it."""

both_pages = pytest.mark.parametrize("path", [OVERVIEW, DATABASE], ids=["overview", "database"])
both_widths = pytest.mark.parametrize("width", [WIDE, NARROW])
both_schemes = pytest.mark.parametrize("scheme", ["light", "dark"])


async def show(tab: Tab, address: str, *, width: int = WIDE, scheme: Scheme = "light") -> None:
    await tab.set_size(width, 800)
    await tab.set_scheme(scheme)
    await tab.open(address)


async def shown_names(tab: Tab) -> list[str]:
    """Return the names of the databases from top to bottom, as they stand in the window."""
    rows = "[...document.querySelectorAll('tbody th')].map((th) => [th.getBoundingClientRect().top, th.textContent])"
    return [name for _, name in sorted(await tab.evaluate(rows))]


@both_pages
@pytest.mark.parametrize("width", [NARROW, 600, 1250, WIDE])
async def test_a_window_of_any_width_shows_the_message_and_scrolls_in_no_other_way_than_down(
    address: str, tab: Tab, path: str, width: int
) -> None:
    await show(tab, address + path, width=width)
    assert await tab.evaluate("document.documentElement.scrollWidth") == width
    texts = await visible_texts(tab)
    assert [text["text"] for text in texts if text["left"] < 0 or text["right"] > width] == []
    assert any(MESSAGE in text["text"] for text in texts)


@both_pages
@both_widths
@both_schemes
async def test_every_text_has_contrast_enough(address: str, tab: Tab, path: str, width: int, scheme: Scheme) -> None:
    await show(tab, address + path, width=width, scheme=scheme)
    texts = await visible_texts(tab)
    assert len(texts) > 20
    assert (contrast(texts[0]["behind"], "rgb(0, 0, 0)") < LEAST_CONTRAST) is (scheme == "dark")
    faint = [text for text in texts if contrast(text["colour"], text["behind"]) < LEAST_CONTRAST]
    assert faint == []


@both_schemes
async def test_the_strip_of_the_history_has_contrast_enough_and_is_a_picture_with_words(
    address: str, tab: Tab, scheme: Scheme
) -> None:
    await show(tab, address + DATABASE, scheme=scheme)
    behind = await tab.evaluate("getComputedStyle(document.body).backgroundColor")
    colours = await tab.evaluate("[...document.querySelectorAll('svg rect')].map((e) => getComputedStyle(e).fill)")
    assert len(set(colours)) == 2
    assert [each for each in colours if contrast(each, behind) < LEAST_CONTRAST_OF_LINES] == []
    nodes = (await tab.call("Accessibility.getFullAXTree"))["nodes"]
    names = [node["name"]["value"] for node in nodes if not node["ignored"] and node["role"]["value"] == "image"]
    assert len(names) == 1
    assert "it was ready for" in names[0]


async def test_a_reason_leads_to_what_to_do(address: str, tab: Tab) -> None:
    await show(tab, address + OVERVIEW)
    async with tab.loading():
        await tab.evaluate("document.querySelector('tbody td a').click()")
    assert await tab.evaluate("location.pathname + location.hash") == f"{DATABASE}#what-to-do"
    at = "document.querySelector('#what-to-do').getBoundingClientRect().top"
    assert -1 < await tab.evaluate(at) < 800
    assert "Mend: " in await tab.evaluate("document.body.innerText")


@both_pages
@both_schemes
async def test_the_keyboard_reaches_everything_and_shows_where_it_is(
    address: str, tab: Tab, path: str, scheme: Scheme
) -> None:
    await show(tab, address + path, scheme=scheme)
    reached = []
    for _ in range(MOST_STOPS):
        await tab.press("Tab")
        focused = await tab.evaluate(FOCUSED)
        if focused["element"] is None:
            break
        reached.append(focused["element"])
        assert focused["style"] != "none", focused
        assert focused["width"] >= 2, focused
        assert contrast(focused["colour"], focused["behind"]) >= LEAST_CONTRAST_OF_LINES, focused
    wanted = "[...document.querySelectorAll('a, input:not([type=hidden]), select, button')]"
    assert reached == await tab.evaluate(f"{wanted}.map((e) => e.name || e.getAttribute('href') || e.textContent)")
    assert ("search" in reached) is (path == OVERVIEW)


async def test_the_filter_works_by_keyboard_and_asks_no_other_host(address: str, tab: Tab) -> None:
    await show(tab, address + OVERVIEW)
    await tab.evaluate("document.querySelector('input').focus()")
    await tab.write("takes more than")
    async with tab.loading():
        await tab.press("Enter")
    assert await shown_names(tab) == ["team-b/slow"]
    await tab.evaluate("document.querySelector('input').value = ''; document.querySelector('select').focus()")
    await tab.press("ArrowDown")
    async with tab.loading():
        await tab.press("Tab")
        await tab.press("Enter")
    assert await shown_names(tab) == ["/".join(BROKEN)]
    assert len(tab.requests) >= 3
    assert {urlsplit(request).netloc for request in tab.requests} == {urlsplit(address).netloc}


@both_widths
async def test_what_is_wrong_comes_first(address: str, tab: Tab, width: int) -> None:
    await show(tab, address + OVERVIEW, width=width)
    assert await shown_names(tab) == ["/".join(BROKEN), "team-d/new", "team-b/slow", "team-a/fine"]


@both_pages
@both_widths
async def test_tables_are_tables_to_who_hears_them(address: str, tab: Tab, path: str, width: int) -> None:
    await show(tab, address + path, width=width)
    nodes = (await tab.call("Accessibility.getFullAXTree"))["nodes"]
    by_role: dict[str, list[str]] = {}
    for node in nodes:
        if not node["ignored"]:
            by_role.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    captions = await tab.evaluate("[...document.querySelectorAll('caption')].map((c) => c.innerText.trim())")
    assert by_role["table"] == captions
    assert all(captions)
    assert "reason" in by_role["columnheader"]
    assert ("/".join(BROKEN) if path == OVERVIEW else "Connected") in by_role["rowheader"]


@both_pages
@both_widths
@both_schemes
async def test_axe_finds_nothing_that_keeps_people_from_using_it(
    address: str, tab: Tab, path: str, width: int, scheme: Scheme
) -> None:
    await show(tab, address + path, width=width, scheme=scheme)
    await tab.evaluate(axe().read_text())
    result = await tab.evaluate(
        "axe.run().then(({ violations, passes }) => ({"
        " violations: violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html)}`),"
        " passes: passes.map((p) => p.id) }))"
    )
    assert result["violations"] == []
    assert {"color-contrast", "link-name", "td-headers-attr"} <= set(result["passes"])
