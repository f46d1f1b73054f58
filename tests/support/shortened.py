"""Rules of Prometheus with all their times shortened by one factor, so that an alert fires in seconds. Pure."""

import re
from collections.abc import Mapping
from typing import Any

UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
"""Milliseconds in each unit."""
_DURATION = re.compile(r"(\d+)(ms|[smhd])")
_RANGE = re.compile(r"\[([^\]]*)\]")
_SECONDS = re.compile(r"(?<!timestamp)_seconds\)*\s*[<>]=?\s*(\d+(?:\.\d+)?)")
"""Comparison of a metric whose unit is seconds, other than a moment, with a number of them."""


def shortened(duration: str, factor: int) -> str:
    """Return a duration, such as 5m or 1h30m, divided by FACTOR.

    Raises:
        ValueError: it is no duration, or nothing that Prometheus could write would be left of it.
    """
    if not re.fullmatch(rf"(?:{_DURATION.pattern})+", duration):
        raise ValueError(f"{duration!r} is no duration")
    milliseconds, rest = divmod(sum(int(number) * UNITS[unit] for number, unit in _DURATION.findall(duration)), factor)
    if rest or not milliseconds:
        raise ValueError(f"{duration} divided by {factor} is no whole number of milliseconds")
    return f"{milliseconds}ms"


def shortened_expression(expression: str, factor: int) -> str:
    """Return an expression whose ranges, and numbers that are compared with seconds, are divided by FACTOR."""
    ranges = _RANGE.sub(lambda found: f"[{shortened(found[1], factor)}]", expression)

    def compared(found: re.Match[str]) -> str:
        return found[0].removesuffix(found[1]) + f"{float(found[1]) / factor:g}"

    return _SECONDS.sub(compared, ranges)


def shortened_rules(rules: Mapping[str, Any], factor: int) -> dict[str, Any]:
    """Return a file of rules whose alerts fire FACTOR times as soon."""
    return {
        "groups": [
            {**group, "rules": [_shortened_rule(rule, factor) for rule in group["rules"]]} for group in rules["groups"]
        ]
    }


def _shortened_rule(rule: Mapping[str, Any], factor: int) -> dict[str, Any]:
    waits = {"for": shortened(rule["for"], factor)} if "for" in rule else {}
    return {**rule, **waits, "expr": shortened_expression(rule["expr"], factor)}
