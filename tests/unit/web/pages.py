"""The pages as HTML, without a server."""

from collections.abc import Mapping
from datetime import datetime

from controller.health.report import Key, Report
from controller.web import page
from controller.web.advice import entries_of
from controller.web.html import render, troubleshooting
from controller.web.page import Selection
from controller.web.strip import strip_of
from tests.unit.web.reports import NOW

KEY: Key = ("sales", "charts")


def overview_html(selection: Selection, reports: Mapping[Key, Report], *, note: str = "", now: str = "now") -> str:
    """Return the page of all databases."""
    found = page.overview(reports, selection)
    return render(
        "overview.html",
        page=found,
        title="standby" if note else found.title,
        selection=selection,
        refresh_seconds=page.REFRESH_SECONDS,
        note=note,
        links=page.LINKS,
        version="0.1.0",
        shard=None,
        now=now,
    )


def database_html(shown: Report, *, key: Key = KEY, at: datetime = NOW) -> str:
    """Return the page of one database."""
    row = page.row_of(key, shown)
    return render(
        "database.html",
        row=row,
        facts=page.facts_of(row),
        conditions=page.conditions_of(shown),
        changes=page.changes_of(shown),
        entries=entries_of(page.reasons_of(row, shown), troubleshooting(), key),
        strip=strip_of(shown, at),
        links=page.links_of(key),
        selection=Selection(),
        refresh_seconds=page.REFRESH_SECONDS,
        now=page.shown_time(at),
    )
