"""The version stands in controller/__init__.py; whatever else names it says the same."""

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from controller import __version__
from tools.kustomize import ROOT
from tools.version import main, places, with_version

LABEL = "app.kubernetes.io/version"
KUSTOMIZATIONS = sorted((ROOT / "manifests").rglob("kustomization.yaml"))
SAMPLES = sorted((ROOT / "manifests" / "samples").glob("*.yaml"))


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def test_a_new_version_is_written_wherever_it_stands_and_nowhere_else() -> None:
    texts = {path: path.read_text() for path in places()}
    written = {path: with_version(text, __version__, "77.88.99") for path, text in texts.items()}
    assert all(__version__ not in text for text in written.values())
    changed = {path for path, text in written.items() if text != texts[path]}
    assert {ROOT / "controller" / "__init__.py", ROOT / "Dockerfile"} < changed
    assert changed > {path for path in (*KUSTOMIZATIONS, *SAMPLES) if __version__ in path.read_text()}
    assert with_version("1.0.1.0 and 0.1.0-rc and 10.1.0", "0.1.0", "2.0.0") == "1.0.1.0 and 2.0.0-rc and 10.1.0"


@pytest.mark.parametrize("new", ["", "1.2", "v1.2.3", "01.2.3"])
def test_what_is_no_version_is_refused_before_anything_is_written(new: str) -> None:
    done = CliRunner().invoke(main, [new])
    assert done.exit_code == 2
    assert "write three numbers" in done.output


def test_it_is_a_semantic_version() -> None:
    assert re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", __version__)


@pytest.mark.parametrize("path", [*KUSTOMIZATIONS, *SAMPLES], ids=lambda path: str(path.relative_to(ROOT)))
def test_manifests_name_it(path: Path) -> None:
    text = path.read_text()
    named = re.findall(rf"(?:{LABEL}: |newTag: |image: dashboard-database-operator:)(\S+)", text)
    assert set(named) <= {__version__}


def test_the_manifests_name_it_at_all() -> None:
    [operator] = [yaml.safe_load(path.read_text()) for path in KUSTOMIZATIONS if path.parent.name == "replicas"]
    assert operator["images"][0]["newTag"] == __version__
    assert operator["labels"][0]["pairs"][LABEL] == __version__


def test_the_changelog_has_no_later_release() -> None:
    titles = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert titles[0] == "Unreleased" or titles[0].startswith(f"{__version__} - ")
    released = [numbers(title.partition(" - ")[0]) for title in titles if title != "Unreleased"]
    assert released == sorted(released, reverse=True)
    assert all(number <= numbers(__version__) for number in released)


def test_the_dockerfile_names_it() -> None:
    text = (ROOT / "Dockerfile").read_text()
    named = re.findall(r'image\.version="([^"]*)"|dashboard-database-operator:(\d\S*)', text)
    assert {version for pair in named for version in pair if version} == {__version__}
