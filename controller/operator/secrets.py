"""The Secrets of one resource, read by name.

They are never watched: a watch needs the right to read every Secret of its scope, since RBAC cannot grant their
metadata alone. Instead, while a Secret is missing or wrong, it is read again from time to time.
"""

from dataclasses import dataclass, field

import structlog

from controller.database.secret import SecretData
from controller.operator.client import ApiUnavailable, Client

log = structlog.get_logger(__name__)

_Found = tuple[str, SecretData] | None
"""Resource version and data of a Secret; None if there is no such Secret."""


@dataclass(slots=True)
class SecretsOfNamespace:
    """Reader of Secrets that remembers what the last reconcile saw of them."""

    client: Client
    namespace: str
    _ca_key: str | None = None
    _seen: dict[str, _Found] = field(default_factory=dict)

    async def read(self, name: str) -> SecretData | None:
        """Return the Secret as it is; while the API server is away as it was, so that databases stay watched."""
        try:
            self._seen[name] = await self._read(name)
        except ApiUnavailable as error:
            if name not in self._seen:
                raise
            log.warning("a Secret was not read anew", secret=name, error=error.message)
        found = self._seen[name]
        return found[1] if found else None

    async def changed(self) -> bool:
        """Return True where a Secret that the last reconcile looked for is another one now."""
        for name, seen in self._seen.items():
            found = await self._read(name)
            if (found and found[0]) != (seen and seen[0]):
                return True
        return False

    def keep(self, names: set[str], ca_key: str | None) -> None:
        """Forget the Secrets that the resource no longer names.

        Args:
            ca_key: key of the certificate authority, if the resource names one.
        """
        self._ca_key = ca_key
        for name in set(self._seen) - names:
            del self._seen[name]

    async def _read(self, name: str) -> _Found:
        return await self.client.read_secret(self.namespace, name, ca_key=self._ca_key)
