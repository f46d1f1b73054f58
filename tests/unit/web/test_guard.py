"""Guard of the endpoints over HTTP; the API server's part is in tests/cluster/test_reviews.py."""

import json
from collections.abc import AsyncIterator
from http import HTTPStatus

import aiohttp
import pytest

from controller.health.store import ReportStore
from controller.web.server import application, serving
from tests.unit.web.reports import DOWN, report

OPEN = ("/live", "/ready")
GUARDED = (
    "/", "/metrics", "/metrics/health", "/api/v1/health",
    "/ready/team-a/perses", "/metrics/health/team-a/perses", "/api/v1/health/team-a/perses",
)  # fmt: skip
NAMES = "database \"perses\" at db.team-a.svc:5432: The server refused the password of user 'perses'."


class Guarded:
    """A server whose guard gives DECISION, and what it was asked."""

    def __init__(self) -> None:
        self.decision = HTTPStatus.OK
        self.asked: list[tuple[str, str, str, str]] = []
        self.port = 0

    async def authorize(self, token: str, verb: str, path: str, address: str) -> HTTPStatus:
        self.asked.append((token, verb, path, address))
        return self.decision

    async def get(self, path: str, authorization: str | None = "Bearer abc", method: str = "GET") -> tuple[int, str]:
        headers = {} if authorization is None else {"Authorization": authorization}
        url = f"http://127.0.0.1:{self.port}{path}"
        async with aiohttp.ClientSession() as client, client.request(method, url, headers=headers) as answer:
            if answer.status == HTTPStatus.UNAUTHORIZED:
                assert answer.headers["WWW-Authenticate"] == "Bearer"
            return answer.status, await answer.text()


@pytest.fixture
async def guarded() -> AsyncIterator[Guarded]:
    it, store = Guarded(), ReportStore()
    store.put(("team-a", "perses"), report(DOWN, message=NAMES))
    app = application(store, lambda: None, version="0.1.0", authorize=it.authorize)
    async with serving(app, "127.0.0.1", 0) as it.port:
        yield it


@pytest.mark.parametrize("path", OPEN)
async def test_probes_need_no_token(guarded: Guarded, path: str) -> None:
    guarded.decision = HTTPStatus.SERVICE_UNAVAILABLE
    assert (await guarded.get(path, None))[0] == 200
    assert guarded.asked == []


@pytest.mark.parametrize("path", GUARDED)
async def test_all_that_names_databases_needs_a_token_that_may(guarded: Guarded, path: str) -> None:
    assert (await guarded.get(path, None))[0] == 401
    assert guarded.asked == []
    assert (await guarded.get(path))[0] in (200, 503)
    assert guarded.asked == [("abc", "get", path.replace("/api/v1/health", "/health"), "127.0.0.1")]


@pytest.mark.parametrize("decision", [401, 403, 429, 503])
async def test_a_refusal_says_what_is_missing_and_names_nobody(guarded: Guarded, decision: int) -> None:
    guarded.decision = HTTPStatus(decision)
    status, body = await guarded.get("/api/v1/health/team-a/perses?x=1")
    assert status == decision
    assert set(json.loads(body)) == {"error"}
    assert "team-a" not in body


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YWJj",
        "Bearer a b",
        "Bearer a,b",
        "Bearer \u00e9",
        "Bearer {}",
        "abc",
        "Bearer =a",
    ],
)
async def test_what_is_no_bearer_token_is_never_asked_about(guarded: Guarded, header: str) -> None:
    assert (await guarded.get("/metrics", header))[0] == 401
    assert guarded.asked == []


@pytest.mark.parametrize("header", ["Bearer a.b-c_d~e+f/g==", "bearer  a.b-c_d~e+f/g=="])
async def test_the_scheme_is_read_in_any_case(guarded: Guarded, header: str) -> None:
    assert (await guarded.get("/metrics", header))[0] == 200
    assert guarded.asked[0][0] == "a.b-c_d~e+f/g=="


async def test_a_path_that_does_not_exist_is_nobodys_secret(guarded: Guarded) -> None:
    assert (await guarded.get("/nothing", None))[0] == 404
    assert (await guarded.get("/metrics", None, method="POST"))[0] == 405
    assert guarded.asked == []


async def test_the_guard_sees_the_path_and_the_verb_that_are_answered(guarded: Guarded) -> None:
    await guarded.get("/api/v1/health/team-a/perses%2Fx")
    await guarded.get("/metrics", method="HEAD")
    assert [(verb, path) for _, verb, path, _ in guarded.asked] == [
        ("get", "/health/team-a/perses/x"), ("head", "/metrics"),
    ]  # fmt: skip


async def test_who_may_read_sees_the_whole_message(guarded: Guarded) -> None:
    assert "db.team-a.svc" in (await guarded.get("/ready/team-a/perses"))[1]


@pytest.mark.parametrize("path", [*GUARDED, *OPEN])
async def test_without_a_guard_no_message_names_a_host_or_a_user(path: str) -> None:
    store = ReportStore()
    verdict = DOWN.__class__(DOWN.health, "AuthenticationFailed", NAMES)
    store.put(("team-a", "perses"), report(verdict, message=NAMES))
    async with (
        serving(application(store, lambda: None, version="0.1.0"), "127.0.0.1", 0) as port,
        aiohttp.ClientSession() as client,
    ):
        for accept in ("*/*", "application/health+json"):
            async with client.get(f"http://127.0.0.1:{port}{path}", headers={"Accept": accept}) as answer:
                text = await answer.text()
                assert "svc" not in text
                assert "'perses'" not in text
                if path.startswith(("/ready/", "/api")):
                    assert "The server refused the login." in text
