"""Calls to an API server that is not what it should be; the real one is in tests/cluster."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException

from controller.operator.client import READ_SECONDS, WORDS_LENGTH, ApiUnavailable, Client
from controller.operator.event_object import NOTE_BYTES
from controller.operator.resource import Resource
from controller.reconcile.result import Event

RESOURCE = Resource.parse({"metadata": {"namespace": "team-a", "name": "perses", "uid": "1"}})


@asynccontextmanager
async def client_of(handler: Any) -> AsyncIterator[tuple[Client, Configuration]]:
    """A client of a server whose every answer is HANDLER's."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    configuration = Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")
    configuration.retries = 0
    client = Client(configuration, instance="test")
    try:
        yield client, configuration
    finally:
        await client.close()
        await runner.cleanup()


@pytest.mark.parametrize("text", ["<html>please log in</html>", "[" * 100_000], ids=["a page", "endless brackets"])
async def test_the_page_of_a_proxy_is_no_answer(text: str) -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type="text/html")

    async with client_of(page) as (client, _):
        with pytest.raises(ApiUnavailable):
            await client.ping("team-a")


@pytest.mark.parametrize(("missing", "named"), [("list", "limit=1"), ("watch", "watch=1")])
async def test_a_ping_for_a_watch_names_the_right_that_is_missing(missing: str, named: str) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if ("watch" if "watch" in request.query else "list") == missing:
            return web.Response(status=403)
        return web.json_response({"metadata": {"resourceVersion": "7"}})

    async with client_of(answer) as (client, _):
        with pytest.raises(ApiUnavailable, match=f"answered 403 to .*{named}"):
            await client.ping("team-a", watch=True)


WEBHOOK = b'{"kind": "Status", "message": "admission webhook \\"no.example.com\\" denied the request: not now."}'
SILENT = (b"", b"<html>no</html>", b"[" * 100_000, b"[]", b"null", b"{}", b'{"message": ["no"]}', b'{"message": ". "}')


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (WEBHOOK, ': admission webhook "no.example.com" denied the request: not now'),
        (b'{"message": "two\\nlines"}', ": two lines"),
        (b'{"message": "' + b"x" * 5000 + b'"}', f": {'x' * (WORDS_LENGTH - 1)}…"),
        *((refusal, "") for refusal in SILENT),
    ],
)
async def test_a_refusal_is_said_in_the_api_servers_words_on_one_short_line(refusal: bytes, said: str) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=422, body=refusal, content_type="application/json")

    async with client_of(refuse) as (client, _):
        with pytest.raises(ApiUnavailable) as caught:
            await client.read_secret("team-a", "perses-db", ca_key=None)
    path = "/api/v1/namespaces/team-a/secrets/perses-db"
    assert caught.value.message == f"The API server answered 422 to GET {path}{said}."


async def test_a_ping_for_a_watch_waits_for_none_of_its_events_and_asks_for_no_whole_resources() -> None:
    asked: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append((request.query.get("resourceVersion", ""), request.headers["Accept"]))
        if "watch" not in request.query:
            return web.json_response({"metadata": {"resourceVersion": "7"}})
        opened = web.StreamResponse()
        await opened.prepare(request)
        await asyncio.sleep(30)
        return opened

    async with client_of(answer) as (client, _):
        started = time.monotonic()
        await client.ping("team-a", watch=True)
        assert time.monotonic() - started < 5
    assert [version for version, _ in asked] == ["", "7"], "a watch from the list on begins with no resources"
    assert all("as=PartialObjectMetadata" in accept for _, accept in asked)


async def test_a_token_file_that_is_being_written_passes() -> None:
    async def empty(_: web.Request) -> web.Response:
        return web.json_response({"items": []})

    def refresh(_: Configuration) -> None:
        raise ConfigException("Token file exists but empty.")

    async with client_of(empty) as (client, configuration):
        configuration.api_key = {"BearerToken": "bearer of before"}
        configuration.refresh_api_key_hook = refresh  # type: ignore[assignment]
        with pytest.raises(ApiUnavailable):
            await client.ping("team-a")


async def test_a_server_that_hangs_holds_up_a_look_for_a_moment_only() -> None:
    async def silent(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async with client_of(silent) as (client, _):
        started = time.monotonic()
        with pytest.raises(ApiUnavailable, match="did not answer"):
            await client.read_secret("team-a", "perses-db", ca_key=None)
        assert time.monotonic() - started < READ_SECONDS + 1


async def test_a_note_is_cut_in_bytes_as_the_api_server_counts() -> None:
    notes: list[str] = []

    async def created(request: web.Request) -> web.Response:
        notes.append((await request.json())["note"])
        return web.json_response({}, status=201)

    async with client_of(created) as (client, _):
        await client.post_event(RESOURCE, Event("DatabaseNotFound", "ü" * 600))
    assert notes == ["ü" * (NOTE_BYTES // 2)]
