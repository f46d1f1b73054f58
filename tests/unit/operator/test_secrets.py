"""The Secrets of one resource, and how often those of all are read."""

from typing import NoReturn, cast

import pytest

from controller.operator import secrets as module
from controller.operator.client import ApiUnavailable, Client
from controller.operator.secrets import SecretReads, SecretsOfResource, SecretUnreadable
from controller.runtime.budget import Budget


class ScriptedClient:
    """An API server whose Secrets, or whose absence, a test sets."""

    def __init__(self) -> None:
        self.secrets: dict[str, tuple[str, dict[str, bytes]]] = {}
        self.away = False
        self.status = 0
        self.asked = 0

    async def read_secret(
        self, namespace: str, name: str, *, ca_key: str | None
    ) -> tuple[str, dict[str, bytes]] | None:
        self.asked += 1
        if self.away:
            raise ApiUnavailable(f"GET {namespace}/{name}", self.status)
        return self.secrets.get(name)


@pytest.fixture
def api() -> ScriptedClient:
    return ScriptedClient()


def of_one(api: ScriptedClient, *, resources: int = 0) -> SecretsOfResource:
    """The Secrets of one of so many resources; with none, each read is due at once."""
    return SecretsOfResource(cast("Client", api), SecretReads(lambda: resources), "team-a")


@pytest.fixture
def secrets(api: ScriptedClient) -> SecretsOfResource:
    return of_one(api)


async def test_a_missing_secret_is_none_and_its_coming_is_a_change(
    api: ScriptedClient, secrets: SecretsOfResource
) -> None:
    assert await secrets.read("db", in_doubt=False) is None
    assert not await secrets.changed()
    api.secrets["db"] = ("1", {"host": b"a"})
    assert await secrets.changed()
    assert await secrets.read("db", in_doubt=False) == {"host": b"a"}
    assert not await secrets.changed()


async def test_what_a_status_says_of_a_refusal_does_not_change_with_the_words_of_the_api_server() -> None:
    class Wordy(ScriptedClient):
        async def read_secret(self, namespace: str, name: str, *, ca_key: str | None) -> NoReturn:
            self.asked += 1
            raise ApiUnavailable("GET", 500, f"request {self.asked} timed out")

    secrets = of_one(Wordy())
    said = [str(await secrets.read("db", in_doubt=True)) for _ in range(2)]
    assert said == ['Secret "db" cannot be read: The API server answered 500 to GET. It is tried again.'] * 2


async def test_another_version_is_a_change(api: ScriptedClient, secrets: SecretsOfResource) -> None:
    api.secrets["db"] = ("1", {})
    await secrets.read("db", in_doubt=False)
    api.secrets["db"] = ("2", {})
    assert await secrets.changed()


async def test_the_last_version_stands_in_while_the_api_server_is_away(
    api: ScriptedClient, secrets: SecretsOfResource
) -> None:
    api.secrets["db"] = ("1", {"host": b"a"})
    await secrets.read("db", in_doubt=False)
    api.away = True
    assert await secrets.read("db", in_doubt=True) == {"host": b"a"}


@pytest.mark.parametrize(
    ("status", "reason"), [(0, "SecretUnreadable"), (500, "SecretUnreadable"), (403, "SecretForbidden")]
)
async def test_a_secret_that_was_never_read_says_why_until_it_can_be(
    api: ScriptedClient, secrets: SecretsOfResource, status: int, reason: str
) -> None:
    api.secrets["db"] = ("1", {"host": b"a"})
    api.away, api.status = True, status
    for _ in range(module.FIRST_AT_ONCE + 1):
        found = await secrets.read("db", in_doubt=True)
        assert isinstance(found, SecretUnreadable)
        assert found.reason == reason
    api.away = False
    assert await secrets.changed()
    assert await secrets.read("db", in_doubt=True) == {"host": b"a"}


async def test_a_right_that_was_taken_away_counts_once_it_is_missing_for_longer(
    api: ScriptedClient, secrets: SecretsOfResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.secrets["db"] = ("1", {"host": b"a"})
    await secrets.read("db", in_doubt=True)
    api.away, api.status = True, 403
    assert await secrets.read("db", in_doubt=True) == {"host": b"a"}, "the API server may have started a moment ago"
    monkeypatch.setattr(module, "FORBIDDEN_SECONDS", 0.0)
    found = await secrets.read("db", in_doubt=True)
    assert isinstance(found, SecretUnreadable)
    assert "resourceNames: [db]" in found.message


async def test_what_the_resource_no_longer_names_is_forgotten(api: ScriptedClient, secrets: SecretsOfResource) -> None:
    api.secrets["old"] = ("1", {})
    await secrets.read("old", in_doubt=False)
    secrets.keep({"new"}, None)
    api.secrets["old"] = ("2", {})
    assert not await secrets.changed()


async def test_another_key_for_the_authority_is_read_from_the_secret(
    api: ScriptedClient, secrets: SecretsOfResource
) -> None:
    await secrets.read("ca", in_doubt=False)
    secrets.keep({"ca"}, "other.crt")
    await secrets.read("ca", in_doubt=False)
    assert api.asked == 2


async def test_with_many_resources_a_secret_that_works_is_read_anew_in_its_turn(api: ScriptedClient) -> None:
    secrets = of_one(api, resources=1000)
    for _ in range(5):
        await secrets.read("db", in_doubt=False)
    assert api.asked == 1
    await secrets.read("db", in_doubt=True)
    assert api.asked == 2


async def test_all_resources_together_read_no_more_than_their_budget(
    api: ScriptedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RATE", 0.0001)
    reads = SecretReads(lambda: 0)
    many = [SecretsOfResource(cast("Client", api), reads, f"team-{number}") for number in range(100)]
    for secrets in many:
        await secrets.read("db", in_doubt=True)
    for _ in range(3):
        for secrets in many:
            await secrets.read("db", in_doubt=True)
    assert api.asked == 100 + module.BURST


def test_a_budget_gains_with_time_up_to_its_limit() -> None:
    now = 0.0
    budget = Budget(rate=2.0, most=3.0, clock=lambda: now)
    assert [budget.take() for _ in range(4)] == [True, True, True, False]
    now = 0.5
    assert [budget.take() for _ in range(2)] == [True, False]
    now = 100.0
    assert [budget.take() for _ in range(4)] == [True, True, True, False]
