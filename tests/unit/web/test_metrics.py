"""What Prometheus scrapes."""

import subprocess

from prometheus_client import generate_latest

from controller.health.board import Board
from controller.web.metrics import registry
from tests.support.binaries import promtool
from tests.unit.web.reports import DOWN, report


def scrape(board: Board) -> str:
    return generate_latest(registry(board, version="0.1.0")).decode()


def board_with(*names: str) -> Board:
    board = Board()
    for name in names:
        board.put(("team-a", name), report())
    return board


def test_each_database_has_its_series() -> None:
    text = scrape(board_with("one", "two"))
    for name in ("one", "two"):
        labels = f'name="{name}",namespace="team-a"'
        assert f"dashdb_database_ready{{{labels}}} 1.0" in text
        assert f"dashdb_database_up{{{labels}}} 1.0" in text
        assert f"dashdb_schema_version{{{labels}}} 1.0" in text
        assert f"dashdb_pool_wait_total{{{labels}}} 4.0" in text
        assert f'dashdb_pool_closed_total{{name="{name}",namespace="team-a",reason="lifetime"}} 7.0' in text
        assert f'dashdb_reconcile_total{{name="{name}",namespace="team-a",result="ready"}} 1.0' in text


def test_a_database_that_is_down_has_no_response_time() -> None:
    board = Board()
    board.put(("team-a", "one"), report(DOWN))
    text = scrape(board)
    assert 'dashdb_database_up{name="one",namespace="team-a"} 0.0' in text
    assert "dashdb_database_response_seconds{" not in text


def test_a_database_that_is_gone_leaves_no_series() -> None:
    board = board_with("one", "two")
    board.remove(("team-a", "one"))
    assert 'name="one"' not in scrape(board)


def test_promtool_finds_nothing_to_say_about_names_and_units() -> None:
    ours = "\n".join(
        line for line in scrape(board_with("one")).splitlines() if "dashdb_" in line and not line.endswith("_created")
    )
    checked = subprocess.run(
        [promtool(), "check", "metrics"], input=ours + "\n", capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
