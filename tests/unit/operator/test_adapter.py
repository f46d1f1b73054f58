"""Adapter of a resource: the generation it reports, the version it keeps, the events it posts again."""

from dataclasses import replace
from typing import Any

import pytest

from controller.errors import DatabaseUnavailable, NotLeading
from controller.health.store import ReportStore
from controller.operator import adapter as module
from controller.operator.adapter import ResourceAdapter
from controller.operator.client import ApiUnavailable, StatusConflict
from controller.operator.resource import Resource
from controller.reconcile.findings import find, summary
from controller.reconcile.memory import Memory
from controller.reconcile.observe import unreachable
from controller.reconcile.result import Event, MigrationProgress, ReconcileResult
from tests.unit.operator.test_status import result_of
from tests.unit.operator.test_supervisor import ApiServer, adapter_of, resource
from tests.unit.reconcile.observations import desired, observed


def result(*events: Event) -> ReconcileResult:
    return replace(result_of(observed(1, 2)), events=events)


@pytest.fixture
def api() -> ApiServer:
    return ApiServer()


@pytest.fixture
def adapter(api: ApiServer) -> ResourceAdapter:
    return adapter_of(api, resource())


async def test_a_spec_that_came_in_meanwhile_is_not_claimed_to_be_reconciled(
    adapter: ResourceAdapter, api: ApiServer
) -> None:
    await adapter.read_desired(due=False)
    adapter.observe(resource(version=5, generation=2))
    api.resource = resource(version=5, generation=2)
    await adapter.report_progress(MigrationProgress("Running V002.", 0.0))
    assert {c.observed_generation for c in api.resource.status.conditions} == {1}
    await adapter.report(result())
    assert api.resource.status.observed_generation == 1
    assert adapter.changed.is_set()
    await adapter.read_desired(due=False)
    await adapter.report(result())
    assert api.resource.status.observed_generation == 2


