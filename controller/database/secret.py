"""Conversion of the contents of Secrets to a target. Pure; the operator reads the Secrets."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from controller.database import fields
from controller.database.pem import certificates
from controller.database.target import Pooler, SslMode, Target, is_encrypted_key
from controller.errors import ConfigurationError

SecretData: TypeAlias = Mapping[str, bytes]
T = TypeVar("T")

# The first spelling is ours; the others are those of CloudNativePG, Crunchy and servicebinding.io.
_HOST, _PORT, _PASSWORD = ("host",), ("port",), ("password",)
_DATABASE, _USER = ("dbname", "database"), ("user", "username")
_SSL_MODE = ("sslmode",)


MOST_BYTES = 4 * 1024
"""Limit for a value; a password or a token is far shorter."""
MOST_KEY_BYTES = 32 * 1024
"""Limit for a client key, and for a client certificate with its chain."""
MOST_CA_BYTES, MOST_CA_CERTIFICATES = 256 * 1024, 500
"""Limits for a bundle of authorities; a whole system's store is about as large. OpenSSL reads 1800 in three seconds."""
_LIMITS = {
    **dict.fromkeys((*_HOST, *_PORT, *_PASSWORD, *_DATABASE, *_USER, *_SSL_MODE), MOST_BYTES),
    **dict.fromkeys(("tls.crt", "tls.key"), MOST_KEY_BYTES),
    "ca.crt": MOST_CA_BYTES,
}
"""Every key that is read, with the limit of its value in bytes."""
_STRICTNESS = (SslMode.DISABLE, SslMode.REQUIRE, SslMode.VERIFY_CA, SslMode.VERIFY_FULL)


@dataclass(frozen=True, slots=True)
class NamedSecret:
    """A Secret and its name, for messages.

    Attributes:
        data: decoded values by key; None where the Secret does not exist.
    """

    name: str
    data: SecretData | None


def needed_values(encoded: Mapping[str, str], *, ca_key: str | None) -> SecretData:
    """Return the values that a target is made of, decoded; all others are left out, so that nobody keeps them.

    A value above its limit is cut to one byte more than that, which is enough to refuse it.

    Args:
        encoded: `data` of a Secret, in base64.
        ca_key: key of the certificate authority, if it has a name of its own.
    """
    limits = _LIMITS if ca_key is None else {ca_key: MOST_CA_BYTES, **_LIMITS}
    return {key: _decoded(encoded[key], most) for key, most in limits.items() if encoded.get(key)}


