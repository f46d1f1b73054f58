"""Values of the panels of our dashboards, as a real Prometheus answers their queries."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.cluster.manifests_objects import NAME
from tests.support.processes import wait_until
from tests.support.prometheus import Prometheus
from tools.dashboards import JOB, PANELS, RATE


@dataclass(frozen=True)
class Between:
    """Range of a value; its ends belong to it."""

    least: float
    most: float


Shown = Mapping[str, float | Between]
"""Value of each line of a panel, by its name."""


def shown(prometheus: Prometheus, key: str) -> dict[str, float]:
    """Return the value of each line of a panel, as both programs would draw it."""
    [panel] = [panel for panel in PANELS if panel.key == key]
    found = {}
    for line in panel.lines:
        # Both programs put the last four scrapes at least in place of the variable.
        for series in prometheus.query(line.query.replace(JOB, NAME).replace(RATE, "2s")):
            name = line.legend
            for label, value in series["metric"].items():
                name = name.replace(f"{{{{{label}}}}}", value)
            found[name] = float(series["value"][1])
    return found


def compare_panels(prometheus: Prometheus, wanted: Mapping[str, Shown]) -> None:
    """Wait until each panel shows the lines WANTED and no others, with these values, all at the same time."""
    differing: dict[str, dict[str, float]] = {}

    def all_fit() -> bool:
        differing.clear()
        for key, lines in wanted.items():
            found = shown(prometheus, key)
            if found.keys() != lines.keys() or not all(_fits(found[name], lines[name]) for name in lines):
                differing[key] = found
        return not differing

    try:
        wait_until(all_fit, what="the panels show what is there", seconds=30, interval=0.5)
    except Exception as error:
        for key, found in differing.items():
            error.add_note(f"{key} shows {found}, and not {wanted[key]}")
        raise


def _fits(value: float, wanted: float | Between) -> bool:
    return wanted.least <= value <= wanted.most if isinstance(wanted, Between) else value == pytest.approx(wanted)
