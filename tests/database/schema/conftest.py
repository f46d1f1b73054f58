"""Connections that read values of all types, as applications do; this program's own queries bring few types."""

import pytest

from controller.database import answer_messages


class _AllTypes(frozenset[int]):
    def __contains__(self, oid: object) -> bool:
        return True


@pytest.fixture(autouse=True)
def all_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_messages, "KNOWN_TYPES", _AllTypes())
    monkeypatch.setattr(answer_messages, "KNOWN_PARAMETER_TYPES", _AllTypes())