def _decoded(text: str, most: int) -> bytes:
    return base64.b64decode(text[: (most // 3 + 2) * 4])[: most + 1]


def target_from_secrets(
    secret: NamedSecret,
    *,
    ca: tuple[NamedSecret, str] | None,
    client_certificate: NamedSecret | None,
    ssl_mode: SslMode | None,
    pooler: Pooler,
    service_namespace: str | None,
    connect_timeout: float,
    query_timeout: float,
    plaintext_allowed: bool = False,
) -> Target:
    """Return the target that the Secrets of one resource describe.

    Args:
        ca: the Secret and the key that hold the certificate authority, if it has a Secret of its own.
        ssl_mode: the mode that the resource asks for, which may only be stricter than that of the Secret; None for that
            of the Secret, and without that verify-full.
        service_namespace: namespace in which a host without a dot is a Service; None outside a cluster.
        plaintext_allowed: `ssl_mode` may be disable where the Secret has no sslmode.

    Raises:
        ConfigurationError: SecretNotFound, SecretKeyMissing or SecretValueInvalid, naming Secret and key; or
            SslModeTooWeak.
    """
    certificate, key = None, None
    client = client_certificate or secret
    if client_certificate is not None or (_holds(secret, "tls.crt") and _holds(secret, "tls.key")):
        certificate, key = _text(client, ("tls.crt",), most=MOST_KEY_BYTES), _client_key(client)
    return Target(
        host=_service_host(_read(secret, _HOST, fields.host), service_namespace),
        port=_read(secret, _PORT, fields.port),
        database=_read(secret, _DATABASE, fields.name),
        user=_read(secret, _USER, fields.name),
        password=_found(secret, _PASSWORD, keep_line_end=True)[1],
        ssl_mode=_ssl_mode(secret, ssl_mode, plaintext_allowed=plaintext_allowed),
        password_in_plaintext=_says_disable(secret),
        ca_pem=_ca(*ca) if ca else _ca(secret, "ca.crt") if _holds(secret, "ca.crt") else None,
        client_certificate_pem=certificate,
        client_key_pem=key,
        pooler=pooler,
        connect_timeout=connect_timeout,
        query_timeout=query_timeout,
        application_name="dashdb operator",
    )


def _holds(secret: NamedSecret, key: str) -> bool:
    return bool(secret.data and secret.data.get(key))


def _text(secret: NamedSecret, keys: tuple[str, ...], *, most: int = MOST_BYTES) -> str:
    return _found(secret, keys, most=most)[1]


def _ca(secret: NamedSecret, key: str) -> str:
    pem = _text(secret, (key,), most=MOST_CA_BYTES)
    if len(certificates(pem)) > MOST_CA_CERTIFICATES:
        raise _invalid(secret, key, f"holds more than {MOST_CA_CERTIFICATES} certificates; give the one that signs")
    return pem


def _client_key(secret: NamedSecret) -> str:
    pem = _text(secret, ("tls.key",), most=MOST_KEY_BYTES)
    if is_encrypted_key(pem):
        raise _invalid(secret, "tls.key", "is an encrypted private key; give it without a passphrase")
    return pem


def _found(
    secret: NamedSecret, keys: tuple[str, ...], *, most: int = MOST_BYTES, keep_line_end: bool = False
) -> tuple[str, str]:
    """Return the first of `keys` that has a value, and its value as text of at most `most` bytes.

    Args:
        keep_line_end: the line end after a value, which editors add to files, may belong to it.
    """
    if secret.data is None:
        raise ConfigurationError(
            f'Secret "{secret.name}" does not exist in this namespace. Create it, or correct the name.',
            reason="SecretNotFound",
        )
    found = next((key for key in keys if secret.data.get(key)), None)
    if found is None:
        wanted = " or ".join(f'"{key}"' for key in keys)
        raise ConfigurationError(
            f'Secret "{secret.name}" has no key {wanted}, or nothing in it. Add it.', reason="SecretKeyMissing"
        )
    if len(secret.data[found]) > most:
        raise _invalid(secret, found, f"is larger than {most // 1024} KiB")
    try:
        text = secret.data[found].decode()
    except UnicodeDecodeError:
        raise _invalid(secret, found, "is not UTF-8 text") from None
    trimmed = text.rstrip("\r\n")
    if "\0" in text or not trimmed:  # a NUL would end the value inside the protocol
        raise _invalid(secret, found, "is empty or holds a NUL byte")
    return found, text if keep_line_end else trimmed


def _read(secret: NamedSecret, keys: tuple[str, ...], parse: Callable[[str], T]) -> T:
    """Return the parsed value of the first of `keys` that has one, without surrounding blanks."""
    key, text = _found(secret, keys)
    try:
        return parse(text.strip())
    except ValueError as error:
        raise _invalid(secret, key, f"is {error}") from None


def _says_disable(secret: NamedSecret) -> bool:
    return _holds(secret, *_SSL_MODE) and _read(secret, _SSL_MODE, fields.ssl_mode) is SslMode.DISABLE


def _ssl_mode(secret: NamedSecret, asked: SslMode | None, *, plaintext_allowed: bool) -> SslMode:
    """Return the mode of the Secret, or a stricter one that the resource asks for.

    Whoever writes the resource may not be allowed to read the Secret, and must not make the operator send its password
    in plain text.
    """
    written = _read(secret, _SSL_MODE, fields.ssl_mode) if _holds(secret, *_SSL_MODE) else None
    if asked is None:
        return written or SslMode.VERIFY_FULL
    weakest = written or (SslMode.DISABLE if plaintext_allowed else SslMode.REQUIRE)
    if _STRICTNESS.index(asked) < _STRICTNESS.index(weakest):
        says = f"says {written}" if written else "has no sslmode"
        raise ConfigurationError(
            f'spec.connection.sslMode is {asked}, and Secret "{secret.name}" {says}: a resource may only tighten it. '
            f"Set sslMode to {weakest} or stricter, or write the sslmode into the Secret.",
            reason="SslModeTooWeak",
        )
    return asked


def _service_host(host: str, service_namespace: str | None) -> str:
    """Return the host to connect to; one without a dot is a Service in the namespace of the resource."""
    if service_namespace is None or "." in host or ":" in host:
        return host
    return f"{host}.{service_namespace}.svc"


def _invalid(secret: NamedSecret, key: str, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f'Secret "{secret.name}": the value of key "{key}" {problem}.', reason="SecretValueInvalid"
    )
