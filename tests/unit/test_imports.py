"""The tests of `make unit` need no server and no Go build: they import nothing that prepares or starts one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests/unit", "tests/perses")
"""Folders of the tests that `make unit` runs."""
PARTS = frozenset(
    f"tests.support.{name}"
    for name in (
        "binaries", "go_builds", "npm_packages", "postgres_parts", "pgbouncer_parts", "browser_parts",
        "postgres", "pgbouncer", "controlplane", "browser",
    )
)  # fmt: skip
"""Modules that fetch, build or start real programs."""


def file_of(module: str) -> Path | None:
    """Return the file of a module of ours, or None for a name inside a module."""
    path = ROOT.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


def imported(file: Path) -> Iterator[str]:
    """Yield the modules of `tests` that FILE imports anywhere, also inside functions."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name.startswith("tests.") and file_of(name))


def chain_to_a_part(file: Path) -> list[str]:
    """Return the imports that lead from FILE to one of PARTS, or nothing where none does."""
    chains, seen = [[module] for module in imported(file)], set[str]()
    while chains:
        chain = chains.pop()
        if chain[-1] in PARTS:
            return chain
        found = file_of(chain[-1])
        if found and chain[-1] not in seen:
            seen.add(chain[-1])
            chains += [[*chain, module] for module in imported(found)]
    return []


def test_unit_tests_import_no_real_part() -> None:
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 50
    found = {str(file.relative_to(ROOT)): chain for file in files if (chain := chain_to_a_part(file))}
    assert found == {}, "move these tests to the folder of the part that they need"


@pytest.mark.parametrize(
    "text",
    [
        "from tests.support.binaries import promtool",
        "from tests.support import postgres",
        "def test() -> None:\n    import tests.support.controlplane",
        "from tests.support.certificates import issue_certificates",
        "from tests.cluster.conftest import team",
    ],
)
def test_every_way_of_importing_a_part_is_seen(text: str, tmp_path: Path) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(text)
    assert chain_to_a_part(file)[-1] in PARTS
