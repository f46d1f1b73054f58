"""Names that another role chose are found in a file, however it writes them, in a time that they do not decide."""

import time

import pytest

from controller.migrate.sql.names import mentioned


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("setting", "INSERT INTO Setting VALUES (1)"),
        ("Setting", 'INSERT INTO public."Setting" VALUES (1)'),
        ("setting", "-- it's 5\" wide\nINSERT INTO setting"),
        ("my setting", 'INSERT INTO "my setting" VALUES (1)'),
        ("my setting", '-- 5" wide\nINSERT INTO "my setting" VALUES (1)'),
        ('a"b', 'INSERT INTO "a""b" VALUES (1)'),
        ("a$b", "INSERT INTO a$b VALUES (1)"),
        ("a\nb", 'INSERT INTO "a\nb" VALUES (1)'),
        ("setting", "DO $tag$setting$tag$"),
        ("größe", "INSERT INTO größe VALUES (1)"),
    ],
)
def test_a_name_is_found(name: str, text: str) -> None:
    assert mentioned(text, [name, "other"]) == {name}


@pytest.mark.parametrize("text", ["INSERT INTO settings VALUES (1)", "INSERT INTO my_setting", ""])
def test_a_longer_name_is_another_one(text: str) -> None:
    assert mentioned(text, ["setting", "my"]) == set()


def test_many_names_take_no_longer_than_one() -> None:
    text, names = "SELECT x, y, z;\n" * 20_000, [f"t {number}" for number in range(5000)]
    began = time.process_time()
    assert mentioned(text, names) == set()
    assert time.process_time() - began < 10  # seconds of CPU; it takes some hundred milliseconds, not minutes
