"""Messages of PostgreSQL's wire protocol, as a server or a client sends them.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

import struct

PLAIN, MD5, SASL, SASL_CONTINUE = 3, 5, 10, 11


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def authentication(code: int, body: bytes = b"") -> bytes:
    return message(b"R", struct.pack("!I", code) + body)


def notice(text: str, severity: str = "NOTICE", sqlstate: str = "00000", kind: bytes = b"N") -> bytes:
    fields = {b"S": severity, b"V": severity, b"C": sqlstate, b"M": text}
    return message(kind, b"".join(key + value.encode() + b"\0" for key, value in fields.items()) + b"\0")


def error(sqlstate: str, text: str = "as the script says") -> bytes:
    return notice(text, "FATAL", sqlstate, kind=b"E")


FLUSH, SYNC, TERMINATE, READY = message(b"H"), message(b"S"), message(b"X"), message(b"Z", b"I")
LOGGED_IN = (
    authentication(0)
    + b"".join(
        message(b"S", f"{name}\0{value}\0".encode())
        for name, value in {"server_version": "18.0", "client_encoding": "UTF8", "in_hot_standby": "off"}.items()
    )
    + message(b"K", struct.pack("!II", 1, 1))
    + READY
)
SCRAM_OFFER = authentication(SASL, b"SCRAM-SHA-256\0\0")
