"""Loops begin and end with their resources, whatever the watch tells or leaves out."""

import asyncio
import weakref
from collections.abc import AsyncIterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from controller.errors import ConfigurationError
from controller.health.store import ReportStore
from controller.operator import supervisor as module
from controller.operator.adapter import ResourceAdapter
from controller.operator.client import Client, Listing
from controller.operator.inputs import ResourceLimits
from controller.operator.resource import Resource
from controller.operator.secrets import SecretReads
from controller.operator.supervisor import Supervisor
from controller.resource.spec import DashboardDatabaseSpec
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
        self.listed = Listing(0, {})

    async def read_secret(self, *_: str, ca_key: str | None) -> None:
        return None

    async def read_resource(self, *_: str) -> Resource:
        return self.resource

    async def list_versions(self, namespace: str | None) -> Listing:
        return self.listed

    async def write_status(self, known: Resource, status: dict[str, Any]) -> Resource | None:
        if known.uid != self.resource.uid:
            return None
        self.written.append(known.uid)
        version, generation = self.resource.version + 1, self.resource.generation
        self.resource = resource(known.uid, version=version, generation=generation, status=status)
        return self.resource

    async def post_event(self, _: Resource, event: Any) -> None:
        self.events.append(event.reason)


def adapter_of(
    api: ApiServer, known: Resource, *, fence: Fence = unfenced, store: ReportStore | None = None
) -> ResourceAdapter:
    reads = SecretReads(lambda: 1)
    return ResourceAdapter(
        known,
        cast("Client", api),
        reads,
        service_namespace=None,
        limits=ResourceLimits(),
        store=store or ReportStore(),
        fence=fence,
    )


@pytest.fixture(autouse=True)
def no_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WATCH_LAG_SECONDS", 0.0)


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


async def test_a_deletion_that_the_watch_missed_is_found_in_a_list(
    supervisor: Supervisor, store: ReportStore, api: ApiServer
) -> None:
    supervisor.observe(resource())
    await settled()
    api.listed = Listing(api.resource.version, {KEY: ("1", api.resource.version)})
    assert await supervisor.compare(None) == 0
    await settled()
    assert len(loops()) == 1
    api.listed = Listing(100, {})
    assert await supervisor.compare("another") == 0, "the list of another namespace says nothing"
    await settled()
    assert len(loops()) == 1
    assert await supervisor.compare(KEY[0]) == 1
    await settled()
    assert (loops(), store.get(KEY, datetime.now(UTC))) == ([], None)


async def test_a_resource_that_is_newer_than_a_list_is_not_missed_in_it(supervisor: Supervisor) -> None:
    supervisor.observe(resource(version=50))
    await settled()
    await supervisor.compare(None)
    await settled()
    assert len(loops()) == 1


async def test_a_change_that_the_watch_missed_is_found_in_a_list(supervisor: Supervisor, api: ApiServer) -> None:
    supervisor.observe(resource())
    await settled()
    api.resource = resource(version=9, generation=2, suspend=True)
    api.listed = Listing(9, {KEY: ("1", 9)})
    await supervisor.compare(None)
    await settled()
    assert api.resource.status.observed_generation == 2


async def test_a_new_resource_that_the_watch_missed_is_found_in_a_list(supervisor: Supervisor, api: ApiServer) -> None:
    api.listed = Listing(9, {KEY: ("1", 9)})
    assert await supervisor.compare(None) == 1
    supervisor.observe(resource(version=9))
    await settled()
    assert await supervisor.compare(None) == 0


async def test_what_a_restored_backup_of_the_api_server_holds_is_taken_up_though_it_is_older(
    supervisor: Supervisor, api: ApiServer
) -> None:
    api.resource = resource(version=5000)
    supervisor.observe(api.resource)
    await settled()
    api.listed = Listing(5001, {KEY: ("1", 5001)})
    await supervisor.compare(None)
    api.resource = resource(version=1010, generation=2, suspend=True)
    api.listed = Listing(1010, {KEY: ("1", 1010)})
    await supervisor.compare(None)
    await settled()
    assert api.resource.status.observed_generation == 2


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
    adapter = adapter_of(ApiServer(), resource(version=10))
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
    assert api.events == ["SpecInvalid"]


class Body:
    """Stands for the object of the API with all its managedFields, as the watch holds it while it calls us."""


async def test_nothing_that_the_watch_holds_is_kept_with_a_loop(supervisor: Supervisor) -> None:
    held: ContextVar[Body] = ContextVar("held")

    async def watch() -> "weakref.ref[Body]":
        held.set(body := Body())
        supervisor.observe(resource())
        return weakref.ref(body)

    body = await asyncio.create_task(watch())
    await settled()
    assert body() is None


async def test_an_error_about_a_secret_keeps_no_frames(api: ApiServer) -> None:
    adapter = adapter_of(api, api.resource)
    desired = await adapter.read_desired(due=False)
    assert desired is not None
    assert isinstance(desired.target, ConfigurationError)
    assert desired.target.__traceback__ is None


def test_spec_and_status_of_a_resource_are_those_of_the_api_server() -> None:
    status = {"observedGeneration": 3, "server": {"version": "18.1", "identity": "1/2"}}
    found = resource(status=status, suspend=True)
    assert isinstance(found.spec, DashboardDatabaseSpec)
    assert found.spec.suspend
    assert found.status.observed_generation == 3
    assert found.status_on_server == status


def test_managed_fields_of_a_resource_are_not_kept() -> None:
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "LARGE"}
    metadata = {"namespace": "a", "name": "b", "uid": "1", "managedFields": ["LARGE"], "annotations": applied}
    assert "LARGE" not in repr(Resource.parse({"metadata": metadata, "spec": {}}))
