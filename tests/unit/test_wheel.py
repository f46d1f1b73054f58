"""The wheel holds all that the program reads when it is installed, and nothing else."""

import configparser
import re
import subprocess
import sys
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest

from controller import __version__
from controller.web.html import troubleshooting

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built from this checkout, with the builder that the development environment has."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    [path] = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.mark.parametrize(
    ("source", "packaged", "pattern"),
    [
        ("migrations", "controller/packaged/migrations", "*.sql"),
        ("crds", "controller/packaged/crds", "*.yaml"),
        ("docs", "controller/packaged", "troubleshooting.md"),
        ("controller/templates/documents", "controller/templates/documents", "*.json"),
        ("controller/web/templates", "controller/web/templates", "*.html"),
        ("controller", "controller", "**/*.py"),
        ("controller", "controller", "py.typed"),
    ],
)
def test_the_wheel_holds_every_file(source: str, packaged: str, pattern: str, wheel: zipfile.ZipFile) -> None:
    files = [path.relative_to(ROOT / source) for path in (ROOT / source).glob(pattern)]
    assert files
    for file in files:
        assert wheel.read(f"{packaged}/{file.as_posix()}") == (ROOT / source / file).read_bytes()


def test_the_wheel_holds_nothing_of_the_workshop(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"controller"}
    assert not [name for name in wheel.namelist() if "__pycache__" in name]


def test_the_wheel_brings_the_commands(wheel: zipfile.ZipFile) -> None:
    [name] = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    scripts = configparser.ConfigParser()
    scripts.read_string(wheel.read(name).decode())
    assert dict(scripts["console_scripts"]) == {
        "dashdb": "controller.cli:main",
        "kubectl-dashdb": "controller.cli.kubectl:main",
        "kubectl_complete-dashdb": "controller.cli.kubectl.completion:main",
    }


def test_the_installed_program_finds_its_own_migrations(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    ask = "from controller.migrate.files.folder import packaged_folder, read_folder as r; p = packaged_folder()"
    ask += "; print(p, r(p)[0].version)"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {ask}"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said == f"{tmp_path / 'controller/packaged/migrations'} 1\n"


def test_the_installed_program_finds_its_own_entries_for_reasons(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    ask = "from controller.web.html import troubleshooting; print(len(troubleshooting()))"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {ask}"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert int(said) == len(troubleshooting())


def ignored(name: str) -> bool:
    """Return True if Docker ignores a file: the last pattern in .dockerignore that matches decides."""
    result = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if pattern and not pattern.startswith("#") and fnmatch(name, pattern):
            result = not line.startswith("!")
    return result


def test_the_image_is_built_of_files_that_are_there() -> None:
    lines = re.findall(r"^COPY (?!--from)(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    sources = {name for line in lines for name in line.split()[:-1]}
    needed = {"controller", "crds", "migrations", "docs/troubleshooting.md", "requirements.lock", "pyproject.toml"}
    assert needed <= sources
    assert [name for name in sources if not (ROOT / name).exists() or ignored(name)] == []
    assert [name for name in (".git", ".venv", "tests", "docs", ".env", "manifests") if not ignored(name)] == []


def test_what_builds_the_wheel_is_pinned_for_the_image() -> None:
    found = re.search(r"keep = /\^\((.*)\)==/", (ROOT / "Dockerfile").read_text())
    assert found
    lock = (ROOT / "requirements-dev.lock").read_text()
    for name in found[1].split("|"):
        assert re.search(rf"^{name}==", lock, re.MULTILINE), name


def test_the_image_leaves_the_linter_out_and_the_developers_have_it() -> None:
    assert not re.search(r"^squawk", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert re.search(r"^squawk-cli==", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE)


def test_the_image_names_the_release() -> None:
    assert f'org.opencontainers.image.version="{__version__}"' in (ROOT / "Dockerfile").read_text()
