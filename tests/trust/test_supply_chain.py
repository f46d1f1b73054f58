"""Promises about what the image is made of."""

import json
import re
import subprocess
from email.message import Message
from importlib.metadata import PackageMetadata, metadata
from pathlib import Path

import pytest
import yaml

from controller import __version__

ROOT = Path(__file__).parents[2]
DIGEST = "sha256:" + "0" * 64
PERMISSIVE = frozenset({"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "PSF-2.0"})
NAMED = {"certifi": "MPL-2.0"}
"""The only other licence, of a list of authorities that is shipped as it is: MPL-2.0 asks for the source of changed
files alone, and none is changed. LGPL would do as well, since Python links at run time; nothing has it."""
LICENCES_BY_CLASSIFIER = {
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",  # of two clauses or three
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
}
LOCKED = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[^ ;]+)(?P<rest>(?:.*\\\n)*.*)$", re.MULTILINE)


def locked(file: str = "requirements.lock") -> dict[str, str]:
    """Version of each distribution in a lock file."""
    return {found["name"]: found["version"] for found in LOCKED.finditer((ROOT / file).read_text())}


def licences(about: "Message | PackageMetadata") -> set[str]:
    """Return the SPDX names that a distribution declares: as an expression, in its old field, or as classifiers."""
    fields: list[str] = (about.get_all("License-Expression") or []) + (about.get_all("License") or [])
    declared = fields[0] if fields else ""
    if not declared:
        return {
            LICENCES_BY_CLASSIFIER.get(each, each) for each in about.get_all("Classifier") or () if "License" in each
        }
    spelled = {"Apache 2.0": "Apache-2.0"}.get(declared, declared)
    return set(re.split(r" (?:AND|OR) ", spelled))


@pytest.mark.parametrize("name", locked())
def test_every_distribution_in_the_image_has_a_permissive_licence_or_is_named(name: str) -> None:
    found = licences(metadata(name))
    assert found
    assert found <= PERMISSIVE | {NAMED.get(name, "MIT")}, found


def test_no_exception_is_named_that_is_not_needed() -> None:
    assert {name: licences(metadata(name)) for name in NAMED} == {name: {licence} for name, licence in NAMED.items()}
    assert NAMED.keys() <= locked().keys()


@pytest.mark.parametrize("licence", ["GPL-3.0-only", "AGPL-3.0", "MPL-2.0", "Proprietary", "MIT AND GPL-2.0-only"])
def test_another_licence_would_be_noticed(licence: str) -> None:
    about = Message()
    about["License-Expression"] = licence
    assert not licences(about) <= PERMISSIVE


@pytest.mark.parametrize("file", ["requirements.lock", "requirements-dev.lock"])
def test_every_distribution_is_pinned_by_version_and_hash(file: str) -> None:
    text = (ROOT / file).read_text()
    assert len(locked(file)) == len(re.findall(r"^[^\s#]", text, re.MULTILINE))
    for found in LOCKED.finditer(text):
        assert "--hash=sha256:" in found["rest"], found["name"]


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_list_of_contents_is_the_lock_file_and_the_same_each_time(tmp_path: Path) -> None:
    written = []
    for folder in ("first", "second"):
        done = make("sbom", f"DIST={tmp_path / folder}")
        assert done.returncode == 0, done.stdout + done.stderr
        [path] = (tmp_path / folder).iterdir()
        assert path.name == f"dashboard-database-operator-{__version__}.cdx.json"
        written.append(path.read_bytes())
    assert written[0] == written[1]
    listed = json.loads(written[0])
    assert (listed["bomFormat"], listed["metadata"]["component"]["version"]) == ("CycloneDX", __version__)
    assert {each["name"]: each["version"] for each in listed["components"]} == locked()
    assert all(each["purl"] == f"pkg:pypi/{each['name']}@{each['version']}" for each in listed["components"])


@pytest.mark.parametrize(
    ("base", "built"),
    [
        ("", False),
        ("python:3.13-slim", False),
        ("python:3.13-slim@sha256:abc", False),
        (f"python@{DIGEST}x", False),
        (f"python:3.13-slim@{DIGEST}", True),
        (f"registry.example.com/python:3.13-slim@{DIGEST}", True),
    ],
)
def test_an_image_for_others_is_built_on_a_digest_alone(base: str, built: bool, tmp_path: Path) -> None:
    done = make("image", f"PYTHON_IMAGE={base}", "DOCKER=echo would", f"DIST={tmp_path}")
    assert (done.returncode == 0) is built, done.stdout + done.stderr
    assert (f"would build --build-arg PYTHON_IMAGE={base} " in done.stdout) is built
    if not built:
        assert "Name the base by its digest" in done.stdout


def test_both_stages_of_the_image_stand_on_the_same_base() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE) == ["${PYTHON_IMAGE}"] * 2
    assert 'org.opencontainers.image.base.name="${PYTHON_IMAGE}"' in dockerfile


def test_known_weaknesses_of_what_is_locked_are_looked_for_each_day() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/audit.yaml").read_text())
    assert "schedule" in workflow["on"]
    steps = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    assert any(re.search(r"pip-audit .*--requirement requirements\.lock", step) for step in steps)
