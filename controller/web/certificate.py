"""Certificate of the endpoints, read again when its files change, so that a renewal needs no restart."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from controller.errors import ConfigurationError

log = structlog.get_logger(__name__)

CHECK_SECONDS = 10.0
"""Seconds between two looks at the files. kubelet takes up to a minute to write a renewed Secret, and who renews a
certificate leaves days."""
_LARGEST_FILE = 256 * 1024
"""Bytes; a long chain has 20 KiB."""

_Fingerprint = tuple[tuple[int, int, int], ...]


class ServerCertificate:
    """Certificate and key in two PEM files."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Load them.

        Raises:
            ConfigurationError: they cannot be used; says which file and why.
        """
        self._files = (certificate, key)
        self._seen = _fingerprint(self._files)
        self._context = _load(*self._files)

    def context(self) -> ssl.SSLContext:
        """Return what to serve the next connection with."""
        return self._context

    @asynccontextmanager
    async def reloading(self) -> AsyncIterator[None]:
        """Look for renewed files for the time of a `with`."""

        async def look() -> None:
            while True:
                await asyncio.sleep(CHECK_SECONDS)
                await asyncio.to_thread(self.reload)

        task = asyncio.create_task(look(), name="certificate of the endpoints")
        try:
            yield
        finally:
            task.cancel()

    def reload(self) -> None:
        """Take up renewed files; keep the old certificate, and say so once, where the new one cannot be used."""
        seen = _fingerprint(self._files)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._context = _load(*self._files)
        except ConfigurationError as error:
            log.warning("the renewed certificate of the endpoints cannot be used; the old one stays", error=str(error))
        else:
            log.info("the certificate of the endpoints was renewed")


def _fingerprint(files: tuple[Path, ...]) -> _Fingerprint:
    """Return what changes when a file is edited, replaced or removed."""
    found = []
    for file in files:
        try:
            stat = file.stat()
        except OSError:
            found.append((0, 0, 0))
        else:
            found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
    return tuple(found)


def _load(certificate: Path, key: Path) -> ssl.SSLContext:
    for file in (certificate, key):
        _refuse_unreadable(file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except (ssl.SSLError, OSError, ValueError) as error:
        why = str(error) if isinstance(error, _PassphraseNeeded) else "not a PEM certificate and its unencrypted key"
        raise ConfigurationError(f"{certificate}, {key}: {why}. See --tls-certificate and --tls-key.") from None
    return context


class _PassphraseNeeded(ValueError):
    """The key is encrypted."""


def _no_passphrase() -> str:
    """Refuse an encrypted key, for which OpenSSL would ask on the terminal."""
    raise _PassphraseNeeded("the key is encrypted, and nobody can be asked for its passphrase")


def _refuse_unreadable(file: Path) -> None:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
        try:
            size = os.fstat(descriptor).st_size
            os.read(descriptor, 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read ({os.strerror(error.errno or 0)}).") from None
    if not 0 < size <= _LARGEST_FILE:
        raise ConfigurationError(f"{file}: {size} bytes; 1 to {_LARGEST_FILE} are allowed.")
