"""Targets from the Secrets that the usual PostgreSQL operators write."""

import base64
from typing import Any

import pytest

from controller.database.secret import (
    MOST_BYTES,
    MOST_CA_BYTES,
    MOST_KEY_BYTES,
    NamedSecret,
    needed_values,
    target_from_secrets,
)
from controller.database.target import Pooler, SslMode, Target
from controller.errors import ConfigurationError

PASSWORD = b"h0rse battery"
OURS = {"host": b"db.example", "port": b"5432", "dbname": b"perses", "user": b"ann", "password": PASSWORD}
CLOUD_NATIVE_PG = {
    "dbname": b"perses", "host": b"perses-rw", "jdbc-uri": b"jdbc:...", "password": PASSWORD, "pgpass": b"...",
    "port": b"5432", "uri": b"postgresql://...", "user": b"ann", "username": b"ann",
}  # fmt: skip
CRUNCHY = {
    "dbname": b"perses", "host": b"hippo-primary.postgres.svc", "password": PASSWORD, "port": b"5432",
    "uri": b"postgresql://...", "user": b"ann", "verifier": b"SCRAM-SHA-256$...", "jdbc-uri": b"jdbc:...",
}  # fmt: skip
SERVICE_BINDING = {
    "type": b"postgresql", "provider": b"aws", "host": b"db.example", "port": b"5432\n", "database": b"perses\n",
    "username": b"ann\n", "password": PASSWORD + b"\r\n",
}  # fmt: skip


def target(data: dict[str, bytes] | None, **options: Any) -> Target:
    usual: dict[str, Any] = {
        "ca": None, "client_certificate": None, "ssl_mode": None, "pooler": Pooler.NONE, "service_namespace": "team-a",
        "connect_timeout": 10.0, "query_timeout": 30.0,
    }  # fmt: skip
    return target_from_secrets(NamedSecret("perses-db", data), **usual | options)


