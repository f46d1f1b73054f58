"""A URL that names certificates, against a real server with TLS."""

from pathlib import Path
from urllib.parse import quote

import pytest

from tests.database.programs import dashdb_here
from tests.support.certificates import Certificates
from tests.support.postgres import PostgresServer


@pytest.fixture
def url(tls_postgres: PostgresServer) -> str:
    return tls_postgres.create_database().dsn.partition("?")[0]


@pytest.fixture
def authority(tls_postgres: PostgresServer, tmp_path: Path) -> Path:
    path = tmp_path / "the authority.pem"
    path.write_text(tls_postgres.ca_pem)
    return path


@pytest.mark.parametrize("mode", ["sslmode=verify-full&", "sslmode=require&", ""])
def test_a_server_of_the_named_authority_is_trusted(
    url: str, authority: Path, certificates: Certificates, mode: str
) -> None:
    """The client's certificate is not asked for by this server; it is read and offered all the same."""
    pair = f"&sslcert={quote(str(certificates.certificate))}&sslkey={quote(str(certificates.key))}"
    done = dashdb_here({"DATABASE_URL": f"{url}?{mode}sslrootcert={quote(str(authority))}{pair}"}, "migrate", "version")
    assert (done.exit_code, done.stderr) == (0, "")


@pytest.mark.parametrize("mode", ["sslmode=verify-full&", "sslmode=require&", ""])
def test_a_server_of_another_authority_is_not(url: str, certificates: Certificates, mode: str) -> None:
    done = dashdb_here({"DATABASE_URL": f"{url}?{mode}sslrootcert={certificates.ca}"}, "migrate", "version")
    assert done.exit_code == 7
    assert done.stderr.startswith("CertificateNotTrusted: ")


def test_the_systems_own_store_does_not_know_the_authority(url: str) -> None:
    done = dashdb_here({"DATABASE_URL": f"{url}?sslrootcert=system"}, "migrate", "version")
    assert done.exit_code == 7
    assert done.stderr.startswith("CertificateNotTrusted: ")


def test_a_file_that_is_missing_is_exit_2_with_its_option_and_path(url: str, tmp_path: Path) -> None:
    done = dashdb_here({"DATABASE_URL": f"{url}?sslrootcert={tmp_path / 'absent.pem'}"}, "migrate", "up")
    assert done.exit_code == 2
    assert done.stderr == (
        f"ConfigurationInvalid: The file '{tmp_path / 'absent.pem'}', which sslrootcert of the database URL names, "
        "does not exist.\n"
    )
