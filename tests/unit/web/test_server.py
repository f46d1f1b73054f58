"""The endpoints over HTTP."""

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator

import aiohttp
import pytest
from yarl import URL

from controller.errors import ConfigurationError
from controller.health.role import Role
from controller.health.store import ReportStore
from controller.web import answers, metrics, server, shared_page
from controller.web.metrics import Form, MetricsPage
from controller.web.server import application, serving
from tests.support.processes import wait_until_async
from tests.unit.web.reports import DOWN, report


class Served:
    """A server on a free port, and a client of it."""

    def __init__(self, store: ReportStore, client: aiohttp.ClientSession, port: int) -> None:
        self.store = store
        self.not_ready: str | None = None
        self.role: Role | None = None
        self.port = port
        self._client = client

    async def get(self, path: str, **headers: str) -> tuple[int, str, str]:
        """Status, content type and body."""
        async with self._client.get(
            URL(f"http://127.0.0.1:{self.port}{path}", encoded=True), headers=headers
        ) as answer:
            return answer.status, answer.content_type, await answer.text()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with aiohttp.ClientSession() as client:
        it = Served(ReportStore(), client, 0)
        app = application(it.store, lambda: it.not_ready, version="0.1.0", role=lambda: it.role)
        async with serving(app, "127.0.0.1", 0) as port:
            it.port = port
            yield it


async def test_live_never_depends_on_anything(served: Served) -> None:
    served.store.put(("team-a", "perses"), report(DOWN))
    served.not_ready = "nothing works"
    assert await served.get("/live") == (200, "application/json", '{"alive": true}')


async def test_ready_follows_the_watch_and_not_the_databases(served: Served) -> None:
    served.store.put(("team-a", "perses"), report(DOWN))
    assert await served.get("/ready") == (200, "application/json", '{"ready": true}')
    served.not_ready = "not watching"
    assert await served.get("/ready") == (503, "application/json", '{"ready": false, "reason": "not watching"}')


async def test_each_database_has_its_own_answers(served: Served) -> None:
    served.store.put(("team-a", "good"), report())
    served.store.put(("team-a", "bad"), report(DOWN))
    for path in ("/ready", "/api/v1/health"):
        assert (await served.get(f"{path}/team-a/good"))[0] == 200
        assert (await served.get(f"{path}/team-a/bad"))[0] == 503
    assert (await served.get("/metrics/health/team-a/bad"))[0] == 200
    assert (await served.get("/api/v1/health"))[0] == 503


@pytest.mark.parametrize("key", [("team-a", "perses"), ("", "perses"), ("", "odd name/100%?#é")])
async def test_the_page_of_all_leads_to_that_of_each(served: Served, key: tuple[str, str]) -> None:
    served.store.put(key, report(DOWN))
    [path] = re.findall(r'href="(/databases/[^"#]+)"', (await served.get("/"))[2])
    status, kind, html = await served.get(path)
    assert (status, kind) == (200, "text/html")
    assert "ConnectionRefused" in html


async def test_health_comes_as_plain_json_and_as_health_json(served: Served) -> None:
    served.store.put(("team-a", "good"), report())
    assert (await served.get("/api/v1/health"))[1] == "application/json"
    status, kind, body = await served.get("/api/v1/health", Accept="application/health+json")
    assert (status, kind, json.loads(body)["status"]) == (200, "application/health+json", "pass")
    served.store.put(("team-a", "bad"), report(DOWN))
    status, _, body = await served.get("/api/v1/health/team-a/bad", Accept="application/health+json")
    assert (status, json.loads(body)["status"]) == (503, "fail")


async def test_an_unknown_database_is_404_as_json(served: Served) -> None:
    status, kind, body = await served.get("/api/v1/health/team-a/nobody")
    assert (status, kind) == (404, "application/json")
    assert body == '{"error": "no database team-a/nobody has been checked"}'


async def test_metrics_come_as_text_and_as_openmetrics(served: Served) -> None:
    _, kind, text = await served.get("/metrics")
    assert kind == "text/plain"
    assert 'dashdb_build_info{version="0.1.0"} 1.0' in text
    _, kind, text = await served.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert kind == "application/openmetrics-text"
    assert text.endswith("# EOF\n")


