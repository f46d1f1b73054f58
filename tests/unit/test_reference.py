"""The reference pages are what the code says."""

import re
import signal
from pathlib import Path

import pytest

from controller.config.environment import database_settings
from controller.database.target import Pooler
from controller.exit_codes import ExitCode
from controller.health.role import Role
from controller.runtime.waits import Waits
from tests.support.json_reference import sections
from tests.support.reference import FOLDER, PAGES, variables
from tests.unit.web.reports import report, scrape, store_with

LOGIN = {"DB_HOST": "db", "DB_NAME": "perses", "DB_USER": "perses", "DB_PASSWORD": "secret"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name](), "run make reference"


def test_every_metric_of_a_scrape_is_on_the_page_with_its_labels() -> None:
    store = store_with("one")
    store.put(("team-a", "one"), report(templates={"Current": 4}, dirty=False))
    store.watching, store.connection_waits = True, Waits()
    role = Role(leading=True, standby=False, leader="a", transitions=1)
    page = PAGES["metrics.md"]()
    series = re.findall(r"^(dashdb_\w+?)(?:\{(.*)\})? ", scrape(store, role=lambda: role, shard=(1, 2)), re.MULTILINE)
    shown = [(name, set(re.findall(r'(\w+)="', labels)) - {"namespace", "name"}) for name, labels in series]
    shown = [(name, labels) for name, labels in shown if not name.endswith("_created")]
    rows = dict(re.findall(r"^\| `(dashdb_\w+)` \|(.*)$", page, re.MULTILINE))
    assert {name for name, _ in shown} == rows.keys()
    for name, labels in shown:
        assert set(re.findall(r"`(\w+)`", rows[name])) == labels, name


def test_every_value_of_a_label_in_a_scrape_is_on_the_page() -> None:
    store = store_with("one")
    store.put(("team-a", "one"), report(templates={"Current": 4}))
    page = PAGES["metrics.md"]()
    for label, value in re.findall(r'(state|result|reason)="(\w+)"', scrape(store)):
        assert re.search(rf"`{label}`: [^|]*\b{value}\b", page), value


def test_the_twelve_variables_are_on_the_page_and_their_defaults_are_true() -> None:
    assert len(variables()) == 12
    written = {name: default.partition(",")[0] for name, default, _ in variables() if name not in LOGIN}
    assert {name for name, default, _ in variables() if default == "none, required"} == LOGIN.keys()
    usual = database_settings(LOGIN, url=None, pooler=Pooler.NONE)
    assert database_settings(LOGIN | written, url=None, pooler=Pooler.NONE) == usual


def test_the_table_of_the_readme_has_the_same_defaults() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    told = dict(re.findall(r"^\| `(DB_\w+)` \| `(\w+)` \|", readme, re.MULTILINE))
    assert told == {name: default.partition(",")[0] for name, default, _ in variables() if name not in LOGIN}


def test_every_field_and_option_has_a_meaning() -> None:
    for name in PAGES.keys() - {"exit-codes.md"}:  # whose last column is for examples
        rows = re.findall(r"^\| `.*$", PAGES[name](), re.MULTILINE)
        assert rows, name
        assert [row for row in rows if row.rsplit("|", 2)[1].strip() == ""] == []


def test_every_exit_code_of_an_error_is_on_the_page_with_its_reason() -> None:
    rows = dict(re.findall(r"^\| (\d+) \|(.*)$", PAGES["exit-codes.md"](), re.MULTILINE))
    assert set(map(int, rows)) == set(ExitCode)
    assert int(ExitCode.INTERRUPTED) == 128 + signal.SIGINT
    assert int(ExitCode.TERMINATED) == 128 + signal.SIGTERM
    for reason, code in {
        "MigrationFailed": 1,
        "SchemaDirty": 3,
        "MigrationLocked": 4,
        "DatabaseUnavailable": 7,
    }.items():
        assert f"[{reason}](../troubleshooting.md#{reason.lower()})" in rows[str(code)]


def test_every_section_of_the_json_is_compared_with_what_a_command_prints() -> None:
    files = ("database/cli/test_json_reference.py", "cluster/test_kubectl_plugin.py")
    text = "".join((Path(__file__).parents[1] / file).read_text() for file in files)
    assert set(re.findall(r'compare\("([^"]+)"', text)) == set(sections())
