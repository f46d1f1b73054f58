"""Durations as Go writes them: `300ms`, `1.5h`, `1h30m`. Pure."""

import re

_UNIT_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,  # U+00B5, micro sign
    "μs": 10**3,  # U+03BC, Greek letter mu
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
# Each digit can be taken in one way only, so that no text takes longer than its length.
_PART = re.compile(r"(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))(ns|us|µs|μs|ms|s|m|h)")
_WHOLE = re.compile(rf"\+?(?:{_PART.pattern})+")
_LARGEST = 2**63 - 1
"""Longest duration in nanoseconds, about 292 years: Go counts them in 64 bits."""
_MOST_DIGITS = len(str(_LARGEST))
_LARGEST_FRACTION = 2**63
"""Largest number that Go reads from the digits after the point; it ignores the digits beyond."""


def parse_duration(text: str) -> float:
    """Return the duration in `text` in seconds; see `parse_nanoseconds`."""
    return parse_nanoseconds(text) / 10**9


def parse_nanoseconds(text: str) -> int:
    """Return the duration in `text` in nanoseconds, by the rules of Go's time.ParseDuration, without a minus.

    https://pkg.go.dev/time#ParseDuration

    Raises:
        ValueError: with what is accepted instead.
    """
    if text in ("0", "+0"):
        return 0
    if _WHOLE.fullmatch(text) is None:
        raise ValueError("not a duration such as 500ms, 10s, 5m or 1h30m")
    nanoseconds = 0
    for whole, fraction, fraction_alone, unit in _PART.findall(text):
        nanoseconds += _part(whole, fraction or fraction_alone, _UNIT_NANOSECONDS[unit])
    if nanoseconds > _LARGEST:
        raise ValueError("longer than 292 years")
    return nanoseconds


def _part(whole: str, fraction: str, unit: int) -> int:
    """Return the nanoseconds of one number with its unit; the fraction is rounded down by floating point, as in Go."""
    significant = whole.lstrip("0") or "0"
    if len(significant) > _MOST_DIGITS:  # int() itself refuses thousands of digits
        return _LARGEST + 1
    numerator, scale = 0, 1.0
    for digit in fraction:
        longer = numerator * 10 + int(digit)
        if longer > _LARGEST_FRACTION:
            break
        numerator, scale = longer, scale * 10
    return int(significant) * unit + int(numerator * (unit / scale))
