"""Loops begin and end with their resources, whatever the watch tells or leaves out."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from controller.health.store import ReportStore
from controller.operator.client import Client
from controller.operator.resource_loop import ResourceLoop
from controller.operator.supervisor import Supervisor

KEY = ("team-a", "perses")


def body(uid: str = "1", *, version: int = 1, generation: int = 1) -> dict[str, Any]:
    metadata = {"namespace": KEY[0], "name": KEY[1], "uid": uid, "resourceVersion": str(version)}
    spec = {"connection": {"secretRef": {"name": "perses-db"}}, "health": {"intervalSeconds": 3600}}
    return {"metadata": {**metadata, "generation": generation}, "spec": spec}


class ApiServer:
    """Holds one resource and no Secret."""

    def __init__(self) -> None:
        self.resource = body()
        self.written: list[str] = []
        self.events: list[str] = []

    async def read_secret(self, *_: str) -> None:
        return None

    async def read_resource(self, *_: str) -> dict[str, Any]:
        return self.resource

    async def write_status(self, namespace: str, name: str, uid: str, status: dict[str, Any]) -> dict[str, Any] | None:
        if uid != self.resource["metadata"]["uid"]:
            return None
        self.written.append(uid)
        version = str(int(self.resource["metadata"]["resourceVersion"]) + 1)
        metadata = {**self.resource["metadata"], "resourceVersion": version}
        self.resource = {**self.resource, "metadata": metadata, "status": status}
        return self.resource

    async def post_event(self, _: dict[str, Any], event: Any) -> None:
        self.events.append(event.reason)


@pytest.fixture
def api() -> ApiServer:
    return ApiServer()


@pytest.fixture
def store() -> ReportStore:
    return ReportStore()


@pytest.fixture
async def supervisor(api: ApiServer, store: ReportStore) -> AsyncIterator[Supervisor]:
    made = Supervisor(
        client=cast("Client", api), store=store, migrations=lambda: (), service_namespace=lambda namespace: namespace
    )
    yield made
    await made.stop()


async def settled() -> None:
    """All that can go on without time passing has gone on."""
    for _ in range(50):
        await asyncio.sleep(0)


def loops() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("loop ")]


async def test_a_resource_that_is_gone_is_forgotten(supervisor: Supervisor, store: ReportStore) -> None:
    supervisor.observe(body())
    await settled()
    assert store.get(KEY, datetime.now(UTC)) is not None
    supervisor.forget(body())
    await settled()
    assert store.get(KEY, datetime.now(UTC)) is None
    assert loops() == []


async def test_a_resource_made_again_in_a_gap_of_the_watch_takes_the_place_of_the_old(
    supervisor: Supervisor, store: ReportStore, api: ApiServer
) -> None:
    supervisor.observe(body("1"))
    await settled()
    api.resource = body("2", version=9)
    supervisor.observe(api.resource)
    await settled()
    assert len(loops()) == 1
    assert store.get(KEY, datetime.now(UTC)) is not None
    assert api.written == ["1", "2"]
    supervisor.forget(body("1"))  # told late
    await settled()
    assert store.get(KEY, datetime.now(UTC)) is not None


async def test_nothing_is_begun_once_it_stops(supervisor: Supervisor, store: ReportStore) -> None:
    supervisor.observe(body())
    await settled()
    await supervisor.stop()
    supervisor.observe(body(version=5, generation=2))
    supervisor.observe(body("2", version=7))
    await settled()
    assert loops() == []


async def test_news_that_our_own_write_has_overtaken_is_no_reason_to_tell_it_again(
    supervisor: Supervisor, api: ApiServer
) -> None:
    first = body(version=1)
    api.resource = body(version=7, generation=2)
    supervisor.observe(first)
    await settled()
    assert api.events == ["SecretNotFound"]
    supervisor.observe(first)  # the watch lags behind what our write was answered
    await settled()
    assert (api.events, len(api.written)) == (["SecretNotFound"], 2), "one write for each generation"


async def test_a_fault_outside_of_a_turn_does_not_end_the_loop(
    supervisor: Supervisor, api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise ValueError("h0rse")

    monkeypatch.setattr(api, "post_event", broken)
    supervisor.observe(body())
    await settled()
    assert len(loops()) == 1


def test_a_loop_keeps_the_newest_it_knows() -> None:
    loop = ResourceLoop(
        body(version=10),
        client=cast("Client", ApiServer()),
        store=ReportStore(),
        migrations=lambda: (),
        service_namespace=lambda namespace: namespace,
        limiter=cast("Any", None),
    )
    loop.observe(body(version=9, generation=1))
    assert loop.body["metadata"]["resourceVersion"] == "10"
    loop.observe(body(version=11, generation=2))
    assert loop.body["metadata"]["resourceVersion"] == "11"
    assert loop.changed.is_set()
