"""TLS contexts, and settings that are refused before a connection is tried."""

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.database import tls
from controller.database.target import SslMode, Target
from controller.database.tls import tls_context
from controller.errors import ConfigurationError
from tests.support.certificates import Certificates

ENCRYPTED_KEY = f"""
-----BEGIN RSA PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,{"0" * 32}

{"A" * 64}
-----END RSA PRIVATE KEY-----
"""


@pytest.fixture
def ca(certificates: Certificates) -> str:
    return certificates.ca.read_text()


@pytest.fixture
def certificate(certificates: Certificates) -> str:
    return certificates.certificate.read_text()


@pytest.fixture
def target(ca: str) -> Target:
    return Target(host="db", port=1, database="d", user="u", password="p", ssl_mode=SslMode.VERIFY_FULL, ca_pem=ca)


@pytest.mark.parametrize(
    ("mode", "verify", "hostname"),
    [
        (SslMode.REQUIRE, ssl.CERT_NONE, False),
        (SslMode.VERIFY_CA, ssl.CERT_REQUIRED, False),
        (SslMode.VERIFY_FULL, ssl.CERT_REQUIRED, True),
    ],
)
async def test_each_mode_checks_what_libpq_would(
    target: Target, mode: SslMode, verify: ssl.VerifyMode, hostname: bool
) -> None:
    context = await tls_context(replace(target, ssl_mode=mode))
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (verify, hostname)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


async def test_without_tls_there_is_no_context(target: Target) -> None:
    assert await tls_context(replace(target, ssl_mode=SslMode.DISABLE)) is None


async def test_only_the_given_authority_is_trusted(target: Target) -> None:
    context = await tls_context(target)
    assert context is not None
    assert len(context.get_ca_certs()) == 1


async def test_a_bundle_may_name_its_authorities_in_any_alphabet(target: Target, ca: str) -> None:
    context = await tls_context(replace(target, ca_pem=f"# Główny urząd 証明書\n{ca}\n# zweiter: Größe\n{ca}"))
    assert context is not None
    assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize(
    "text", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "é"]
)
async def test_an_authority_that_is_none_is_refused(target: Target, text: str) -> None:
    with pytest.raises(ConfigurationError, match="CA certificate is not a PEM certificate") as caught:
        await tls_context(replace(target, ca_pem=text))
    assert caught.value.reason == "CACertificateInvalid"


@pytest.mark.parametrize("key", ["nonsense", ENCRYPTED_KEY, "é", ""], ids=["no key", "an encrypted key", "é", "empty"])
async def test_a_client_key_that_cannot_be_used_is_refused_without_asking_anybody(
    target: Target, certificate: str, key: str
) -> None:
    with pytest.raises(ConfigurationError, match="not a matching pair of PEM texts") as caught:
        await tls_context(replace(target, client_certificate_pem=certificate, client_key_pem=key))
    assert caught.value.reason == "ClientCertificateInvalid"
    assert not key or key not in caught.value.message


async def test_a_certificate_and_the_key_of_another_are_no_pair(
    target: Target, certificates: Certificates, ca: str
) -> None:
    with pytest.raises(ConfigurationError, match="not a matching pair of PEM texts"):
        await tls_context(replace(target, client_certificate_pem=ca, client_key_pem=certificates.key.read_text()))


async def test_a_pair_is_taken(target: Target, certificates: Certificates, certificate: str) -> None:
    key = certificates.key.read_text()
    assert await tls_context(replace(target, client_certificate_pem=certificate, client_key_pem=key)) is not None


async def test_an_encrypted_key_beside_certificates_is_never_decrypted(
    target: Target, certificates: Certificates, certificate: str, ca: str
) -> None:
    """Its rounds, which another one chose, may be two billion; OpenSSL takes the first key of a file."""
    beside = replace(target, ca_pem=ENCRYPTED_KEY + ca, client_certificate_pem=ENCRYPTED_KEY + certificate)
    assert await tls_context(replace(beside, client_key_pem=certificates.key.read_text())) is not None


async def test_databases_with_the_same_texts_share_one_context(target: Target, certificates: Certificates) -> None:
    first, again = await asyncio.gather(tls_context(target), tls_context(replace(target, host="other", password="p2")))
    assert first is again
    assert await tls_context(replace(target, ssl_mode=SslMode.VERIFY_CA)) is not first


async def test_contexts_are_kept_within_a_limit_of_bytes(target: Target, ca: str) -> None:
    first = await tls_context(target)
    for number in range(1 + tls.MOST_KEPT_BYTES // 1_000_000):
        await tls_context(replace(target, ca_pem=f"# {number}{'x' * 1_000_000}\n{ca}"))
    assert sum(size for _, size in tls._kept.values()) <= tls.MOST_KEPT_BYTES
    assert await tls_context(target) is not first


async def test_a_client_key_is_never_on_a_disk(
    target: Target, certificates: Certificates, certificate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[str] = []
    load = ssl.SSLContext.load_cert_chain

    def noted(context: ssl.SSLContext, path: str, *args: Any, **options: Any) -> None:
        places.append(str(Path(path).readlink()))
        load(context, path, *args, **options)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", noted)
    key = certificates.key.read_text()
    await tls_context(replace(target, client_certificate_pem=certificate, client_key_pem=key + " "))
    assert [place.partition(" ")[0] for place in places] == ["/memfd:dashdb-tls"]
