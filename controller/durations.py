"""Durations as Go writes them: `300ms`, `1.5h`, `1h30m`. Pure."""

import re

_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")
LARGEST_SECONDS = 2**63 / 1e9
"""Go counts nanoseconds in 64 bits: about 292 years."""


def parse_duration(text: str) -> float:
    """Seconds that `text` stands for; the syntax of Go's time.ParseDuration without a sign.

    https://pkg.go.dev/time#ParseDuration

    Raises:
        ValueError: with what is accepted instead.
    """
    if text == "0":
        return 0.0
    if _WHOLE.fullmatch(text) is None:
        raise ValueError("not a duration such as 500ms, 10s, 5m or 1h30m")
    seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in _PART.findall(text))
    if seconds >= LARGEST_SECONDS:
        raise ValueError("longer than 292 years")
    return seconds