async def test_events_of_a_status_that_could_not_be_written_are_posted_with_the_next(
    adapter: ResourceAdapter, api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise ApiUnavailable("PATCH", 0)

    with monkeypatch.context() as patched:
        patched.setattr(api, "write_status", away)
        with pytest.raises(ApiUnavailable):
            await adapter.report(result(Event("SchemaMigrated", "Applied V002.")))
    assert api.events == []
    await adapter.report(result())
    assert api.events == ["SchemaMigrated", "Ready"]
    await adapter.report(replace(result()))
    assert api.events == ["SchemaMigrated", "Ready"]


class Refusing:
    """Answers `status` to each write of a status while it is set; counts the tries."""

    def __init__(self, api: ApiServer, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
        self.status, self.tries = status, 0
        self._write = api.write_status
        monkeypatch.setattr(api, "write_status", self.write_status)

    async def write_status(self, known: Resource, status: dict[str, Any]) -> Resource | None:
        self.tries += 1
        if self.status:
            raise ApiUnavailable("PATCH", self.status)
        return await self._write(known, status)


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_status_that_the_api_server_refuses_is_noted_at_once_and_events_tell_it_all_the_same(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    store, refusing = ReportStore(), Refusing(api, monkeypatch, status)
    adapter = adapter_of(api, resource(), store=store)
    await adapter.report(result())
    assert (store.status_refused, api.events) == (1, ["Ready"])
    assert store.status_refused_for == f"The API server answered {status} to PATCH."
    await adapter.report(result())
    assert refusing.tries == 1, "the same status is tried again after a minute"


@pytest.mark.parametrize("status", [401, 403, 500, 503, 504])
async def test_an_answer_that_may_pass_is_a_refusal_after_three_tries(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    store, refusing = ReportStore(), Refusing(api, monkeypatch, status)
    adapter = adapter_of(api, resource(), store=store)
    for _ in range(2):
        with pytest.raises(ApiUnavailable):
            await adapter.report(result())
    assert (store.status_refused, store.status_refused_for, api.events) == (0, None, [])
    await adapter.report(result())
    assert (refusing.tries, store.status_refused, api.events) == (3, 1, ["Ready"])


def unreached() -> ReconcileResult:
    return result_of(unreachable(DatabaseUnavailable("away")))


def refusal(store: ReportStore) -> str | None:
    return store.status_refused_for


async def test_a_refusal_ends_where_the_database_is_again_as_the_stored_status_says(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, refusing = ReportStore(), Refusing(api, monkeypatch, 0)
    adapter = adapter_of(api, resource(), store=store)
    monkeypatch.setattr(module, "REFUSED_SECONDS", 0.0)
    await adapter.report(result())
    refusing.status = 422
    await adapter.report(unreached())
    assert refusal(store) is not None
    refusing.status = 0
    await adapter.report(result())
    assert refusal(store) is None
    assert api.events == ["Ready", "DatabaseUnavailable", "Ready"]
    tries = refusing.tries
    await adapter.report(result())
    assert refusing.tries == tries


async def test_a_refusal_ends_where_nothing_is_to_be_written_any_more(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, refusing = ReportStore(), Refusing(api, monkeypatch, 0)
    adapter = adapter_of(api, resource(), store=store)
    await adapter.report(result())
    refusing.status = 422
    await adapter.report_progress(MigrationProgress("Running V002.", 0.0))
    assert refusal(store) is not None
    await adapter.report(result())
    assert refusal(store) is None
    assert refusing.tries == 2


async def test_a_status_that_is_stored_ends_the_refusal_and_the_count_of_failures(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, refusing = ReportStore(), Refusing(api, monkeypatch, 500)
    adapter = adapter_of(api, resource(), store=store)
    monkeypatch.setattr(module, "REFUSED_SECONDS", 0.0)
    for _ in range(2):
        with pytest.raises(ApiUnavailable):
            await adapter.report(result())
    await adapter.report(result())
    assert store.status_refused == 1
    refusing.status = 0
    await adapter.report(result())
    assert store.status_refused_for is None
    refusing.status = 500
    with pytest.raises(ApiUnavailable):
        await adapter.report_progress(MigrationProgress("Running V002.", 0.0))
    assert store.status_refused == 1


@pytest.mark.parametrize("status", [409, 429])
async def test_a_conflict_or_too_many_requests_are_no_refusal_however_often_they_come(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    store = ReportStore()
    Refusing(api, monkeypatch, status)
    adapter = adapter_of(api, resource(), store=store)
    for _ in range(5):
        with pytest.raises(ApiUnavailable):
            await adapter.report(result())
    assert store.status_refused == 0


async def test_a_resource_that_a_user_changed_meanwhile_gets_its_status_at_once(
    adapter: ResourceAdapter, api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    conflicts = [StatusConflict(resource(version=7)), StatusConflict(resource(version=8))]
    write = api.write_status

    async def refuse_twice(known: Resource, status: dict[str, Any]) -> Resource | None:
        if conflicts:
            raise conflicts.pop(0)
        assert known.version == 8
        return await write(known, status)

    monkeypatch.setattr(api, "write_status", refuse_twice)
    await adapter.report(result())
    assert (len(api.written), api.events) == (1, ["Ready"])


async def test_a_status_that_another_replica_has_written_is_neither_overwritten_nor_told_again(
    adapter: ResourceAdapter, api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await adapter_of(api, resource()).report(result())
    written, theirs = list(api.written), api.resource

    async def refuse(*_: Any) -> None:
        raise StatusConflict(theirs)

    monkeypatch.setattr(api, "write_status", refuse)
    await adapter.report(result())
    assert (api.written, api.events) == (written, ["Ready"])


async def test_a_version_that_goes_back_is_the_newest_after_a_restore(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = adapter_of(api, resource(version=900))
    write = api.write_status

    async def restored(known: Resource, status: dict[str, Any]) -> Resource | None:
        if known.version != 5:
            raise StatusConflict(resource(version=5))
        return await write(known, status)

    monkeypatch.setattr(api, "write_status", restored)
    await adapter.report(result())
    assert api.events == ["Ready"]


async def test_a_resource_that_changes_all_the_time_is_tried_again_later(
    adapter: ResourceAdapter, api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = iter(range(2, 100))

    async def refuse(*_: Any) -> None:
        raise StatusConflict(resource(version=next(versions)))

    monkeypatch.setattr(api, "write_status", refuse)
    with pytest.raises(ApiUnavailable, match="answered 409"):
        await adapter.report(result())
    assert next(versions) == 2 + module.MOST_CONFLICTS


async def test_nothing_is_written_and_nothing_told_by_a_replica_that_does_not_lead(api: ApiServer) -> None:
    async def refuse() -> None:
        raise NotLeading("Another replica leads now.")

    adapter = adapter_of(api, resource(), fence=refuse)
    with pytest.raises(NotLeading):
        await adapter.report(result(Event("SchemaMigrated", "Applied V002.")))
    with pytest.raises(NotLeading):
        await adapter.report_progress(MigrationProgress("Running V002.", 0.0))
    assert (api.written, api.events) == ([], [])


async def test_a_replica_that_no_longer_leads_after_a_write_tells_nothing(api: ApiServer) -> None:
    allowed = iter([True])

    async def once() -> None:
        if not next(allowed, False):
            raise NotLeading("Another replica leads now.")

    adapter = adapter_of(api, resource(), fence=once)
    with pytest.raises(NotLeading):
        await adapter.report(result())
    assert (len(api.written), api.events) == (1, [])


async def test_what_did_not_change_is_neither_read_from_the_spec_nor_made_into_a_status_again(
    adapter: ResourceAdapter, api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await adapter.read_desired(due=True)
    for _ in range(2):  # the first writes, the second finds it on the server
        await adapter.report(result())
    before = await adapter.read_desired(due=True)
    monkeypatch.setattr(module, "status_of", None)
    await adapter.report(result())
    assert (await adapter.read_desired(due=True)) is before

    async def made(*_: str, ca_key: str | None) -> tuple[str, dict[str, bytes]]:
        return "2", {}

    monkeypatch.setattr(api, "read_secret", made)
    assert (await adapter.read_desired(due=False)) is not before


@pytest.mark.parametrize(
    ("change", "acting", "dialling"),
    [
        ({"pool": {"connectTimeoutSeconds": 1}}, True, False),
        ({"connection": {"secretRef": {"name": "another"}}}, False, False),
        ({"health": {"intervalSeconds": 60}}, True, True),
    ],
)
async def test_settings_of_the_pool_end_a_dial_and_stop_no_change_of_the_database(
    adapter: ResourceAdapter, change: dict[str, Any], acting: bool, dialling: bool
) -> None:
    await adapter.read_desired(due=True)
    adapter.observe(resource(version=2, generation=2, **change))
    assert (adapter.still_wanted(), adapter.still_wanted(dialling=True)) == (acting, dialling)
    await adapter.read_desired(due=False)
    assert (adapter.still_wanted(), adapter.still_wanted(dialling=True)) == (True, True)


async def test_another_result_is_shown(adapter: ResourceAdapter, api: ApiServer) -> None:
    await adapter.read_desired(due=True)
    for _ in range(2):
        await adapter.report(result())
    seen = observed(1)
    findings = find(desired(), seen, Memory())
    await adapter.report(replace(result(), observed=seen, findings=findings, summary=summary(findings)))
    assert len(api.written) == 2
