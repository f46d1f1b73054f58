"""The Secrets of one resource."""

from typing import cast

import pytest

from controller.operator.client import ApiUnavailable, Client
from controller.operator.secrets import SecretsOfNamespace


class ScriptedClient:
    """An API server whose Secrets, or whose absence, a test sets."""

    def __init__(self) -> None:
        self.secrets: dict[str, tuple[str, dict[str, bytes]]] = {}
        self.away = False

    async def read_secret(
        self, namespace: str, name: str, *, ca_key: str | None
    ) -> tuple[str, dict[str, bytes]] | None:
        if self.away:
            raise ApiUnavailable(f"GET {namespace}/{name}", 0)
        return self.secrets.get(name)


@pytest.fixture
def api() -> ScriptedClient:
    return ScriptedClient()


@pytest.fixture
def secrets(api: ScriptedClient) -> SecretsOfNamespace:
    return SecretsOfNamespace(cast("Client", api), "team-a")


async def test_a_missing_secret_is_none_and_its_coming_is_a_change(
    api: ScriptedClient, secrets: SecretsOfNamespace
) -> None:
    assert await secrets.read("db") is None
    assert not await secrets.changed()
    api.secrets["db"] = ("1", {"host": b"a"})
    assert await secrets.changed()
    assert await secrets.read("db") == {"host": b"a"}
    assert not await secrets.changed()


async def test_another_version_is_a_change(api: ScriptedClient, secrets: SecretsOfNamespace) -> None:
    api.secrets["db"] = ("1", {})
    await secrets.read("db")
    api.secrets["db"] = ("2", {})
    assert await secrets.changed()


async def test_the_last_version_stands_in_while_the_api_server_is_away(
    api: ScriptedClient, secrets: SecretsOfNamespace
) -> None:
    api.secrets["db"] = ("1", {"host": b"a"})
    await secrets.read("db")
    api.away = True
    assert await secrets.read("db") == {"host": b"a"}


async def test_a_secret_never_seen_cannot_be_stood_in_for(api: ScriptedClient, secrets: SecretsOfNamespace) -> None:
    api.away = True
    with pytest.raises(ApiUnavailable):
        await secrets.read("db")


async def test_what_the_resource_no_longer_names_is_forgotten(api: ScriptedClient, secrets: SecretsOfNamespace) -> None:
    api.secrets["old"] = ("1", {})
    await secrets.read("old")
    secrets.keep({"new"}, None)
    api.secrets["old"] = ("2", {})
    assert not await secrets.changed()
