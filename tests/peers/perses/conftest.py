"""Perses' commands, and the plugins of a release in a folder into which percli may write."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.binaries import cue, percli
from tests.support.go_builds import PERCLI

PLUGINS = Path(__file__).with_name("plugins")
NEWEST = "0.54.0"
"""Release whose model in CUE is among the plugins."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what is missing before the first test: a cold build takes longer than a test may."""
    here = Path(__file__).parent
    if not session.config.option.collectonly and any(here in item.path.parents for item in session.items):
        cue()
        for version in PERCLI:
            percli(version)


Judge = Callable[[Any], str]
"""Returns the complaint about a document, empty if it is accepted."""


def complaint(folder: Path, home: Path, *command: str | Path) -> str:
    """Return what COMMAND says in FOLDER, empty if it ends with 0; of our environment it sees nothing."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env={"HOME": str(home)})
    if done.returncode == 0:
        return ""
    assert done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(params=PERCLI)
def lint(request: pytest.FixtureRequest, tmp_path: Path) -> Judge:
    """`percli lint` of each release, with its plugins."""
    plugins, file = tmp_path / "plugins", tmp_path / "document.json"
    shutil.copytree(PLUGINS / request.param, plugins / "all")

    def judge(document: Any) -> str:
        file.write_text(json.dumps(document))
        return complaint(tmp_path, tmp_path, percli(request.param), "lint", "--plugin.path", plugins, "--file", file)

    return judge


@pytest.fixture
def vet(tmp_path: Path) -> Judge:
    """`cue vet` with the closed model of the newest release.

    It describes `defaultValue` by the fields of a Go struct, where every document has a string or a list: that one is
    left out. percli judges it.
    """
    model, file = "github.com/perses/spec/cue/dashboard", tmp_path / "spec.json"

    def judge(document: Any) -> str:
        spec = json.loads(json.dumps(document["spec"]))
        for variable in spec["variables"]:
            variable["spec"].pop("defaultValue", None)
        file.write_text(json.dumps(spec))
        return complaint(PLUGINS / NEWEST, tmp_path, cue(), "vet", "--concrete", "--schema", "#Spec", model, file)

    return judge
