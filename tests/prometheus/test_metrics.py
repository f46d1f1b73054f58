"""Check of our metrics by promtool, which has no complaint."""

import subprocess

from tests.support.binaries import promtool
from tests.unit.web.reports import scrape, store_with


def test_promtool_finds_nothing_to_say_about_names_and_units() -> None:
    ours = "\n".join(
        line for line in scrape(store_with("one")).splitlines() if "dashdb_" in line and not line.endswith("_created")
    )
    checked = subprocess.run(
        [promtool(), "check", "metrics"], input=ours + "\n", capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
