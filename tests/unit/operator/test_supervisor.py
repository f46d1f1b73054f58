"""Loops begin and end with their resources, whatever the watch tells or leaves out."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from controller.health.store import ReportStore
from controller.operator.adapter import ResourceAdapter, ResourceLimits
from controller.operator.client import Client
from controller.operator.resource import Resource
from controller.operator.supervisor import Supervisor
from controller.runtime.fence import Fence, unfenced

KEY = ("team-a", "perses")


def resource(
    uid: str = "1", *, version: int = 1, generation: int = 1, status: dict[str, Any] | None = None, **spec: Any
) -> Resource:
    metadata = {"namespace": KEY[0], "name": KEY[1], "uid": uid, "resourceVersion": str(version)}
    wanted = {"connection": {"secretRef": {"name": "perses-db"}}, "health": {"intervalSeconds": 3600}, **spec}
    body = {"metadata": {**metadata, "generation": generation}, "spec": wanted, "status": status}
    return Resource.parse(body)


class ApiServer:
    """Holds one resource and no Secret."""

    def __init__(self) -> None:
        self.resource = resource()
        self.written: list[str] = []
        self.events: list[str] = []

    async def read_secret(self, *_: str, ca_key: str | None) -> None:
        return None

    async def read_resource(self, *_: str) -> Resource:
        return self.resource

    async def write_status(self, known: Resource, status: dict[str, Any]) -> Resource | None:
        if known.uid != self.resource.uid:
            return None
        self.written.append(known.uid)
        version, generation = self.resource.version + 1, self.resource.generation
        self.resource = resource(known.uid, version=version, generation=generation, status=status)
        return self.resource

    async def post_event(self, _: Resource, event: Any) -> None:
        self.events.append(event.reason)


def adapter_of(api: ApiServer, known: Resource, *, fence: Fence = unfenced) -> ResourceAdapter:
    return ResourceAdapter(known, cast("Client", api), service_namespace=None, limits=ResourceLimits(), fence=fence)


@pytest.fixture
def api() -> ApiServer:
    return ApiServer()


@pytest.fixture
def store() -> ReportStore:
    return ReportStore()


@pytest.fixture
async def supervisor(api: ApiServer, store: ReportStore) -> AsyncIterator[Supervisor]:
    made = Supervisor(
        client=cast("Client", api),
        store=store,
        migrations=lambda: (),
        service_namespace=lambda namespace: namespace,
        limits=ResourceLimits(),
        connections_per_server=5,
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
    supervisor.observe(resource())
    await settled()
    assert store.get(KEY, datetime.now(UTC)) is not None
    supervisor.forget(resource())
    await settled()
    assert store.get(KEY, datetime.now(UTC)) is None
    assert loops() == []


async def test_a_resource_made_again_in_a_gap_of_the_watch_takes_the_place_of_the_old(
    supervisor: Supervisor, store: ReportStore, api: ApiServer
) -> None:
    supervisor.observe(resource("1"))
    await settled()
    api.resource = resource("2", version=9)
    supervisor.observe(api.resource)
    await settled()
    assert len(loops()) == 1
    assert store.get(KEY, datetime.now(UTC)) is not None
    assert api.written == ["1", "2"]
    supervisor.forget(resource("1"))  # told late
    await settled()
    assert store.get(KEY, datetime.now(UTC)) is not None


async def test_nothing_is_begun_once_it_stops(supervisor: Supervisor, store: ReportStore) -> None:
    supervisor.observe(resource())
    await settled()
    await supervisor.stop()
    supervisor.observe(resource(version=5, generation=2))
    supervisor.observe(resource("2", version=7))
    await settled()
    assert loops() == []


async def test_news_that_our_own_write_has_overtaken_is_no_reason_to_tell_it_again(
    supervisor: Supervisor, api: ApiServer
) -> None:
    first = resource(version=1)
    api.resource = resource(version=7, generation=2)
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
    supervisor.observe(resource())
    await settled()
    assert len(loops()) == 1


def test_an_adapter_keeps_the_newest_it_knows() -> None:
    adapter = ResourceAdapter(
        resource(version=10),
        cast("Client", ApiServer()),
        service_namespace=None,
        limits=ResourceLimits(),
        fence=unfenced,
    )
    adapter.observe(resource(version=9, generation=2))
    assert adapter.resource == resource(version=10)
    adapter.observe(resource(version=11))
    assert adapter.resource == resource(version=11)
    assert not adapter.changed.is_set(), "only a changed spec is a reason to wake"
    adapter.observe(resource(version=12, generation=2))
    assert adapter.resource == resource(version=12, generation=2)
    assert adapter.changed.is_set()


async def test_a_spec_that_cannot_be_read_is_told_and_shown(
    supervisor: Supervisor, store: ReportStore, api: ApiServer
) -> None:
    api.resource = resource(pool={"maxOpenConnections": "many"})
    supervisor.observe(api.resource)
    await settled()
    conditions = {c.type: f"{c.status} {c.reason}" for c in api.resource.status.conditions}
    assert conditions == {"Ready": "False SpecInvalid", "Stalled": "True SpecInvalid"}
    shown = store.get(KEY, datetime.now(UTC))
    assert shown is not None
    assert (shown.ready, shown.reason) == (False, "SpecInvalid")
    assert shown.message.startswith("spec.pool.maxOpenConnections: ")
