"""Dashboards, as Perses draws them, and pages of the operator, of which docs/ has pictures."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

from controller.health.report import Answer, Change, Key, Report
from controller.health.verdict import Health, Verdict
from controller.templates.shipped import shipped_templates
from controller.web.page import Selection, shown_time
from tests.unit.web.pages import database_html, overview_html
from tests.unit.web.reports import NOW, SLOW, report
from tools.dashboards import NAME, perses

WIDE = 1280
NARROW = 360
_REFUSED: Key = ("pricing", "perses")


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Dashboard to draw.

    Attributes:
        name: of the picture, without its ending.
        source: digest of the document, by which its picture is recognised.
    """

    name: str
    document: Mapping[str, Any]
    source: str


@dataclass(frozen=True, slots=True)
class Page:
    """Page to draw, of a window of WIDTH pixels, with the colours that a person prefers; else as `Dashboard`."""

    name: str
    html: str
    width: int
    scheme: Literal["light", "dark"]

    @property
    def source(self) -> str:
        return _digest(self.html)


def dashboards() -> tuple[Dashboard, ...]:
    """Return the system templates, and the dashboard of the operator's own metrics."""
    own = perses()
    templates = (Dashboard(each.id, each.document, each.content_sha256) for each in shipped_templates())
    return (*templates, Dashboard(NAME, own, _digest(json.dumps(own))))


def pages() -> tuple[Page, ...]:
    """Return the page of all databases, in a wide window and in a narrow one, and that of a database."""
    moment = NOW + timedelta(seconds=9)
    html = overview_html(Selection(), _reports(), now=shown_time(moment))
    return (
        Page("page-wide-light", html, WIDE, "light"),
        Page("page-narrow-dark", html, NARROW, "dark"),
        Page("page-database", database_html(_refused(), key=_REFUSED, at=moment), WIDE, "light"),
    )


def _refused() -> Report:
    """Return the report of a database that refuses a password since six minutes."""
    text, reason = "The server refuses the user name or the password of the Secret.", "AuthenticationFailed"
    since = NOW - timedelta(minutes=6)
    answers = (
        Answer("Connected", False, reason, text),
        Answer("SchemaCurrent", None, "NotConnected", "Not known without a connection."),
        Answer("TemplatesSeeded", None, "NotConnected", "Not known without a connection."),
        Answer("Healthy", False, reason, text),
    )
    changes = (
        Change(NOW - timedelta(hours=2), ready=False, reason="MigrationPending"),
        Change(NOW - timedelta(hours=2) + timedelta(seconds=4), ready=True, reason="Ready"),
        Change(since, ready=False, reason=reason),
    )
    return report(Verdict(Health.UNHEALTHY, reason, text), since=since, answers=answers, changes=changes)


def _reports() -> dict[Key, Report]:
    """Return reports of databases that are ready, degraded and not ready, all checked at NOW."""
    known = report().sample
    assert known is not None
    late = replace(known, response_ms=134.2, server_connections=61)
    return {
        ("fraud", "perses"): report(since=NOW - timedelta(days=12, minutes=71), templates={"Current": 4}),
        _REFUSED: _refused(),
        ("search", "perses"): report(SLOW, since=NOW - timedelta(minutes=19), templates={"Current": 4}, sample=late),
        ("shop", "perses"): report(since=NOW - timedelta(days=3), templates={"Current": 3, "Customized": 1}),
    }


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
