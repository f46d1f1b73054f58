"""A URL: what it means, and what each error says without repeating the password."""

import pytest

from controller.config.database_url import OPTIONS, DatabaseUrl, TlsFiles, parse_database_url
from controller.database.target import SslMode
from controller.errors import ConfigurationError

SECRET = "h0rse:b@ttery/st%ple"
URL = "postgresql://ann:h0rse%3Ab%40ttery%2Fst%25ple@db.example/perses"


def refusal(url: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_database_url(url)
    message = caught.value.message
    assert message.startswith("The database URL cannot be used: ")
    assert "\n" not in message
    for part in ("h0rse", "ttery"):
        assert part not in message
    return message


def test_what_a_url_means() -> None:
    assert parse_database_url(URL) == DatabaseUrl(
        host="db.example", port=5432, database="perses", user="ann", password=SECRET, ssl_mode=SslMode.REQUIRE,
        tls_files=TlsFiles(), connect_timeout=None, application_name="dashdb",
    )  # fmt: skip


def test_its_options_are_read() -> None:
    found = parse_database_url(
        URL + "?sslmode=verify-full&connect_timeout=3&application_name=my%20own&sslrootcert=/etc/a+b%25/ca.pem"
        "&sslcert=tls.crt&sslkey=tls.key"
    )
    assert (found.ssl_mode, found.connect_timeout, found.application_name) == (SslMode.VERIFY_FULL, 3, "my own")
    assert found.tls_files == TlsFiles("/etc/a+b%/ca.pem", "tls.crt", "tls.key")


@pytest.mark.parametrize(
    ("place", "host", "port"), [("[::1]:6432", "::1", 6432), ("DB:1", "db", 1), ("db:", "db", 5432)]
)
def test_host_and_port_are_read(place: str, host: str, port: int) -> None:
    found = parse_database_url(f"postgres://ann@{place}/perses")
    assert (found.host, found.port, found.password) == (host, port, "")


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ("", SslMode.REQUIRE),
        ("sslmode=disable", SslMode.DISABLE),
        ("sslrootcert=/ca", SslMode.VERIFY_CA),
        ("sslmode=require&sslrootcert=/ca", SslMode.VERIFY_CA),
        ("sslmode=verify-ca&sslrootcert=/ca", SslMode.VERIFY_CA),
        ("sslmode=verify-full&sslrootcert=/ca", SslMode.VERIFY_FULL),
        ("sslmode=disable&sslrootcert=/ca", SslMode.DISABLE),
        ("sslrootcert=system", SslMode.VERIFY_FULL),
        ("sslrootcert=system&sslmode=verify-full", SslMode.VERIFY_FULL),
    ],
)
def test_an_authority_is_checked_against_as_libpq_does(options: str, mode: SslMode) -> None:
    assert parse_database_url(f"{URL}?{options}" if options else URL).ssl_mode is mode


def test_the_systems_own_store_is_no_file() -> None:
    assert parse_database_url(URL + "?sslrootcert=system").tls_files == TlsFiles()


@pytest.mark.parametrize("mode", ["disable", "require", "verify-ca"])
def test_the_systems_own_store_needs_the_name_to_be_checked(mode: str) -> None:
    assert "needs sslmode=verify-full" in refusal(f"{URL}?sslmode={mode}&sslrootcert=system")


@pytest.mark.parametrize("options", ["sslcert=/c", "sslkey=/k"])
def test_a_client_certificate_and_its_key_go_together(options: str) -> None:
    assert "'sslcert' and 'sslkey' go together" in refusal(f"{URL}?{options}")


@pytest.mark.parametrize(
    "name",
    ["channel_binding", "gssencmode", "hostaddr", "load_balance_hosts", "options", "sslnegotiation", "sslpassword",
     "target_session_attrs", "password", "pgbouncer", "schema"],
)  # fmt: skip
def test_an_option_that_is_not_ours_is_named_with_those_that_are(name: str) -> None:
    message = refusal(f"{URL}?sslmode=require&{name}=h0rse")
    assert message.endswith(f"option {name!r} is not known; known are {', '.join(OPTIONS)}.")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("sslmode=prefer", "option 'sslmode' is none of disable, require, verify-ca, verify-full"),
        ("sslmode=h0rse", "option 'sslmode' is none of"),
        ("connect_timeout=0", "option 'connect_timeout' is not a whole number from 1 to 3600"),
        ("application_name=%0A", "option 'application_name' is longer than 255 characters or holds one"),
        ("sslrootcert=%00", "option 'sslrootcert' is no path; it holds a character that cannot be printed"),
        ("sslmode=require&sslmode=disable", "option 'sslmode' is given twice"),
        ("sslrootcert=", "an option without a value"),
        ("h0rse", "an option without a value"),
        ("sslmode=require&", "an option without a value"),
        ("application_name=%FF", "a character cannot be read as UTF-8"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(options: str, told: str) -> None:
    assert told in refusal(f"{URL}?{options}")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "does not begin with postgresql://"),
        ("mysql://ann:h0rse@db/perses", "does not begin with postgresql://"),
        ("ann:h0rse@db/perses", "does not begin with postgresql://"),
        ("h0rse", "does not begin with postgresql://"),
        ("postgresql:ann:h0rse@db/perses", "there is an @ or # after the host"),
        ("postgresql://db/perses", "write postgresql://USER:PASSWORD@HOST"),
        ("postgresql://ann:h0rse@db", "write postgresql://USER:PASSWORD@HOST"),
        ("postgresql://ann:h0rse@db/", "write postgresql://USER:PASSWORD@HOST"),
        ("postgresql://ann:h0rse@/perses", "write postgresql://USER:PASSWORD@HOST"),
        ("postgresql://ann:h0rse@db/perses/more", "the database's name holds a /"),
        ("postgresql://ann:h0rse#ttery@db/perses", "host or port cannot be read"),
        ("postgresql://ann:h0rse/ttery@db/perses", "host or port cannot be read"),
        ("postgresql://ann:h0rse?ttery@db/perses", "host or port cannot be read"),
        ("postgresql://ann:h0rse[@db/perses", "host or port cannot be read"),
        ("postgresql://ann:h0rse@db:port/perses", "host or port cannot be read"),
        ("postgresql://ann:h0rse@db:70000/perses", "host or port cannot be read"),
        ("postgresql://ann:h0rse@db:0/perses", "the port is not a whole number"),
        ("postgresql://ann:12/ttery@db/perses", "there is an @ or # after the host"),
        ("postgresql://ann:h@h0rse/ttery@db/perses", "there is an @ or # after the host"),
        ("postgresql://ann:h@h0rse/b?ttery=1@db/perses", "there is an @ or # after the host"),
        ("postgresql://ann:h@h0rse/b#ttery@db/perses", "there is an @ or # after the host"),
        ("postgresql://ann:h0rse@db/perses#ttery", "there is an @ or # after the host"),
        ("postgresql://ann:h0rse@db1,db2/perses", "the host is no host name"),
        ("postgresql://ann:h0rse@db/per%0Ases", "the database is longer than 255 characters or holds one"),
        ("postgresql://a%00nn:h0rse@db/perses", "the user is longer than 255 characters or holds one"),
        ("postgresql://ann:h0rse%00@db/perses", "the password is not without a NUL byte"),
        ("postgresql://ann:h0rse%FF@db/perses", "a character cannot be read as UTF-8"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_being_shown(url: str, told: str) -> None:
    assert told in refusal(url)


def test_a_url_never_shows_its_password() -> None:
    assert SECRET not in repr(parse_database_url(URL))
