"""Whatever the environment holds: settings, or one line that says what is wrong and shows no password."""

from contextlib import suppress
from urllib.parse import quote

from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller.config.environment import DatabaseSettings, database_settings
from controller.database.target import Pooler
from controller.errors import ConfigurationError
from tests.support.effort import examples

DEFAULTS = {
    "DB_HOST": "db.example",
    "DB_PORT": "5432",
    "DB_NAME": "perses",
    "DB_USER": "ann",
    "DB_SSLMODE": "require",
    "DB_MAX_OPEN_CONNS": "50",
    "DB_CONN_MAX_LIFETIME": "5m",
    "DB_CONN_MAX_IDLE_TIME": "1m",
    "DB_CONNECT_TIMEOUT": "10s",
    "DB_QUERY_TIMEOUT": "30s",
}
SPECIAL = "@:/?#[]%&=+ \\'\"\n\t\u00e9"
WORD = "ZQXJ"
"""Part of every password, and of no text that a message may contain."""

anything = st.text(
    st.characters(exclude_categories=[])
)  # lone surrogates, too: how Python shows bytes that are no UTF-8
passwords = st.tuples(st.text(SPECIAL + "a1", max_size=4), st.text(SPECIAL + "b2", max_size=4)).map(WORD.join)
# Unsaid, DB_MAX_IDLE_CONNS follows DB_MAX_OPEN_CONNS; said, it is the one that is named where it is above that.
variables = st.sampled_from([*DEFAULTS, "DB_MAX_IDLE_CONNS", "DB_PASSWORD"])


def told(environment: dict[str, str], url: str | None) -> str:
    """The message of the error; nothing where there is none."""
    try:
        found = database_settings(environment, url=url, pooler=Pooler.NONE)
    except ConfigurationError as error:
        return error.message
    assert isinstance(found, DatabaseSettings)
    assert len(found.target.description.splitlines()) == 1
    return ""


@settings(max_examples=examples(500))
@given(st.dictionaries(variables, anything))
@example({"DB_MAX_OPEN_CONNS": "1"})
@example({"DB_MAX_OPEN_CONNS": "1", "DB_MAX_IDLE_CONNS": "2"})
def test_any_environment_is_read_or_refused_in_one_line_that_names_a_variable(environment: dict[str, str]) -> None:
    message = told({**DEFAULTS, "DB_PASSWORD": "h0rse", **environment}, None)
    assert len(message.splitlines()) <= 1
    assert not message or message.split("=")[0].split()[0] in environment
    assert message.isprintable()


@settings(max_examples=examples(500))
@given(passwords, variables, st.text(SPECIAL, max_size=3), st.text(SPECIAL, max_size=3))
@example("ZQXJ", "DB_HOST", "postgresql://ann:", "@db/perses")
@example("ZQXJ", "DB_PORT", "", "\n")
def test_a_password_that_was_put_into_another_variable_is_not_shown(
    password: str, name: str, before: str, after: str
) -> None:
    environment = {**DEFAULTS, "DB_PASSWORD": password}
    environment[name] = before + password + after
    assert WORD not in told(environment, None)


@settings(max_examples=examples(1000))
@given(passwords, st.sampled_from(["", "?sslmode=require", "?sslmode=prefer", "?nonsense=1"]))
@example("h@ZQXJ/b", "")
@example("h@ZQXJ/b?c", "")
@example("12?ZQXJ=1", "")
@example("h@x/y?ZQXJ=1", "")
def test_a_password_that_nobody_escaped_is_neither_shown_nor_taken_for_host_or_database(
    password: str, options: str
) -> None:
    url = f"postgresql://ann:{password}@db.example/perses{options}"
    assert WORD not in told({}, url)
    with suppress(ConfigurationError):
        target = database_settings({}, url=url, pooler=Pooler.NONE).target
        assert (target.host, target.database, target.user) == ("db.example", "perses", "ann")


@settings(max_examples=examples(500))
@given(passwords)
def test_a_password_that_was_escaped_is_the_password(password: str) -> None:
    url = f"postgresql://ann:{quote(password, safe='')}@db.example/perses"
    assert database_settings({}, url=url, pooler=Pooler.NONE).target.password == password


@settings(max_examples=examples(500))
@given(
    st.one_of(anything, anything.map("postgresql://".__add__), anything.map("postgresql://ann:h@db/perses?".__add__))
)
def test_any_url_is_read_or_refused_in_one_line(url: str) -> None:
    message = told({**DEFAULTS, "DB_HOST": "", "DB_PORT": "", "DB_NAME": "", "DB_USER": "", "DB_SSLMODE": ""}, url)
    assert len(message.splitlines()) <= 1
    assert message.isprintable()
