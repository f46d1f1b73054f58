"""Messages of PostgreSQL's wire protocol, as a server or a client sends them.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

import struct

PLAIN, MD5, SASL, SASL_CONTINUE, SASL_FINAL = 3, 5, 10, 11, 12


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def authentication(code: int, body: bytes = b"") -> bytes:
    return message(b"R", struct.pack("!I", code) + body)


def notice(text: str, severity: str = "NOTICE", sqlstate: str = "00000", kind: bytes = b"N") -> bytes:
    fields = {b"S": severity, b"V": severity, b"C": sqlstate, b"M": text}
    return message(kind, b"".join(key + value.encode() + b"\0" for key, value in fields.items()) + b"\0")


def error(sqlstate: str, text: str = "as the script says") -> bytes:
    return notice(text, "FATAL", sqlstate, kind=b"E")


def row(*values: bytes | None) -> bytes:
    return message(b"D", struct.pack("!H", len(values)) + b"".join(map(value, values)))


def value(content: bytes | None) -> bytes:
    return struct.pack("!i", -1) if content is None else struct.pack("!I", len(content)) + content


def columns(*oids: int) -> bytes:
    """Return a RowDescription with a column of each type."""
    described = (b"c\0" + struct.pack("!IHIhih", 0, 0, oid, -1, -1, 1) for oid in oids)
    return message(b"T", struct.pack("!H", len(oids)) + b"".join(described))


def parameters(*oids: int) -> bytes:
    return message(b"t", struct.pack(f"!H{len(oids)}I", len(oids), *oids))


def settings(**values: str) -> bytes:
    return b"".join(message(b"S", f"{name}\0{value}\0".encode()) for name, value in values.items())


def logged_in(**values: str) -> bytes:
    """Return a whole login after which the session has these settings."""
    return authentication(0) + settings(**values) + message(b"K", struct.pack("!II", 1, 1)) + READY


FLUSH, SYNC, TERMINATE, READY = message(b"H"), message(b"S"), message(b"X"), message(b"Z", b"I")
PREPARED, BOUND = message(b"1"), message(b"2")
LOGGED_IN = logged_in(server_version="18.0", client_encoding="UTF8", in_hot_standby="off")
SCRAM_OFFER = authentication(SASL, b"SCRAM-SHA-256\0\0")
