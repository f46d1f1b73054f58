"""The import rules of pyproject.toml have no holes: each kind of wrong import fails the check."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def broken_rules(project: Path) -> list[str]:
    """The names of the rules that PROJECT breaks."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environ = {"PYTHONPATH": str(project)}
    done = subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True, check=False)
    return [line.removesuffix(" BROKEN") for line in done.stdout.splitlines() if line.endswith(" BROKEN")]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the code and its rules."""
    shutil.copytree(ROOT / "controller", tmp_path / "controller", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("module", "line", "rule"),
    [
        ("new_module.py", "import asyncpg", "Only database and what stands right on it use asyncpg"),
        ("new_module.py", "import json", "Packages import only from the layers below them"),
        ("reconcile/decide.py", "import time", "Decisions are pure"),
        ("migrate/plan/new_module.py", "import random", "Decisions are pure"),
        ("sidecar/new_module.py", "import kopf", "Only operator uses kopf and kubernetes"),
        ("migrate/sql/lexer.py", "import controller.migrate.files.folder", "The migration engine is a straight stack"),
        ("web/new_module.py", "import controller.operator.client", "Packages import only from the layers below them"),
    ],
)
def test_a_wrong_import_is_found(project: Path, module: str, line: str, rule: str) -> None:
    file = project / "controller" / module
    before = file.read_text() if file.exists() else ""
    file.write_text(f"{before}\n{line}\n")
    assert rule in broken_rules(project)