def refusal(data: dict[str, bytes] | None, reason: str, **options: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        target(data, **options)
    assert caught.value.reason == reason
    assert "h0rse" not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize(
    ("data", "host"),
    [
        (OURS, "db.example"),
        (CLOUD_NATIVE_PG, "perses-rw.team-a.svc"),
        (CRUNCHY, "hippo-primary.postgres.svc"),
        (SERVICE_BINDING, "db.example"),
    ],
    ids=["ours", "CloudNativePG", "Crunchy", "servicebinding.io"],
)
def test_the_secrets_of_the_usual_operators_work_unchanged(data: dict[str, bytes], host: str) -> None:
    assert target(data) == Target(
        host=host, port=5432, database="perses", user="ann", password=data["password"].decode(),
        ssl_mode=SslMode.VERIFY_FULL, application_name="dashdb operator",
    )  # fmt: skip


def test_only_of_a_password_the_line_end_may_be_a_part() -> None:
    assert target({**OURS, "password": b"h0rse\n", "host": b"db.example\n"}).password == "h0rse\n"
    assert target({**OURS, "host": b"db.example\n"}).host == "db.example"


def test_a_host_without_a_dot_is_left_alone_outside_of_a_cluster() -> None:
    assert target(CLOUD_NATIVE_PG, service_namespace=None).host == "perses-rw"
    assert target({**OURS, "host": b"::1"}).host == "::1"


@pytest.mark.parametrize(
    ("asked", "written", "expected"),
    [
        (None, None, SslMode.VERIFY_FULL),
        (None, b"require\n", SslMode.REQUIRE),
        (SslMode.VERIFY_CA, b"disable", SslMode.VERIFY_CA),
        (SslMode.DISABLE, b"disable", SslMode.DISABLE),
        (SslMode.REQUIRE, None, SslMode.REQUIRE),
        (SslMode.VERIFY_FULL, b"require", SslMode.VERIFY_FULL),
    ],
)
def test_the_secret_says_how_it_is_protected_and_the_resource_may_tighten_it(
    asked: SslMode | None, written: bytes | None, expected: SslMode
) -> None:
    data = OURS if written is None else {**OURS, "sslmode": written}
    assert target(data, ssl_mode=asked).ssl_mode is expected


@pytest.mark.parametrize(
    ("asked", "written", "told"),
    [
        (SslMode.DISABLE, b"verify-full", 'is disable, and Secret "perses-db" says verify-full'),
        (SslMode.DISABLE, b"require", 'is disable, and Secret "perses-db" says require'),
        (SslMode.REQUIRE, b"verify-ca", 'is require, and Secret "perses-db" says verify-ca'),
        (SslMode.DISABLE, None, 'is disable, and Secret "perses-db" has no sslmode'),
    ],
)
def test_the_resource_may_not_weaken_what_the_secret_says(asked: SslMode, written: bytes | None, told: str) -> None:
    data = OURS if written is None else {**OURS, "sslmode": written}
    assert told in refusal(data, "SslModeTooWeak", ssl_mode=asked)


def test_a_secret_whose_sslmode_makes_no_sense_is_refused_whatever_the_resource_asks_for() -> None:
    assert "is none of" in refusal({**OURS, "sslmode": b"nonsense"}, "SecretValueInvalid", ssl_mode=SslMode.DISABLE)


@pytest.mark.parametrize(
    "key",
    [
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIF\n-----END ENCRYPTED PRIVATE KEY-----",
        b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMIIF",
    ],
    ids=["PKCS #8", "OpenSSL's form"],
)
@pytest.mark.parametrize("own_secret", [False, True])
def test_an_encrypted_client_key_is_refused_by_name(key: bytes, own_secret: bool) -> None:
    pair = {"tls.crt": b"CERT", "tls.key": key}
    if own_secret:
        message = refusal(OURS, "SecretValueInvalid", client_certificate=NamedSecret("client", pair))
    else:
        message = refusal({**OURS, **pair}, "SecretValueInvalid")
    named = "client" if own_secret else "perses-db"
    assert message == (
        f'Secret "{named}": the value of key "tls.key" is an encrypted private key; give it without a passphrase.'
    )


@pytest.mark.parametrize(
    ("key", "bytes_", "told"),
    [
        ("password", 4 * 1024 + 1, "is larger than 4 KiB"),
        ("host", 1_000_000, "is larger than 4 KiB"),
        ("sslmode", 1_000_000, "is larger than 4 KiB"),
        ("tls.key", 32 * 1024 + 1, "is larger than 32 KiB"),
        ("tls.crt", 32 * 1024 + 1, "is larger than 32 KiB"),
        ("ca.crt", 256 * 1024 + 1, "is larger than 256 KiB"),
    ],
)
def test_a_value_that_is_too_large_is_refused_by_name(key: str, bytes_: int, told: str) -> None:
    pair = {"tls.crt": b"CERT", "tls.key": b"KEY"} if key.startswith("tls.") else {}
    message = refusal({**OURS, **pair, key: b"x" * bytes_}, "SecretValueInvalid")
    assert message == f'Secret "perses-db": the value of key "{key}" {told}.'


def test_a_bundle_of_too_many_certificates_is_refused_by_name() -> None:
    bundle = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n" * 501
    assert "holds more than 500 certificates" in refusal({**OURS, "ca.crt": bundle}, "SecretValueInvalid")
    other = (NamedSecret("the-ca", {"root.pem": bundle}), "root.pem")
    assert 'Secret "the-ca"' in refusal(OURS, "SecretValueInvalid", ca=other)


def test_certificates_come_from_the_secret_or_from_secrets_of_their_own() -> None:
    inside = target({**OURS, "ca.crt": b"CA", "tls.crt": b"CERT", "tls.key": b"KEY"})
    assert (inside.ca_pem, inside.client_certificate_pem, inside.client_key_pem) == ("CA", "CERT", "KEY")
    beside = target(
        {**OURS, "ca.crt": b"CA", "tls.crt": b"CERT", "tls.key": b"KEY"},
        ca=(NamedSecret("ca", {"root.pem": b"OTHER CA\n"}), "root.pem"),
        client_certificate=NamedSecret("client", {"tls.crt": b"OTHER CERT", "tls.key": b"OTHER KEY"}),
    )
    assert (beside.ca_pem, beside.client_certificate_pem, beside.client_key_pem) == (
        "OTHER CA",
        "OTHER CERT",
        "OTHER KEY",
    )
    assert target({**OURS, "tls.crt": b"CERT"}).client_certificate_pem is None


@pytest.mark.parametrize("name", ["perses", "Ünïcode 😀", "with space", "{user!r}%s", "postgres.project-1", 'quo"te'])
def test_a_name_that_postgresql_takes_is_taken(name: str) -> None:
    taken = target({**OURS, "dbname": name.encode(), "user": name.encode()})
    assert (taken.database, taken.user) == (name, name)


def test_nothing_secret_is_shown() -> None:
    shown = repr(target({**OURS, "tls.crt": b"CERT", "tls.key": b"KEY"}))
    assert "h0rse" not in shown
    assert "KEY" not in shown


def test_a_secret_that_does_not_exist_is_named() -> None:
    assert 'Secret "perses-db" does not exist' in refusal(None, "SecretNotFound")
    absent = NamedSecret("the-ca", None)
    assert 'Secret "the-ca" does not exist' in refusal(OURS, "SecretNotFound", ca=(absent, "ca.crt"))
    assert 'Secret "the-ca" does not exist' in refusal(OURS, "SecretNotFound", client_certificate=absent)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (["host"], '"host"'),
        (["port"], '"port"'),
        (["dbname"], '"dbname" or "database"'),
        (["user"], '"user" or "username"'),
        (["password"], '"password"'),
    ],
)
@pytest.mark.parametrize("empty", [False, True])
def test_a_key_that_is_missing_or_empty_is_named(keys: list[str], told: str, empty: bool) -> None:
    data = {key: value for key, value in OURS.items() if key not in keys} | (dict.fromkeys(keys, b"") if empty else {})
    assert refusal(data, "SecretKeyMissing") == f'Secret "perses-db" has no key {told}, or nothing in it. Add it.'


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("port", b"0", "is not a whole number from 1 to 65535"),
        ("port", b"65536", "is not a whole number"),
        ("port", b"tcp", "is not a whole number"),
        ("port", "\u0665".encode(), "is not a whole number"),
        ("port", b"5" * 4000, "is not a whole number"),
        ("host", b"postgresql://ann:h0rse@db.example/perses", "give the host alone"),
        ("host", b"db1.example,db2.example", "give the host alone"),
        ("host", b"/var/run/postgresql", "give the host alone"),
        ("host", b"db.example\nforged", "give the host alone"),
        ("host", b"d" * 4000, "give the host alone"),
        ("dbname", b"postgresql://ann:h0rse@db.example/perses", "is a URL; give the name alone"),
        ("database", b"postgresql://ann:h0rse@db.example/perses", "is a URL; give the name alone"),
        ("user", b"postgresql://ann:h0rse@db.example/perses", "is a URL; give the name alone"),
        ("user", b"ann\x1b[31m", "holds one that cannot be printed"),
        ("dbname", b"perses\nforged", "holds one that cannot be printed"),
        ("dbname", b"p" * 4000, "is longer than 255 characters"),
        ("sslmode", b"prefer", "is none of disable, require, verify-ca, verify-full"),
        ("user", b"\xff\xfe", "is not UTF-8 text"),
        ("username", b"\xff\xfe", "is not UTF-8 text"),
        ("database", b"per\0ses", "is empty or holds a NUL byte"),
        ("password", b"\n", "is empty or holds a NUL byte"),
        ("password", b"h0rse\0", "is empty or holds a NUL byte"),
    ],
)
def test_a_value_that_cannot_be_used_is_told_with_secret_and_key(key: str, value: bytes, told: str) -> None:
    other = {"username": "user", "database": "dbname"}.get(key)
    data = {name: text for name, text in OURS.items() if name != other} | {key: value}
    message = refusal(data, "SecretValueInvalid")
    assert message.startswith(f'Secret "perses-db": the value of key "{key}" ')
    assert told in message


