"""Inputs of one resource: its spec and its Secrets come in, the desired state goes out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from controller.database.addresses import ALL_ADDRESSES, AddressRules
from controller.database.secret import NamedSecret, SecretData, target_from_secrets
from controller.database.target import Target
from controller.desired import Desired
from controller.errors import ConfigurationError
from controller.operator.client import Client
from controller.operator.resource import Resource
from controller.operator.secrets import SecretReads, SecretsOfResource, SecretUnreadable
from controller.resource.spec import DashboardDatabaseSpec, to_desired


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """Limits that whoever runs the operator sets for all resources.

    Attributes:
        shortest_interval: seconds between two checks of a database at least, whatever its resource asks for.
        plaintext_allowed: a resource may say sslMode disable where its Secret says nothing.
        address_rules: addresses at which no database is dialled.
    """

    shortest_interval: float = 5.0
    plaintext_allowed: bool = False
    address_rules: AddressRules = ALL_ADDRESSES


_Value: TypeAlias = SecretData | SecretUnreadable | None
"""Secret as it was read; why it could not be; None where there is no such Secret."""


@dataclass(frozen=True, slots=True)
class _Read:
    """Resource and Secrets as they were read, and the desired state that they give."""

    resource: Resource
    secrets: Mapping[str, _Value]
    desired: Desired


class ResourceInputs:
    """Reader of what one resource asks for; it keeps what was read last, to say the same in less time.

    Attributes:
        resource: whose desired state was read last; None before the first time.
    """

    def __init__(
        self,
        client: Client,
        reads: SecretReads,
        namespace: str,
        *,
        service_namespace: str | None,
        limits: ResourceLimits,
    ) -> None:
        """Read nothing yet; a host without a dot is a Service in SERVICE_NAMESPACE, None outside a cluster."""
        self.resource: Resource | None = None
        self._secrets = SecretsOfResource(client, reads, namespace)
        self._namespace = namespace
        self._service_namespace = service_namespace
        self._limits = limits
        self._kept: _Read | None = None

    async def read(self, resource: Resource, *, in_doubt: bool) -> Desired:
        """Return the desired state.

        Args:
            in_doubt: what the Secrets said did not work, or the resource has changed.

        Raises:
            ConfigurationError: the spec cannot be read.
        """
        self.resource, kept = resource, self._kept
        same = kept is not None and kept.resource is resource
        names = kept.secrets.keys() if same and kept else self._secret_names(resource)
        secrets = {name: await self._secrets.read(name, in_doubt=in_doubt) for name in names}
        if not same or kept is None or any(secrets[name] is not kept.secrets[name] for name in names):
            kept = self._kept = _Read(resource, secrets, self._desired(resource, secrets))
        return kept.desired

    async def changed(self) -> bool:
        """Return True where one of the Secrets is another one now."""
        return await self._secrets.changed()

    def still_asked_for(self, resource: Resource, *, dialling: bool = False) -> bool:
        """Return False where what decides over changes is something else in RESOURCE than in what was read last.

        Args:
            dialling: how connections are made decides as well, such as the time for one.
        """
        read = self.resource
        if read is None or resource.generation == read.generation:
            return read is not None
        same_pool = not dialling or _pool(resource) == _pool(read)
        return same_pool and deciding(resource) == deciding(read)

    def _secret_names(self, resource: Resource) -> set[str]:
        """Return the Secrets that the spec names, and forget all others."""
        wanted = spec_of(resource).connection
        ca = wanted.ca_secret_ref
        self._secrets.keep(wanted.secret_names, ca.key if ca else None)
        return wanted.secret_names

    def _desired(self, resource: Resource, secrets: Mapping[str, _Value]) -> Desired:
        spec = spec_of(resource)
        return to_desired(
            spec,
            self._target(spec, secrets),
            used_approval=resource.status.used_approval,
            shortest_interval=self._limits.shortest_interval,
        )

    def _target(self, spec: DashboardDatabaseSpec, secrets: Mapping[str, _Value]) -> Target | ConfigurationError:
        """Return the database that spec and Secrets name, or what is wrong with them."""

        def named(name: str) -> NamedSecret:
            value = secrets[name]
            if isinstance(value, SecretUnreadable):
                raise value
            return NamedSecret(name, value)

        wanted = spec.connection
        ca, client = wanted.ca_secret_ref, wanted.client_certificate_secret_ref
        try:
            target = target_from_secrets(
                named(wanted.secret_ref.name),
                ca=(named(ca.name), ca.key) if ca else None,
                client_certificate=named(client.name) if client else None,
                ssl_mode=wanted.ssl_mode,
                pooler=wanted.pooler,
                service_namespace=self._service_namespace,
                connect_timeout=spec.pool.connect_timeout_seconds,
                query_timeout=spec.pool.query_timeout_seconds,
                plaintext_allowed=self._limits.plaintext_allowed,
            )
            return replace(target, tenant=self._namespace, address_rules=self._limits.address_rules)
        except ConfigurationError as error:
            return error.with_traceback(None)  # which would keep the frames of this call, and all that is in them


def deciding(resource: Resource) -> object:
    """Return the parts of the spec that decide whether the database is changed, and which one."""
    spec = resource.spec
    return spec if isinstance(spec, str) else (spec.suspend, spec.connection, spec.schema_, spec.templates)


def _pool(resource: Resource) -> object:
    """Return the part of the spec that says how connections are made."""
    spec = resource.spec
    return spec if isinstance(spec, str) else spec.pool


def spec_of(resource: Resource) -> DashboardDatabaseSpec:
    """Return the spec.

    Raises:
        ConfigurationError: it cannot be read.
    """
    spec = resource.spec
    if isinstance(spec, str):
        raise ConfigurationError(spec, reason="SpecInvalid")
    return spec