@pytest.mark.parametrize("kind", ["application/openmetrics-text", "text/plain"])
@pytest.mark.parametrize("version", ["x", "1..0", "1.0.0-rc1", "\u00e9", "9" * 5000])
async def test_metrics_of_a_version_that_is_none_come_as_text(served: Served, kind: str, version: str) -> None:
    status, content_type, text = await served.get("/metrics", Accept=f"{kind}; version={version}")
    assert (status, content_type) == (200, "text/plain")
    assert "dashdb_build_info" in text


async def test_live_answers_while_metrics_are_written(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, answered = threading.Event(), threading.Event()

    def slow(_: MetricsPage, __: Form) -> bytes:
        begun.set()
        assert answered.wait(10)
        return b""

    monkeypatch.setattr(MetricsPage, "write", slow)
    metrics = asyncio.create_task(served.get("/metrics"))
    assert await asyncio.to_thread(begun.wait, 10)
    assert (await served.get("/live"))[0] == 200
    answered.set()
    assert (await metrics)[0] == 200


async def test_scrapes_at_the_same_time_share_one_page(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = written = 0
    answered = threading.Event()
    real = metrics.form_for

    def form_for(accept: str) -> Form:
        nonlocal asked
        asked += 1
        return real(accept)

    def slow(_: MetricsPage, __: Form) -> bytes:
        nonlocal written
        written += 1
        assert answered.wait(10)
        return b""

    monkeypatch.setattr(MetricsPage, "write", slow)
    monkeypatch.setattr(server, "form_for", form_for)
    scrapes = [asyncio.create_task(served.get("/metrics")) for _ in range(20)]
    async with asyncio.timeout(10):
        while asked < 20:  # noqa: ASYNC110 - what it waits for tells nobody
            await asyncio.sleep(0.01)
    answered.set()
    assert {status for status, _, _ in await asyncio.gather(*scrapes)} == {200}
    assert written == 1


@pytest.mark.parametrize(("accepted", "encoding"), [("gzip, deflate", "gzip"), ("identity", None), ("gzip;q=0", None)])
async def test_metrics_come_compressed_to_whoever_takes_that(
    served: Served, accepted: str, encoding: str | None
) -> None:
    async with aiohttp.ClientSession() as client:
        url = f"http://127.0.0.1:{served.port}/metrics"
        async with client.get(url, headers={"Accept-Encoding": accepted}) as answer:
            assert answer.headers.get("Content-Encoding") == encoding
            assert answer.headers["Vary"] == "Accept, Accept-Encoding"
            assert 'dashdb_build_info{version="0.1.0"} 1.0' in await answer.text()


async def test_metrics_name_no_database_where_that_was_switched_off() -> None:
    store = ReportStore()
    store.put(("team-a", "perses"), report())
    app = application(store, lambda: None, version="0.1.0", metrics_per_database=False)
    async with aiohttp.ClientSession() as client, serving(app, "127.0.0.1", 0) as port:
        _, _, text = await Served(store, client, port).get("/metrics")
    assert 'dashdb_databases{state="ready"} 1.0' in text
    assert "team-a" not in text


async def test_an_operator_of_one_shard_says_which_wherever_a_database_of_another_could_be_meant() -> None:
    app = application(ReportStore(), lambda: None, version="0.1.0", shard=(1, 2))
    async with aiohttp.ClientSession() as client, serving(app, "127.0.0.1", 0) as port:
        served = Served(ReportStore(), client, port)
        assert json.loads((await served.get("/api/v1/health"))[2])["shard"] == "1/2"
        assert ", shard 1/2</h1>" in (await served.get("/"))[2]
        status, _, text = await served.get("/ready/team-a/perses")
    assert status == 404
    assert "no database team-a/perses has been checked by shard 1/2; another shard may know it" in text


async def test_an_operator_without_shards_says_nothing_of_them() -> None:
    app = application(ReportStore(), lambda: None, version="0.1.0", shard=(1, 1))
    async with aiohttp.ClientSession() as client, serving(app, "127.0.0.1", 0) as port:
        served = Served(ReportStore(), client, port)
        assert [path for path in ("/", "/api/v1/health") if "shard" in (await served.get(path))[2]] == []


async def test_metrics_are_those_of_a_moment_ago_where_somebody_asked_then(served: Served) -> None:
    _, _, before = await served.get("/metrics")
    served.store.put(("team-a", "perses"), report())
    assert await served.get("/metrics") == (200, "text/plain", before)


async def test_metrics_are_soon_written_anew(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_page, "FRESH_SECONDS", 0.01)
    assert "team-a" not in (await served.get("/metrics"))[2]
    served.store.put(("team-a", "perses"), report())

    async def shown() -> bool:
        return "team-a" in (await served.get("/metrics"))[2]

    await wait_until_async(shown, what="the new database is in the metrics", seconds=10)


async def test_the_page_shows_each_database_and_escapes_what_it_shows(served: Served) -> None:
    served.store.put(("team-a", "perses"), report(DOWN, message="<script>alert(1)</script>"))
    status, kind, html = await served.get("/")
    assert (status, kind) == (200, "text/html")
    assert "team-a/perses" in html
    assert "<script>" not in html


@pytest.mark.parametrize("host", ["a..b", "h" * 300, "\udcff"])
async def test_a_host_that_no_resolver_is_asked_for_is_one_clear_error(host: str) -> None:
    with pytest.raises(ConfigurationError, match="no name that a host can have"):
        async with serving(application(ReportStore(), lambda: None, version="0.1.0"), host, 0):
            pass


async def test_a_taken_address_is_one_clear_error(served: Served) -> None:
    with pytest.raises(ConfigurationError, match=f"on 127.0.0.1:{served.port}: Address already in use. Choose another"):
        async with serving(application(ReportStore(), lambda: None, version="0.1.0"), "127.0.0.1", served.port):
            pass


async def test_a_fault_of_ours_is_an_answer_and_a_line_in_our_log_without_its_text(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "with a secret"

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(secret)

    monkeypatch.setattr(answers, "flat", broken)
    status, kind, body = await served.get("/metrics/health")
    assert (status, kind) == (500, "application/json")
    said = capsys.readouterr()
    assert "RuntimeError" in said.out + said.err
    assert secret not in body + said.out + said.err


STANDBY = Role(leading=False, standby=True, leader="operator-7d9f_ab12", transitions=3)
SAYS = "This replica is the standby and observes no database; operator-7d9f_ab12 leads."


async def test_a_standby_is_ready_and_calls_no_database_healthy(served: Served) -> None:
    served.role = STANDBY
    assert (await served.get("/live"))[0] == (await served.get("/ready"))[0] == 200
    status, kind, body = await served.get("/api/v1/health")
    health = json.loads(body)
    assert (status, kind) == (200, "application/json")
    assert (health["status"], health["leader"], health["checks"]) == ("standby", "operator-7d9f_ab12", {})
    status, kind, body = await served.get("/api/v1/health", Accept="application/health+json")
    assert (status, kind, json.loads(body)["notes"]) == (200, "application/health+json", [SAYS])
    assert json.loads((await served.get("/metrics/health"))[2]) == {"standby": True}
    for path in ("/ready", "/api/v1/health", "/metrics/health"):
        status, kind, body = await served.get(f"{path}/team-a/perses")
        assert (status, kind, json.loads(body)) == (503, "application/json", {"error": SAYS})
    assert SAYS in (await served.get("/"))[2]
    served.role = Role(leading=False, standby=True, leader="", transitions=0)
    assert "nobody leads at the moment" in (await served.get("/"))[2]


async def test_a_leader_that_may_not_act_shows_what_it_observes(served: Served) -> None:
    served.role = Role(leading=False, standby=False, leader="operator-7d9f_ab12", transitions=3)
    served.store.put(("team-a", "bad"), report(DOWN))
    assert (await served.get("/api/v1/health"))[0] == 503
    metrics_page = (await served.get("/metrics"))[2]
    assert "dashdb_leader 0.0" in metrics_page
    assert "dashdb_lease_transitions_total 3.0" in metrics_page
    assert (await served.get("/api/v1/health/team-a/unknown"))[0] == 404


async def test_without_an_election_there_are_no_series_of_one(served: Served) -> None:
    assert "dashdb_lea" not in (await served.get("/metrics"))[2]
