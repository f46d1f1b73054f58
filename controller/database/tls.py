"""TLS contexts from texts in memory, each made once and outside of the event loop.

No file of the home folder and no PG* variable is used. Reading a large bundle of authorities takes OpenSSL a good part
of a second, so contexts are kept by their content, for all databases that share them.
"""

import asyncio
import hashlib
import os
import ssl
import tempfile
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from controller.database.pem import certificates, private_key
from controller.database.resolver import CheckedAddress
from controller.database.target import SslMode, Target
from controller.errors import ConfigurationError
from controller.runtime.fair_threads import FairThreads, Share

MOST_KEPT_BYTES = 8 * 1024 * 1024
"""Limit for the texts of the contexts that are kept; OpenSSL needs about four times as much memory for them."""
_SYSTEM_STORE_BYTES = 256 * 1024
"""Size that stands for the system's own store, which has no text."""

_kept: "OrderedDict[bytes, tuple[ssl.SSLContext, int]]" = OrderedDict()
"""Contexts with the bytes of their texts by digest, the one used last at the end; only `_builder`'s thread uses it."""
_builder = FairThreads("tls context", threads=1, shares=(Share(seconds=5.0, rate=0.05),), timer=time.thread_time)
"""One thread, so that databases with the same texts wait for one context instead of building several; a tenant with
many large bundles waits for itself."""


class _Context(ssl.SSLContext):
    """Context that asks for a certificate of the host that was looked up, though its address is dialled."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        if isinstance(server_hostname, CheckedAddress):
            server_hostname = server_hostname.name
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)


async def tls_context(target: Target) -> ssl.SSLContext | None:
    """Return the context that `target.ssl_mode` asks for; None for `disable`.

    Raises:
        ConfigurationError: the CA or the client certificate is no usable PEM.
    """
    if target.ssl_mode is SslMode.DISABLE:
        return None
    return await asyncio.wrap_future(_builder.submit((target.tenant,), partial(_known_or_new, target)))


def _known_or_new(target: Target) -> ssl.SSLContext:
    texts = (target.ssl_mode.value, target.ca_pem, target.client_certificate_pem, target.client_key_pem)
    digest = hashlib.sha256(repr(texts).encode()).digest()
    if digest in _kept:
        _kept.move_to_end(digest)
        return _kept[digest][0]
    context = _new(target)
    size = sum(len(text) for text in texts if text)
    if target.ca_pem is None and target.ssl_mode is not SslMode.REQUIRE:
        size += _SYSTEM_STORE_BYTES
    _kept[digest] = (context, size)
    while sum(each for _, each in _kept.values()) > MOST_KEPT_BYTES:
        _kept.popitem(last=False)
    return context


def _new(target: Target) -> ssl.SSLContext:
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = target.ssl_mode is SslMode.VERIFY_FULL
    if target.ssl_mode is SslMode.REQUIRE:
        context.verify_mode = ssl.CERT_NONE  # libpq's `require`: encrypted, without a check of the server
    elif target.ca_pem is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        _load_ca(context, target.ca_pem)
    if target.client_certificate_pem is not None and target.client_key_pem is not None:
        _load_client_certificate(context, target.client_certificate_pem, target.client_key_pem)
    return context


def _load_ca(context: ssl.SSLContext, pem: str) -> None:
    # From a file, since Python stops all its threads while it reads a text.
    with _as_file(_joined(certificates(pem))) as path:
        try:
            context.load_verify_locations(cafile=path)
        except (ssl.SSLError, ValueError):
            raise ConfigurationError(
                "The CA certificate is not a PEM certificate; give the text from "
                "-----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----.",
                reason="CACertificateInvalid",
            ) from None


def _load_client_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    with _as_file(_joined([*certificates(certificate), private_key(key) or ""])) as path:
        try:
            # Without a password, OpenSSL asks on the terminal for that of an encrypted key.
            context.load_cert_chain(path, password="")
        except ssl.SSLError:
            raise ConfigurationError(
                "The client certificate and its key are not a matching pair of PEM texts (tls.crt, tls.key), with a "
                "key of RSA, EC or EdDSA.",
                reason="ClientCertificateInvalid",
            ) from None


def _joined(texts: list[str]) -> bytes:
    return "\n".join([*texts, ""]).encode("ascii", errors="ignore")


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Yield the path of a file with `content`, since Python's ssl takes keys from files only.

    On Linux it exists in the memory of this process alone, and ends with it even if the process is killed. Elsewhere it
    is a private file without a longer life than the `with`.
    """
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("dashdb-tls"), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
        return
    with tempfile.NamedTemporaryFile(prefix="dashdb-tls-") as file:
        file.write(content)
        file.flush()
        yield file.name
