"""Rules are shortened in every place that has a time, and in no other."""

import re

import pytest
import yaml

from tests.support.installation import ROOT
from tests.support.shortened import shortened, shortened_expression, shortened_rules


@pytest.mark.parametrize(
    ("duration", "factor", "found"),
    [
        ("5m", 100, "3000ms"),
        ("1h30m", 100, "54000ms"),
        ("30s", 100, "300ms"),
        ("10ms", 10, "1ms"),
        ("1d", 1, "86400000ms"),
    ],
)
def test_a_duration_is_divided(duration: str, factor: int, found: str) -> None:
    assert shortened(duration, factor) == found


@pytest.mark.parametrize("duration", ["", "5", "m", "5x", "5m ago", "1ms"])
def test_no_duration_or_nothing_left_of_it_is_refused(duration: str) -> None:
    with pytest.raises(ValueError, match=r"duration|milliseconds"):
        shortened(duration, 100)


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("sum(increase(a_total[1h])) > 3", "sum(increase(a_total[36000ms])) > 3"),
        ("max by (job) (wait_seconds) > 30 and b > 30", "max by (job) (wait_seconds) > 0.3 and b > 30"),
        ("(check_timestamp_seconds) > 30", "(check_timestamp_seconds) > 30"),
        ('up{job="5m"} == 0', 'up{job="5m"} == 0'),
    ],
)
def test_ranges_and_seconds_are_divided_and_counts_are_not(expression: str, found: str) -> None:
    assert shortened_expression(expression, 100) == found


def test_every_time_of_our_alerts_is_divided_and_nothing_else_changes() -> None:
    ours = yaml.safe_load((ROOT / "manifests/monitoring/prometheus-rule.yaml").read_text())["spec"]
    pairs = list(zip(ours["groups"][0]["rules"], shortened_rules(ours, 100)["groups"][0]["rules"], strict=True))
    for before, after in pairs:
        assert before.keys() == after.keys()
        assert before["for"] != after["for"]
        assert {**before, "for": "", "expr": ""} == {**after, "for": "", "expr": ""}
    changed = [before["alert"] for before, after in pairs if before["expr"] != after["expr"]]
    with_times = [rule["alert"] for rule, _ in pairs if re.search(r"\[\d|> 30$", rule["expr"], re.MULTILINE)]
    assert changed == with_times == ["DashdbConnectionBudgetUsedUp", "DashdbWatchRestarts", "DashdbStatusRefused"]
