"""OpenSSL is given certificates and a key of a usual kind, and nothing else that a text holds."""

import base64
import time

import pytest

from controller.database.pem import certificates, private_key

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
OLD = "-----BEGIN X509 CERTIFICATE-----\nMIIB\n-----END X509 CERTIFICATE-----"
ENCRYPTED = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIF\n-----END ENCRYPTED PRIVATE KEY-----"
RSA, DSA = bytes.fromhex("2a864886f70d010101"), bytes.fromhex("2a8648ce380401")


def pkcs8(algorithm: bytes, rest: bytes = b"") -> str:
    inside = b"\x06" + bytes([len(algorithm)]) + algorithm + rest
    content = b"\x02\x01\x00\x30" + bytes([len(inside)]) + inside
    body = base64.b64encode(b"\x30" + bytes([len(content)]) + content).decode()
    return f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"


def test_of_a_bundle_only_the_certificates_are_taken() -> None:
    assert certificates(f"{ENCRYPTED}\n# ours\n{CERTIFICATE}\n{pkcs8(DSA)}\n{OLD}\n") == [CERTIFICATE, OLD]
    assert certificates("-----BEGIN CERTIFICATE-----\nMIIB\n-----END X509 CERTIFICATE-----") == []


@pytest.mark.parametrize(
    "key",
    [
        pkcs8(RSA),
        pkcs8(bytes.fromhex("2a8648ce3d0201")),
        pkcs8(bytes.fromhex("2b6570")),
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----",
    ],
)
def test_a_key_of_a_usual_kind_is_taken_without_what_stands_beside_it(key: str) -> None:
    parameters = "-----BEGIN EC PARAMETERS-----\nBggq\n-----END EC PARAMETERS-----"
    assert private_key(f"{ENCRYPTED}\n{parameters}\n{key}\n{pkcs8(RSA)}") == key


@pytest.mark.parametrize(
    "key",
    [
        ENCRYPTED,
        pkcs8(DSA),
        pkcs8(DSA, RSA),
        pkcs8(DSA, b"\x06\x09" + RSA),
        "-----BEGIN DSA PRIVATE KEY-----\nMIIB\n-----END DSA PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type:4, ENCRYPTED\n\nMIIB\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\né\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nA\n-----END PRIVATE KEY-----",
        "",
    ],
)
def test_a_key_that_keeps_openssl_busy_or_is_none_is_not(key: str) -> None:
    assert private_key(key) is None


def test_a_text_without_an_end_takes_no_longer_than_its_length() -> None:
    began = time.process_time()
    assert certificates("-----BEGIN CERTIFICATE-----\n" * 10_000) == []
    assert private_key("-----BEGIN PRIVATE KEY-----\n" * 10_000) is None
    assert time.process_time() - began < 5  # seconds of CPU; it takes some milliseconds