def encoded(data: dict[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in data.items()}


@pytest.mark.parametrize("data", [OURS, CLOUD_NATIVE_PG, CRUNCHY, SERVICE_BINDING])
def test_what_is_kept_of_a_secret_makes_the_same_target_and_nothing_else_is_kept(data: dict[str, bytes]) -> None:
    kept = needed_values(encoded(data), ca_key=None)
    assert target(dict(kept)) == target(data)
    assert not {"uri", "jdbc-uri", "pgpass", "verifier", "provider"} & kept.keys()


def test_a_key_with_a_name_of_its_own_is_kept_for_the_authority() -> None:
    assert needed_values(encoded({"root.pem": b"x", "other": b"y"}), ca_key="root.pem") == {"root.pem": b"x"}


@pytest.mark.parametrize(
    ("key", "most"), [("password", MOST_BYTES), ("tls.key", MOST_KEY_BYTES), ("ca.crt", MOST_CA_BYTES)]
)
def test_of_a_value_that_is_too_large_no_more_is_kept_than_it_takes_to_refuse_it(key: str, most: int) -> None:
    for size in (most - 1, most, most + 1, most + 2, most + 3, 1_000_000):
        kept = needed_values(encoded({key: b"x" * size}), ca_key=None)
        assert len(kept[key]) == min(size, most + 1)


def test_plain_text_needs_the_word_of_the_secret_or_of_whoever_runs_the_operator() -> None:
    assert "has no sslmode" in refusal(OURS, "SslModeTooWeak", ssl_mode=SslMode.DISABLE)
    allowed = target(OURS, ssl_mode=SslMode.DISABLE, plaintext_allowed=True)
    assert (allowed.ssl_mode, allowed.password_in_plaintext) == (SslMode.DISABLE, False)
    strict = OURS | {"sslmode": b"require"}
    assert "says require" in refusal(strict, "SslModeTooWeak", ssl_mode=SslMode.DISABLE, plaintext_allowed=True)


def test_only_a_secret_lets_the_password_itself_go_out_in_plain_text() -> None:
    assert target(OURS | {"sslmode": b"disable"}).password_in_plaintext
    assert not target(OURS).password_in_plaintext
    assert not target(OURS | {"sslmode": b"require"}).password_in_plaintext
