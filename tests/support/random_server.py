"""A server that answers at random: broken logins, messages of every kind in any order, cut off anywhere."""

import random
import struct

from tests.support.hostile import Client, Script
from tests.support.protocol_messages import (
    BOUND,
    FLUSH,
    LOGGED_IN,
    PREPARED,
    READY,
    SCRAM_OFFER,
    columns,
    error,
    message,
    notice,
    parameters,
    row,
    settings,
)

_KINDS = b"123nsIDTtCEZSNARKvGHWdc?"
_LENGTHS = (0, 1, 3, 4, 5, 100, 2**16, 2**31 - 1, 2**32 - 1)
_TYPES = (16, 17, 18, 20, 21, 23, 25, 26, 114, 700, 701, 1082, 1184, 1186, 2205, 2950, 3802)
_DONE = message(b"C", b"SELECT 1\0") + READY
_VALID = (PREPARED, BOUND, READY, _DONE, parameters(25), notice("x"), settings(client_encoding="UTF8"), error("42P01"))


def random_server(seed: int) -> Script:
    """Return a script that is the same for each SEED."""
    chance = random.Random(seed)

    async def script(client: Client) -> None:
        await client.startup()
        await client.send(_login(chance))
        while heard := await client.hear():
            if heard.endswith(FLUSH) and chance.random() < 0.6:
                await client.send(PREPARED + parameters() + columns(*chance.choices(_TYPES, k=chance.randint(1, 3))))
            else:
                await client.send(b"".join(_piece(chance) for _ in range(chance.randint(0, 5))))
                await client.send(_DONE if chance.random() < 0.5 else b"")
            if chance.random() < 0.1:
                return

    return script


def _login(chance: random.Random) -> bytes:
    if chance.random() < 0.1:
        return SCRAM_OFFER
    login = bytearray(LOGGED_IN)
    if chance.random() < 0.3:
        for _ in range(chance.randint(1, 3)):
            login[chance.randrange(len(login))] = chance.randrange(256)
    return bytes(login)


def _piece(chance: random.Random) -> bytes:
    kind = bytes([chance.choice(_KINDS)])
    return chance.choice((
        lambda: message(kind, chance.randbytes(chance.choice((0, 1, 4, 5, 20, 200)))),
        lambda: kind + struct.pack("!I", chance.choice(_LENGTHS)) + chance.randbytes(chance.randrange(50)),
        lambda: row(*(_value(chance) for _ in range(chance.randrange(4)))),
        lambda: columns(*chance.choices((*_TYPES, 1009, 2249), k=chance.randrange(4))),
        lambda: chance.choice(_VALID),
    ))()  # fmt: skip


def _value(chance: random.Random) -> bytes | None:
    return chance.choice((None, chance.randbytes(chance.choice((0, 1, 2, 4, 8, 16, 100)))))
