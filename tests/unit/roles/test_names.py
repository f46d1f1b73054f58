"""Names of roles: what PostgreSQL would read as another role is refused before any SQL is made of it."""

import pytest

from controller.errors import ConfigurationError
from controller.roles.names import checked_name

OPTION = "--application"


@pytest.mark.parametrize(
    "name",
    [
        "dashboards_service",
        'quote"d',
        "it's",
        "a; DROP TABLE dashboard",
        "$create$",
        "Großbuchstabe",
        "x" * 63,
        "back\\",
    ],
)
def test_a_name_that_quoting_makes_safe_is_taken_as_it_is(name: str) -> None:
    assert checked_name(name, OPTION) == name


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("x" * 64, "has 64 bytes, and PostgreSQL takes 63"),
        ("ü" * 32, "has 64 bytes"),
        ("two\nlines", "cannot be printed"),
        ("bell\a", "cannot be printed"),
        ("nul\0", "cannot be printed"),
        ("right\u202eleft", "cannot be printed"),
        ("\udcff", "no UTF-8 text"),
        ("pg_monitor", "reserved"),
        ("public", "reserved"),
        ("none", "reserved"),
    ],
)
def test_another_name_gets_one_line_that_says_what_to_write(name: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as refused:
        checked_name(name, OPTION)
    assert refused.value.message.startswith(OPTION)
    assert refused.value.message.endswith("Write the name of a role, such as dashboards_service.")
    assert refused.value.message.isprintable()
