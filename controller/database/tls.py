"""TLS contexts from bytes, so that no file in the home folder and no PG* variable is used by accident."""

import ssl
import tempfile
from pathlib import Path

from controller.database.resolver import CheckedAddress
from controller.database.target import SslMode, Target
from controller.errors import ConfigurationError


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


def tls_context(target: Target) -> ssl.SSLContext | None:
    """Return the context that `target.ssl_mode` asks for; None for `disable`.

    Raises:
        ConfigurationError: the CA or the client certificate is no usable PEM.
    """
    if target.ssl_mode is SslMode.DISABLE:
        return None
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
    try:
        # Bundles name their authorities in comments, in any alphabet; certificates themselves are ASCII.
        context.load_verify_locations(cadata=pem.encode("ascii", errors="ignore").decode())
    except (ssl.SSLError, ValueError):
        raise ConfigurationError(
            "The CA certificate is not a PEM certificate; give the text from "
            "-----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----.",
            reason="CACertificateInvalid",
        ) from None


def _load_client_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    # Python's ssl takes a client key from a file only; the folder is private and deleted at once.
    with tempfile.TemporaryDirectory(prefix="dashdb-tls-") as folder:
        path = Path(folder, "client.pem")
        path.touch(mode=0o600)
        path.write_text(f"{certificate}\n{key}\n", encoding="ascii", errors="replace")
        try:
            # Without a password, OpenSSL asks on the terminal for that of an encrypted key.
            context.load_cert_chain(path, password="")
        except ssl.SSLError:
            raise ConfigurationError(
                "The client certificate and its key are not a matching pair of PEM texts (tls.crt, tls.key).",
                reason="ClientCertificateInvalid",
            ) from None
