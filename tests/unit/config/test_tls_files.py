"""Files that a URL names: read as they are now, or refused with the option and the path."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from controller.config import tls_files
from controller.config.database_url import TlsFiles
from controller.config.tls_files import with_tls_files
from controller.database.target import SslMode, Target
from controller.errors import ConfigurationError

TARGET = Target(host="db", port=1, database="d", user="u", password="p", ssl_mode=SslMode.VERIFY_FULL)
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nBBBB\n-----END PRIVATE KEY-----\n"


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    for name, text in {"ca": f"# Głowny urząd\n{CERTIFICATE}", "crt": CERTIFICATE, "key": KEY}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return TlsFiles(str(tmp_path / "ca"), str(tmp_path / "crt"), str(tmp_path / "key"))


def refusal(files: TlsFiles) -> str:
    with pytest.raises(ConfigurationError) as caught:
        with_tls_files(TARGET, files)
    assert len(caught.value.message.splitlines()) == 1
    return caught.value.message


def test_each_file_is_read_to_where_the_target_wants_it(files: TlsFiles) -> None:
    target = with_tls_files(TARGET, files)
    assert (target.ca_pem or "").endswith(CERTIFICATE)
    assert (target.client_certificate_pem, target.client_key_pem) == (CERTIFICATE, KEY)


def test_without_files_a_target_stays_what_it_was() -> None:
    assert with_tls_files(replace(TARGET, ca_pem=CERTIFICATE), TlsFiles()) == replace(TARGET, ca_pem=CERTIFICATE)


@pytest.mark.parametrize("label", ["RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY"])
def test_any_kind_of_key_is_taken(files: TlsFiles, label: str) -> None:
    Path(files.sslkey or "").write_text(KEY.replace("PRIVATE KEY", label))
    assert label in (with_tls_files(TARGET, files).client_key_pem or "")


def test_an_encrypted_key_is_refused_by_name(files: TlsFiles) -> None:
    Path(files.sslkey or "").write_text(KEY.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"))
    with pytest.raises(ConfigurationError, match="sslkey of the database URL names, is an encrypted private key"):
        with_tls_files(TARGET, files)


@pytest.mark.parametrize("option", ["sslrootcert", "sslcert", "sslkey"])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "does not exist"),
        (b"", "in PEM, which begins with -----BEGIN"),
        (b"\x30\x82\x03\x0a\xff", "in PEM, which begins with -----BEGIN"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----", "in PEM, which begins with"),
        (b"#" * 1001, "is larger than 1000 bytes"),
    ],
    ids=["missing", "empty", "binary", "another kind", "large"],
)
def test_a_file_that_cannot_be_used_is_told_with_option_and_path(
    files: TlsFiles, option: str, content: bytes | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_files, "_LARGEST_FILE", 1000)
    path = Path(getattr(files, option))
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    message = refusal(files)
    assert message.startswith(f"The file {str(path)!r}, which {option} of the database URL names, ")
    assert told in message


def test_certificate_and_key_in_each_others_place_are_told(files: TlsFiles) -> None:
    assert "holds no certificate in PEM" in refusal(replace(files, sslcert=files.sslkey))
    assert "holds no private key in PEM" in refusal(replace(files, sslkey=files.sslcert))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (PermissionError(), "may not be read by this user"),
        (OSError(5, "Input/output error"), "cannot be read: Input/output error"),
    ],
)
def test_what_the_system_refuses_is_told(
    files: TlsFiles, error: OSError, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(os, "open", refuse)
    assert told in refusal(files)


def test_a_folder_is_no_file(files: TlsFiles, tmp_path: Path) -> None:
    assert "is a folder" in refusal(replace(files, sslrootcert=str(tmp_path)))


def test_a_pipe_that_nobody_writes_to_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ca.pem")
    assert "holds no certificate in PEM" in refusal(TlsFiles(sslrootcert=str(tmp_path / "ca.pem")))
