"""Completions of `kubectl dashdb`, as the lines that kubectl reads."""

import pytest

from controller.cli.kubectl.completion import completions


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ([], "status\tShow which databases are ready, and why..."),
        (["ap"], "approve\tShow the plan of a resource with policy..."),
        (["status", "--js"], "--json\tPrint one JSON object."),
    ],
    ids=["nothing typed yet", "a command", "an option"],
)
def test_each_completion_says_what_it_is_for(words: list[str], first: str) -> None:
    assert completions(words)[0] == first
