"""Time of the arrival of data, as the kernel knows it: a process that is busy reads it later."""

import socket
import struct
from typing import Any

_MILLISECONDS_AT = 52
"""Place of `tcpi_last_data_recv` in Linux' struct tcp_info: milliseconds since data arrived; see linux/tcp.h."""
_MILLISECONDS = struct.Struct("=I")
_TICK = 0.01
"""Longest tick in seconds of the clock by which the kernel counts; below it, the answer may be rounded up from 0."""


def seconds_since_arrival(sock: Any) -> float:
    """Return for how many seconds the last data has waited in the socket; 0 below `_TICK`, or where nobody knows."""
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _MILLISECONDS_AT + _MILLISECONDS.size)
        seconds: float = _MILLISECONDS.unpack_from(info, _MILLISECONDS_AT)[0] / 1000
    except (AttributeError, OSError, struct.error):  # no TCP, no Linux
        return 0.0
    return seconds if seconds > _TICK else 0.0
