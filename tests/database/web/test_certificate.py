"""Certificate of the endpoints: served, renewed, and kept where the renewal is broken."""

import asyncio
import os
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from controller.errors import ConfigurationError
from controller.health.store import ReportStore
from controller.web import certificate as module
from controller.web.certificate import ServerCertificate
from controller.web.connections import CONNECTIONS
from controller.web.server import application, serving
from tests.support.certificates import Certificates, issue_certificates


@pytest.fixture
def mounted(certificates: Certificates, tmp_path: Path) -> Certificates:
    """The certificate as a Pod sees it, in files that a test may replace."""
    folder = tmp_path / "mounted"
    shutil.copytree(certificates.ca.parent, folder)
    return Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")


@asynccontextmanager
async def served(certificate: ServerCertificate) -> AsyncIterator[int]:
    app = application(ReportStore(), lambda: None, version="0.1.0")
    async with serving(app, "127.0.0.1", 0, certificate.context) as port:
        yield port


async def status(port: int, authority: Path) -> int:
    trusted = ssl.create_default_context(cafile=str(authority))
    async with aiohttp.ClientSession() as client, client.get(f"https://127.0.0.1:{port}/live", ssl=trusted) as answer:
        return answer.status


def renew(mounted: Certificates, tmp_path: Path, *, key: bool = True) -> Certificates:
    """Put a certificate of another authority in the place of the mounted one; with KEY, its key as well."""
    other = issue_certificates(tmp_path / "renewed")
    for source, target in ((other.certificate, mounted.certificate), (other.key, mounted.key if key else None)):
        if target is not None:
            shutil.copy(source, target.with_suffix(".new"))
            target.with_suffix(".new").replace(target)
    return other


async def test_a_renewed_certificate_is_served_without_a_restart(
    mounted: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.05)
    certificate = ServerCertificate(mounted.certificate, mounted.key)
    async with certificate.reloading(), served(certificate) as port:
        assert await status(port, mounted.ca) == 200
        before = certificate.context()
        other = renew(mounted, tmp_path)
        async with asyncio.timeout(10):
            while certificate.context() is before:  # noqa: ASYNC110 - what it waits for tells nobody
                await asyncio.sleep(0.01)
            while True:  # the first of the two files may have been seen without the second
                try:
                    assert await status(port, other.ca) == 200
                    break
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await status(port, mounted.ca)


@pytest.mark.parametrize("broken", ["without its key", "nonsense", "removed"])
async def test_a_broken_renewal_keeps_the_old_one_and_is_said_once(
    mounted: Certificates, tmp_path: Path, broken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate = ServerCertificate(mounted.certificate, mounted.key)
    if broken == "without its key":
        renew(mounted, tmp_path, key=False)
    elif broken == "nonsense":
        mounted.certificate.write_text("nonsense")
    else:
        mounted.certificate.unlink()
    for _ in range(5):
        certificate.reload()
    async with served(certificate) as port:
        assert await status(port, mounted.ca) == 200
    said = capsys.readouterr()
    assert (said.out + said.err).count("the old one stays") == 1


async def test_who_speaks_no_tls_is_closed_and_not_logged(
    mounted: Certificates, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate = ServerCertificate(mounted.certificate, mounted.key)
    async with served(certificate) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n")
        async with asyncio.timeout(10):
            await reader.read()
        writer.close()
        assert await status(port, mounted.ca) == 200
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    assert (said.out + said.err).count("\n") <= 1


async def test_a_handshake_that_never_comes_ends(mounted: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.web.connections.HEADER_SECONDS", 0.2)
    certificate = ServerCertificate(mounted.certificate, mounted.key)
    async with served(certificate) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()


async def test_clients_that_never_shake_hands_keep_nobody_out_and_leave_no_descriptor(mounted: Certificates) -> None:
    certificate = ServerCertificate(mounted.certificate, mounted.key)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    async with served(certificate) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3 * CONNECTIONS)]
        assert await status(port, mounted.ca) == 200
        ours = len(os.listdir("/proc/self/fd")) - before - len(silent)  # noqa: PTH208
        assert ours < CONNECTIONS + 10
        for _, writer in silent:
            writer.close()
    async with asyncio.timeout(10):
        while len(os.listdir("/proc/self/fd")) > before:  # noqa: ASYNC110, PTH208 - what it waits for tells nobody
            await asyncio.sleep(0.01)


def test_a_file_that_is_none_is_refused_by_name(mounted: Certificates, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "large").write_bytes(bytes(300_000))
    (tmp_path / "text").write_text("nonsense")
    for other in ("fifo", "large", "text", "absent"):
        for files in ((tmp_path / other, mounted.key), (mounted.certificate, tmp_path / other)):
            with pytest.raises(ConfigurationError, match=other):
                ServerCertificate(*files)
    with pytest.raises(ConfigurationError, match="/dev/zero"):
        ServerCertificate(Path("/dev/zero"), mounted.key)


def test_an_encrypted_key_is_refused_and_nobody_is_asked(mounted: Certificates) -> None:
    mounted.key.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n")
    with pytest.raises(ConfigurationError, match=r"server\.key"):
        ServerCertificate(mounted.certificate, mounted.key)
