"""Perses accepts the dashboard of the operator's own metrics."""

from tests.peers.perses.conftest import Judge
from tools.dashboards import perses


def test_percli_accepts_the_dashboard(lint: Judge) -> None:
    assert lint(perses()) == ""


def test_the_closed_model_accepts_the_dashboard(vet: Judge) -> None:
    assert vet(perses()) == ""
