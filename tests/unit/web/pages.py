"""The pages as HTML, without a server."""

from collections.abc import Mapping

from controller.health.report import Key, Report
from controller.web import page
from controller.web.html import render
from controller.web.page import Selection


def overview_html(selection: Selection, reports: Mapping[Key, Report], *, note: str = "", now: str = "now") -> str:
    """Return the page of all databases."""
    return render(
        "overview.html",
        page=page.overview(reports, selection),
        selection=selection,
        refresh_seconds=page.REFRESH_SECONDS,
        note=note,
        links=page.LINKS,
        version="0.1.0",
        shard=None,
        now=now,
    )


def database_html(shown: Report) -> str:
    """Return the page of one database."""
    row = page.row_of(("team-a", "perses"), shown)
    return render(
        "database.html",
        row=row,
        facts=page.facts_of(row),
        conditions=page.conditions_of(shown),
        changes=page.changes_of(shown),
        links=page.links_of(("team-a", "perses")),
        selection=Selection(),
        refresh_seconds=page.REFRESH_SECONDS,
        now="now",
    )
