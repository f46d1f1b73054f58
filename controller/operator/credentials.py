"""Credentials for the API server: the Pod's own account inside a cluster, an explicit kubeconfig outside."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import kopf
import yaml
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from controller.errors import ConfigurationError

TOKEN_REFRESH = timedelta(minutes=5)
"""Interval at which the token file is read again: kubelet renews the token, valid for an hour, at 80 % of its life."""
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


class _Connection(kopf.ConnectionInfo):
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
