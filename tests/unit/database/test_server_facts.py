"""Facts about a server, which may be lies."""

from typing import Any

import pytest

from controller.database.server_facts import parse_server_facts
from controller.errors import ProtocolViolation

TRUE: dict[str, Any] = {
    "version": "18.1 (Debian)", "identity": "7000/5", "read_only": False, "role_used": 1, "database_used": 2,
    "server_used": 9, "role_limit": -1, "database_limit": -1, "server_limit": 97,
}  # fmt: skip


def test_the_limit_that_is_nearest_counts() -> None:
    facts = parse_server_facts(TRUE)
    assert (facts.connections, facts.connection_limit, facts.of_server, facts.room) == (9, 97, True, 88)
    facts = parse_server_facts({**TRUE, "role_limit": 2})
    assert (facts.connections, facts.connection_limit, facts.of_server, facts.room) == (1, 2, False, 88)


@pytest.mark.parametrize("value", [10**400, 2**40, -2, 1.5, 1e999, "9", None, True, [], {}])
@pytest.mark.parametrize("name", ["role_used", "role_limit", "server_used", "server_limit"])
def test_a_number_that_no_server_has_is_refused(name: str, value: object) -> None:
    with pytest.raises(ProtocolViolation):
        parse_server_facts({**TRUE, "role_limit": 2, name: value})


@pytest.mark.parametrize("answer", [{}, [], None, 1, {**TRUE, "version": ""}, {**TRUE, "server_limit": -1}])
def test_an_answer_of_another_shape_is_refused(answer: Any) -> None:
    with pytest.raises(ProtocolViolation):
        parse_server_facts(answer)
