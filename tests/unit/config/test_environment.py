"""The twelve variables and the URL: what they mean, and what each error says."""

import pytest

from controller.config.database_url import TlsFiles
from controller.config.environment import DatabaseSettings, database_settings
from controller.database.pool.values import PoolSettings
from controller.database.target import Pooler, SslMode, Target
from controller.errors import ConfigurationError

SECRET = "h0rse:b@ttery/st%ple"
LEAST = {"DB_HOST": "db.example", "DB_NAME": "perses", "DB_USER": "ann", "DB_PASSWORD": SECRET}
URL = "postgresql://ann:h0rse%3Ab%40ttery%2Fst%25ple@db.example/perses"


def read(environment: dict[str, str], url: str | None = None) -> DatabaseSettings:
    return database_settings(environment, url=url, pooler=Pooler.NONE)


def refusal(environment: dict[str, str], url: str | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(environment, url)
    assert caught.value.exit_code == 2
    assert "\n" not in caught.value.message
    for part in (SECRET, "h0rse", "ttery"):
        assert part not in caught.value.message
    return caught.value.message


def test_the_defaults_are_the_promised_ones() -> None:
    found = read(LEAST)
    assert found.pool == PoolSettings(50, 10, 300, 60)
    assert found.target == Target(
        host="db.example", port=5432, database="perses", user="ann", password=SECRET, ssl_mode=SslMode.REQUIRE,
        connect_timeout=10, query_timeout=30, password_in_plaintext=True,
    )  # fmt: skip


def test_each_variable_is_read() -> None:
    found = read(
        LEAST
        | {"DB_PORT": "6432", "DB_SSLMODE": "verify-full", "DB_MAX_OPEN_CONNS": "7", "DB_MAX_IDLE_CONNS": "3"}
        | {"DB_CONN_MAX_LIFETIME": "1h30m", "DB_CONN_MAX_IDLE_TIME": "90s"}
        | {"DB_CONNECT_TIMEOUT": "500ms", "DB_QUERY_TIMEOUT": "2m"}
    )
    assert found.pool == PoolSettings(7, 3, 5400, 90)
    assert (found.target.port, found.target.ssl_mode) == (6432, SslMode.VERIFY_FULL)
    assert (found.target.connect_timeout, found.target.query_timeout) == (0.5, 120)


@pytest.mark.parametrize("name", LEAST)
@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_needed_is_named(name: str, value: str | None) -> None:
    environment = {key: text for key, text in LEAST.items() if key != name} | (
        {name: value} if value is not None else {}
    )
    assert refusal(environment) == f"{name} is not set. Set it, or give --database-url."


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("DB_PORT", "0", "not a whole number from 1 to 65535"),
        ("DB_PORT", "65536", "not a whole number from 1 to 65535"),
        ("DB_PORT", "5432 ", "not a whole number from 1 to 65535"),
        ("DB_PORT", "\u0665", "not a whole number from 1 to 65535"),
        ("DB_SSLMODE", "prefer", "none of disable, require, verify-ca, verify-full"),
        ("DB_SSLMODE", "REQUIRE", "none of disable, require, verify-ca, verify-full"),
        ("DB_MAX_OPEN_CONNS", "0", "not a whole number from 1 to 10000"),
        ("DB_MAX_OPEN_CONNS", "many", "not a whole number from 1 to 10000"),
        ("DB_MAX_IDLE_CONNS", "-1", "not a whole number from 0 to 10000"),
        ("DB_CONN_MAX_LIFETIME", "300", "not a duration such as 500ms, 10s, 5m or 1h30m"),
        ("DB_CONN_MAX_LIFETIME", "0", "not above zero"),
        ("DB_CONN_MAX_IDLE_TIME", "-1m", "not a duration such as"),
        ("DB_CONNECT_TIMEOUT", "0s", "not above zero"),
        ("DB_QUERY_TIMEOUT", "30 s", "not a duration such as"),
        ("DB_QUERY_TIMEOUT", "9999999h", "longer than 292 years"),
        ("DB_HOST", "db1,db2", "no host name or IP address; give the host alone"),
        ("DB_HOST", "db\nforged", "no host name or IP address; give the host alone"),
        ("DB_NAME", "per\nses", "holds one that cannot be printed"),
        ("DB_NAME", "  ", "nothing but blanks"),
        ("DB_NAME", "postgresql://db/perses", "a URL; give the name alone"),
        ("DB_USER", "ann\x1b[31m", "holds one that cannot be printed"),
    ],
)
@pytest.mark.parametrize("url", [None, URL], ids=["variables", "url"])
def test_a_bad_value_is_told_with_its_name_and_what_is_accepted(
    name: str, value: str, accepted: str, url: str | None
) -> None:
    by_url = url is not None and name not in ("DB_HOST", "DB_NAME", "DB_USER", "DB_PORT", "DB_SSLMODE")
    message = refusal({name: value} if by_url else LEAST | {name: value}, url if by_url else None)
    assert message.startswith(f"{name}={value!r} is ")
    assert accepted in message


