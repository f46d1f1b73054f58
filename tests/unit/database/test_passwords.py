"""Passwords that end in a line break are tried as they are, then without it, and in that order only until one fits."""

from dataclasses import replace
from typing import Any

import pytest

from controller.database import passwords
from controller.database.passwords import TrimmedPasswords
from controller.database.target import SslMode, Target

TARGET = Target("db", 5432, "perses", "ann", "h0rse\r\n", SslMode.DISABLE)


@pytest.mark.parametrize("password", ["h0rse", "h0\nrse", " h0rse ", "\n"])
def test_others_are_tried_as_they_are(password: str) -> None:
    assert TrimmedPasswords().to_try(replace(TARGET, password=password)) == (password,)


def test_the_one_that_was_accepted_is_tried_first() -> None:
    memory = TrimmedPasswords()
    assert memory.to_try(TARGET) == ("h0rse\r\n", "h0rse")
    memory.note(TARGET, "h0rse")
    assert memory.to_try(TARGET) == ("h0rse", "h0rse\r\n")
    memory.note(TARGET, "h0rse\r\n")
    assert memory.to_try(TARGET) == ("h0rse\r\n", "h0rse")


@pytest.mark.parametrize("other", [{"user": "bob"}, {"host": "other"}, {"password": "n3w\n"}, {"tenant": "team-b"}])
def test_it_says_nothing_about_other_accounts(other: dict[str, Any]) -> None:
    memory = TrimmedPasswords()
    memory.note(TARGET, "h0rse")
    changed = replace(TARGET, **other)
    assert memory.to_try(changed)[0] == changed.password


def test_the_memory_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "MOST_REMEMBERED", 2)
    memory = TrimmedPasswords()
    for user in ("ann", "bob", "cid"):
        memory.note(replace(TARGET, user=user), "h0rse")
    first = [memory.to_try(replace(TARGET, user=user))[0] for user in ("ann", "bob", "cid")]
    assert first == ["h0rse\r\n", "h0rse", "h0rse"]
