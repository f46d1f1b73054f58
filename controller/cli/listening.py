"""Start of the web server of `serve` and `operator`, in plain HTTP or with a certificate."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from controller.cli.common import Address
from controller.errors import ConfigurationError
from controller.web.certificate import ServerCertificate
from controller.web.server import Application, serving


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Address to listen at, and the certificate to show; None for plain HTTP."""

    address: Address
    certificate: ServerCertificate | None

    @classmethod
    def of(cls, address: Address, certificate: Path | None, key: Path | None) -> "Endpoint":
        """Return it from the options.

        Raises:
            ConfigurationError: one file without the other, or they cannot be used.
        """
        if certificate is None and key is None:
            return cls(address, None)
        if certificate is None or key is None:
            raise ConfigurationError("--tls-certificate and --tls-key belong together. Give both, or neither.")
        return cls(address, ServerCertificate(certificate, key))


@asynccontextmanager
async def listening(app: Application, endpoint: Endpoint) -> AsyncIterator[None]:
    """Serve APP for the time of a `with`."""
    host, port, certificate = endpoint.address.host, endpoint.address.port, endpoint.certificate
    async with AsyncExitStack() as stack:
        if certificate is not None:
            await stack.enter_async_context(certificate.reloading())
            await stack.enter_async_context(serving(app, host, port, certificate.context))
        else:
            await stack.enter_async_context(serving(app, host, port))
        yield
