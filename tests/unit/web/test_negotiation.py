"""Negotiation between application/health+json and plain JSON."""

import pytest

from controller.web.negotiation import wants_health_json


@pytest.mark.parametrize(
    "accept",
    [
        "application/health+json",
        "Application/Health+JSON; q=0.5, text/html; q=0.9",
        "application/health+json, application/json",
        "application/json;q=0.8, application/health+json;q=0.9",
    ],
)
def test_whoever_asks_for_it_gets_it(accept: str) -> None:
    assert wants_health_json(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/*",
        "application/json",
        "text/html,application/xhtml+xml,*/*;q=0.8",
        "application/health+json;q=0",
        "application/health+json;q=none",
        "application/json, application/health+json;q=0.9",
        ";;,,q=",
    ],
)
def test_all_others_get_plain_json(accept: str) -> None:
    assert not wants_health_json(accept)
