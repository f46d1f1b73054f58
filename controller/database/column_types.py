"""Types of the columns and parameters that a server describes: those that no query of ours has are refused. Pure."""

import struct

from controller.errors import ProtocolViolation

MOST_COLUMNS = 64
"""Limit of columns and of parameters; our queries have up to 14."""
KNOWN_TYPES = frozenset({
    16, 17, 18, 19, 20, 21, 23, 25, 26, 28,      # bool bytea "char" name int8 int2 int4 text oid xid
    114, 3802, 2950,                             # json jsonb uuid
    700, 701, 1042, 1043,                        # float4 float8 bpchar varchar
    1082, 1083, 1114, 1184, 1186,                # date time timestamp timestamptz interval
    2205, 2278,                                  # regclass void
})  # fmt: skip
"""Types that our queries bring. Arrays, records and numeric are missing on purpose: their decoders allocate what a
header of a few bytes says. The OID of a built-in type never changes:
https://www.postgresql.org/docs/current/catalog-pg-type.html."""
KNOWN_PARAMETER_TYPES = KNOWN_TYPES | {1005, 1007, 1009, 1015, 1016, 1003, 869}
"""Types of parameters; arrays are only written, never read: int2[] int4[] text[] varchar[] int8[] name[], and inet."""

_COUNT = struct.Struct("!H")
_OID = struct.Struct("!I")
_COLUMN_BYTES, _TYPE_AT = 18, 6
"""Bytes of a column's description after its name, and the place of the type in them."""


def column_types(body: bytes) -> list[int]:
    """Return the OIDs of the types in the body of a RowDescription."""
    types, at = [], _COUNT.size
    for _ in range(_count(body)):
        after_name = body.find(b"\0", at) + 1
        at = after_name + _COLUMN_BYTES
        if after_name == 0 or at > len(body):
            raise unreadable()
        types.append(_OID.unpack_from(body, after_name + _TYPE_AT)[0])
    return types


def parameter_types(body: bytes) -> list[int]:
    """Return the OIDs of the types in the body of a ParameterDescription."""
    count = _count(body)
    if len(body) < _COUNT.size + count * _OID.size:
        raise unreadable()
    return [_OID.unpack_from(body, _COUNT.size + number * _OID.size)[0] for number in range(count)]


def _count(body: bytes) -> int:
    count = _COUNT.unpack_from(body)[0] if len(body) >= _COUNT.size else MOST_COLUMNS + 1
    if count > MOST_COLUMNS:
        raise unreadable()
    return count


def check_types(types: list[int], known: frozenset[int]) -> None:
    for oid in types:
        if oid not in known:
            raise ProtocolViolation(f"The server answers with a type that no query of this program brings: OID {oid}.")


def unreadable() -> ProtocolViolation:
    """Return the error about bytes that are none of PostgreSQL's messages."""
    return ProtocolViolation("The server sends an answer that cannot be read.")
