"""Characters that a database does not have: parts of a statement, or of a comment."""

import pytest

from controller.migrate.files.migration import Script
from controller.migrate.history.encoding import first_outside_comments


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-- →",
        "SELECT 1; -- →\n/* → /* → */ */ SELECT 2;",
        "SELECT -- →\n 1 /* → */;",
        "BEGIN; /* → */ SELECT 1; -- →\nCOMMIT; -- →",
    ],
)
def test_a_comment_may_have_any_character(text: str) -> None:
    assert first_outside_comments(Script("f", text), ["→", "]"]) is None


@pytest.mark.parametrize(
    "text", ["SELECT '→'", "-- →!\nSELECT E'\\→'", 'SELECT 1 AS "→"', "SELECT 1 AS →", "DO $→$ $→$", "DO $$ -- →\n$$"]
)
def test_a_string_a_name_and_a_body_may_not(text: str) -> None:
    comment = text.find("→!")
    assert first_outside_comments(Script("f", text), ["→"]) == text.index("→", comment + 1)
