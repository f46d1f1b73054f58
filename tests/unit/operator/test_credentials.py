"""The way to the API server is one that somebody named."""

import ssl
from pathlib import Path

import pytest

from controller.errors import ConfigurationError
from controller.operator.credentials import REFUSED_BACKOFF, Logins, kopf_connection, load_configuration

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: one
clusters: [{name: one, cluster: {server: "https://127.0.0.1:6443"}}, {name: two, cluster: {server: "https://two:6443"}}]
users: [{name: me, user: {token: t0ken}}]
contexts:
  - {name: one, context: {cluster: one, user: me}}
  - {name: two, context: {cluster: two, user: me}}
"""


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.write_text(KUBECONFIG)
    return path


async def test_outside_a_cluster_nothing_is_guessed(monkeypatch: pytest.MonkeyPatch, kubeconfig: Path) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    with pytest.raises(ConfigurationError, match="--kubeconfig FILE"):
        await load_configuration(None, None)


async def test_the_kubeconfig_that_is_named_is_read(kubeconfig: Path) -> None:
    connection = kopf_connection(await load_configuration(kubeconfig, None))
    assert (connection.server, connection.token) == ("https://127.0.0.1:6443", "t0ken")


async def test_a_context_may_be_named(kubeconfig: Path) -> None:
    assert kopf_connection(await load_configuration(kubeconfig, "two")).server == "https://two:6443"


@pytest.mark.parametrize("text", ["", "{", "apiVersion: v1", "[1]"])
async def test_a_file_that_is_no_kubeconfig_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "broken"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="not a usable kubeconfig"):
        await load_configuration(path, None)


async def test_a_context_that_does_not_exist_is_an_error_of_ours(kubeconfig: Path) -> None:
    with pytest.raises(ConfigurationError, match="not a usable kubeconfig"):
        await load_configuration(kubeconfig, "three")


async def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="absent: not a usable kubeconfig"):
        await load_configuration(tmp_path / "absent", None)


async def test_authorities_with_the_least_that_rfc_5280_asks_for_are_taken(kubeconfig: Path) -> None:
    context = kopf_connection(await load_configuration(kubeconfig, None)).as_ssl_context()
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_mode is ssl.CERT_REQUIRED


async def test_a_token_that_was_refused_is_read_anew_after_a_pause_that_grows(
    kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("controller.operator.credentials.asyncio.sleep", sleep)
    monkeypatch.setattr("controller.operator.credentials.random.random", lambda: 0.0)
    configuration = await load_configuration(kubeconfig, None)
    logins = Logins(configuration, lambda: load_configuration(kubeconfig, None))
    assert [(await logins.next()).token for _ in range(3)] == ["t0ken"] * 3
    kubeconfig.write_text("{")  # it is being written
    assert (await logins.next()).token == "t0ken"
    kubeconfig.write_text(KUBECONFIG.replace("t0ken", "renewed"))
    assert (await logins.next()).token == "renewed"
    assert pauses == [REFUSED_BACKOFF.first * 2**number for number in range(4)]
    assert configuration.api_key["BearerToken"] == "Bearer renewed"
    await logins.next()
    assert len(pauses) == 5


async def test_a_watch_that_begins_anew_waits_for_no_login(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(_: float) -> None:
        raise AssertionError("it waits as after a refusal")

    monkeypatch.setattr("controller.operator.credentials.asyncio.sleep", sleep)
    logins = Logins(await load_configuration(kubeconfig, None), lambda: load_configuration(kubeconfig, None))
    for _ in range(3):
        logins.begin()
        assert (await logins.next()).token == "t0ken"
