"""Durations mean what Go says that they mean, to the nanosecond."""

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from controller.config.durations import parse_duration, parse_nanoseconds
from tests.support.binaries import go_durations
from tests.support.effort import examples

Go: TypeAlias = Callable[[str], int | None]

UNITS = ("ns", "us", "µs", "μs", "ms", "s", "m", "h")
LONGEST = 2**63 - 1

digits = st.text("0123456789", max_size=25)
numbers = st.one_of(st.integers(0, 2**64).map(str), digits, st.tuples(digits, digits).map(".".join))
parts = st.tuples(numbers, st.sampled_from(UNITS)).map("".join)
durations = st.tuples(
    st.sampled_from(["", "", "", "+", "-"]), st.lists(parts, min_size=1, max_size=4).map("".join)
).map("".join)
pieces = st.lists(st.sampled_from([*UNITS, *"0123456789.+-eE xµ\n", "\u0661", "d"]), max_size=12).map("".join)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A duration in which one character was dropped, doubled or replaced."""
    text = draw(durations)
    place = draw(st.integers(0, len(text) - 1))
    return text[:place] + draw(st.sampled_from(["", text[place] * 2, ".", "0", "9", " ", "s"])) + text[place + 1 :]


@pytest.fixture(scope="session")
def go() -> Iterator[Go]:
    """Yield a function that returns the nanoseconds of Go's time.ParseDuration, or None if it refuses the text."""
    with subprocess.Popen([go_durations()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        questions, answers = process.stdin, process.stdout
        assert questions is not None
        assert answers is not None

        def ask(text: str) -> int | None:
            questions.write(f"{json.dumps(text)}\n")
            questions.flush()
            answer = answers.readline()
            return None if answer == "refused\n" else int(answer)

        yield ask


def ours(text: str) -> int | None:
    try:
        return parse_nanoseconds(text)
    except ValueError as refused:
        assert str(refused) in ("not a duration such as 500ms, 10s, 5m or 1h30m", "longer than 292 years")  # noqa: PT017
        return None


@settings(max_examples=examples(1500), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(durations, mutated(), pieces, st.text()))
@example(f"{LONGEST}ns")
@example(f"{LONGEST + 1}ns")
@example(f"{2**64}ns")
@example(f"{10**30}h")
@example("2562047h47m16.854775807s")
@example("2562047h47m16.854775808s")
@example("9223372036.854775807s")
@example("9223372036854775.807us9223372036854775.807us")
@example("2562047h2562047h")
@example("0.3333333333333333333h")
@example("0.100000000000000000000h")
@example("0.9223372036854775808h")
@example("0.9223372036854775809h")
@example("0.830103483285477580700h")
@example(f"0.{'0' * 400}1h")
@example(f"{'0' * 5000}1.{'9' * 5000}s")
@example(f"{'1' * 5000}s")
@example("1.0000000005s")
@example("0.9999999999ns")
@example("39h9m14.425s")
@example("52763797000ns")
@example(".s")
@example("1.s")
@example(".5s")
@example(".")
@example("")
@example("0")
@example("+0")
@example("-0")
@example("00")
@example("+")
@example("+5m")
@example("+-5m")
@example("1h+5m")
@example("1µs1μs")
@example("1\u00b5")
@example("1s\0")
def test_a_text_is_as_many_nanoseconds_as_in_go_and_a_minus_is_refused(go: Go, text: str) -> None:
    assert ours(text) == (None if text.startswith("-") else go(text))


@given(st.integers(0, LONGEST), st.sampled_from(UNITS))
@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whole_nanoseconds_in_any_unit_are_as_in_go(go: Go, nanoseconds: int, unit: str) -> None:
    size = parse_nanoseconds(f"1{unit}")
    whole, rest = divmod(nanoseconds, size)
    fraction = str(rest * 10**20 // size).rjust(20, "0").rstrip("0")
    text = f"{whole}.{fraction}{unit}"
    assert parse_nanoseconds(text) == go(text)
    assert parse_duration(text) == parse_nanoseconds(text) / 10**9