@pytest.mark.parametrize(
    "name", ["DB_HOST", "DB_PORT", "DB_NAME", "DB_SSLMODE", "DB_MAX_OPEN_CONNS", "DB_QUERY_TIMEOUT"]
)
@pytest.mark.parametrize("value", [SECRET + "\n", "postgresql://ann:h0rse@db/perses", "9" * 5000])
def test_a_value_that_may_be_a_password_or_is_endless_is_not_shown(name: str, value: str) -> None:
    message = refusal(LEAST | {name: value})
    assert message.startswith(f"{name} is ")
    assert len(message) < 200


@pytest.mark.parametrize("value", ["h0rse\udcff", "h0rse\0"])
def test_a_password_that_the_protocol_cannot_carry_is_refused(value: str) -> None:
    assert refusal(LEAST | {"DB_PASSWORD": value}).startswith("DB_PASSWORD is not ")


def test_the_folder_of_a_unix_socket_is_a_host() -> None:
    assert read(LEAST | {"DB_HOST": "/var/run/postgresql"}).target.host == "/var/run/postgresql"


def test_fewer_open_connections_than_the_usual_idle_ones_need_no_second_variable() -> None:
    assert read(LEAST | {"DB_MAX_OPEN_CONNS": "5"}).pool == PoolSettings(5, 5, 300, 60)


def test_more_idle_connections_than_open_ones_are_refused() -> None:
    message = refusal(LEAST | {"DB_MAX_OPEN_CONNS": "5", "DB_MAX_IDLE_CONNS": "6"})
    assert message == "DB_MAX_IDLE_CONNS is 6, above DB_MAX_OPEN_CONNS, 5. Lower the first."


def test_a_url_says_the_same_as_the_variables() -> None:
    assert read({}, URL) == read(LEAST)
    assert read({}, URL.replace("postgresql", "postgres")) == read(LEAST)


def test_what_a_url_says_comes_before_the_variables_that_may_stand_beside_it() -> None:
    found = read(
        {"DB_CONNECT_TIMEOUT": "7s", "DB_QUERY_TIMEOUT": "8s"}, URL + "?connect_timeout=3&sslcert=/c&sslkey=/k"
    )
    assert (found.target.connect_timeout, found.target.query_timeout) == (3, 8)
    assert found.tls_files == TlsFiles(None, "/c", "/k")


@pytest.mark.parametrize("name", ["DB_HOST", "DB_NAME", "DB_USER", "DB_PASSWORD", "DB_PORT", "DB_SSLMODE"])
def test_a_url_and_a_variable_that_names_a_database_are_refused_together(name: str) -> None:
    value = {"DB_PORT": "5432", "DB_SSLMODE": "verify-full"}.get(name, SECRET)
    assert refusal({name: value}, URL) == f"Both a database URL and {name} are given. Remove one or the other."


def test_variables_that_are_empty_are_not_set() -> None:
    assert read(dict.fromkeys(LEAST, ""), URL) == read(LEAST)
    assert read(LEAST | {"DB_PORT": "", "DB_QUERY_TIMEOUT": ""}, "") == read(LEAST)


def test_a_target_never_shows_its_password() -> None:
    assert SECRET not in repr(read(LEAST))
    assert SECRET not in read(LEAST).target.description
