"""No connection is made without the protection from hostile servers, whatever a release of asyncpg does."""

from types import SimpleNamespace

import asyncpg.connect_utils
import asyncpg.protocol
import asyncpg.protocol.protocol
import pytest

from controller.database.connection import connect
from controller.database.hardened_protocol import HardenedProtocol, install
from controller.database.target import Target
from controller.errors import InternalError


def test_a_release_that_looks_for_its_protocol_elsewhere_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert asyncpg.connect_utils.protocol.Protocol is HardenedProtocol
    elsewhere = SimpleNamespace(Protocol=asyncpg.protocol.protocol.BaseProtocol)
    monkeypatch.setattr(asyncpg.connect_utils, "protocol", elsewhere)
    with pytest.raises(InternalError, match="does not use this program's protocol"):
        install()


async def test_a_connection_with_another_protocol_is_ended(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncpg.protocol, "Protocol", HardenedProtocol.__bases__[0])
    with pytest.raises(InternalError, match="does not use this program's protocol"):
        await connect(target)
