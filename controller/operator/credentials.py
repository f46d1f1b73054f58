"""Credentials for the API server: the Pod's own account inside a cluster, an explicit kubeconfig outside."""

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import kopf
import structlog
import yaml
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from controller.errors import ConfigurationError
from controller.operator.client import USER_AGENT
from controller.runtime.backoff import Backoff

log = structlog.get_logger(__name__)

TOKEN_REFRESH = timedelta(minutes=5)
"""Interval at which the token file is read again: kubelet renews the token, valid for an hour, at 80 % of its life."""
REFUSED_BACKOFF = Backoff(first=1.0, longest=30.0)
"""Pauses between two logins with the same token: kopf logs in anew as soon as the API server refuses it, and asks again
at once, a hundred times a second, until for example kubelet has renewed the token."""
_UNUSABLE = (config.ConfigException, OSError, yaml.YAMLError, AttributeError, TypeError, KeyError, ValueError)
"""Errors that the client raises for an invalid kubeconfig, which it does not validate before it reads."""
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


async def load_configuration(kubeconfig: Path | None, context: str | None) -> Configuration:
    """Load the Pod's account, or `kubeconfig` where one is given; never a kubeconfig that nobody named.

    Raises:
        ConfigurationError: neither is there, or the file cannot be used.
    """
    configuration = Configuration()
    try:
        if kubeconfig is not None:
            await config.load_kube_config(
                str(kubeconfig), context=context, client_configuration=configuration, persist_config=False
            )
        else:
            config.load_incluster_config(configuration)
    except _UNUSABLE as error:
        if kubeconfig is None:
            raise ConfigurationError(
                "This is no Pod with a service account. Outside a cluster, name the cluster: --kubeconfig FILE."
            ) from None
        raise ConfigurationError(f"{kubeconfig}: not a usable kubeconfig ({type(error).__name__}).") from None
    configuration.retries = 0  # each reconcile is tried again as a whole
    configuration.disable_strict_ssl_verification = True  # as `_Connection` says, for the client
    return configuration


def kopf_connection(configuration: Configuration) -> kopf.ConnectionInfo:
    """Return the same credentials in kopf's terms; made anew at each login, so that a renewed token is used."""
    refresh: Callable[[Configuration], None] | None = configuration.refresh_api_key_hook
    if refresh is not None:
        refresh(configuration)
    token = configuration.api_key.get("BearerToken", "")
    return _Connection(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        token=token.split(" ", 1)[-1].strip() or None,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        expiration=datetime.now(UTC) + TOKEN_REFRESH,
    )


class Logins:
    """Logins of kopf, and the credentials of our own client, which are read anew where the API server refuses them.

    Attributes:
        configuration: the credentials of the moment.
    """

    def __init__(self, configuration: Configuration, reload: Callable[[], Awaitable[Configuration]]) -> None:
        """Use CONFIGURATION, which RELOAD returns anew from its source."""
        self.configuration = configuration
        self._reload = reload
        self._token: str | None = None
        self._at = float("-inf")
        self._refusals = 0

    def begin(self) -> None:
        """Note that kopf begins anew: its first login follows no refusal, and is not to wait for anything."""
        self._token = None

    async def next(self) -> kopf.ConnectionInfo:
        """Return credentials for kopf, which asks at the start, every `TOKEN_REFRESH`, and once they were refused."""
        found = kopf_connection(self.configuration)
        early = time.monotonic() - self._at < TOKEN_REFRESH.total_seconds() * 0.9
        if found.token == self._token and early:
            await asyncio.sleep(REFUSED_BACKOFF.pause(self._refusals, random.random()))  # noqa: S311 - no secret
            self._refusals += 1
            found = await self._read_anew() or found
        else:
            self._refusals = 0
        self._token, self._at = found.token, time.monotonic()
        return found

    async def _read_anew(self) -> kopf.ConnectionInfo | None:
        """Return the credentials of the source; None where it cannot be used, as while its file is being written."""
        try:
            self.configuration.api_key = (await self._reload()).api_key
        except ConfigurationError as error:
            log.warning("credentials not read anew", error=error.message)
            return None
        return kopf_connection(self.configuration)


class _Connection(kopf.ConnectionInfo):
    def as_http_headers(self) -> dict[str, str]:
        """Return kopf's headers, and the name by which the API server's audit log knows us."""
        return {**super().as_http_headers(), "User-Agent": USER_AGENT}

    def as_ssl_context(self) -> ssl.SSLContext:
        """Return a context without the strict checks of Python 3.13, which many a cluster's authority does not pass."""
        context = super().as_ssl_context()
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context


def own_namespace() -> str | None:
    """Return the namespace of this Pod; None outside of a cluster."""
    return _NAMESPACE_FILE.read_text().strip() if in_cluster() else None


def in_cluster() -> bool:
    """Return True inside a Pod that has a service account."""
    return _NAMESPACE_FILE.is_file()
