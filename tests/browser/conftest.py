"""Fixtures: the pages of a real server over reports, a Chromium to read them with, and axe-core."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import pytest

from controller.health.report import Answer, starting
from controller.health.store import ReportStore
from controller.web.server import application, serving
from tests.support.binaries import axe, chromium
from tests.support.browser import Browser, Tab, running_chromium
from tests.unit.web.reports import DOWN, NOW, SLOW, report

BROKEN = ("a-namespace-as-long-as-kubernetes-allows-it-to-be-63-characters", "customer-dashboards-production")
MESSAGE = "The server does not know the database dashboards_of_all_customers_in_production_2026 of the Secret."
ANSWERS = (
    Answer("Connected", False, "DatabaseNotFound", MESSAGE),
    Answer("SchemaCurrent", None, "NotConnected", "Not known without a connection."),
    Answer("Healthy", True, "Healthy", ""),
)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Get what is missing before the first test: that takes longer than a test may."""
    here = Path(__file__).parent
    if not session.config.option.collectonly and any(here in item.path.parents for item in session.items):
        chromium()
        axe()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with running_chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture
async def tab(browser: Browser) -> AsyncIterator[Tab]:
    async with browser.tab() as empty:
        await empty.call("Network.setExtraHTTPHeaders", headers={"Authorization": "Bearer token"})
        yield empty


async def _anybody(token: str, verb: str, path: str, address: str) -> HTTPStatus:
    """Let everybody read who sends a token: messages then name hosts and users, and are long."""
    return HTTPStatus.OK


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """Address of a server that shows databases in every state, the broken one with a long name and message."""
    store = ReportStore()
    store.put(("team-a", "fine"), report(since=NOW, templates={"Current": 3, "Customized": 1}))
    store.put(("team-b", "slow"), report(SLOW, since=NOW))
    store.put(BROKEN, report(since=NOW - timedelta(hours=1)))
    store.put(BROKEN, report(DOWN, reason="DatabaseNotFound", message=MESSAGE, answers=ANSWERS))
    store.announce(("team-d", "new"), starting())
    app = application(store, lambda: None, version="0.1.0", authorize=_anybody, shard=(1, 2))
    async with serving(app, "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}"
