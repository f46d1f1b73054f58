"""Changes of the CRD from one release to the next, judged by crdify as an administrator would let it."""

import subprocess
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.checkout import ROOT, checkout
from tests.support.crd_changes import CRD, findings_of, incompatible_changes, released_crd

Judge = Callable[[Callable[[dict[str, Any]], None]], list[str]]
"""Changes the schema of `spec` and returns what is incompatible in that."""


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    def judged(change: Callable[[dict[str, Any]], None]) -> list[str]:
        changed = deepcopy(yaml.safe_load((ROOT / CRD).read_text()))
        change(changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"])
        file = tmp_path / "changed.yaml"
        file.write_text(yaml.safe_dump(changed))
        return incompatible_changes(ROOT / CRD, file)

    return judged


def test_the_same_crd_has_no_incompatible_change() -> None:
    assert incompatible_changes(ROOT / CRD, ROOT / CRD) == []


def remove_a_field(spec: dict[str, Any]) -> None:
    del spec["properties"]["suspend"]


def change_a_type(spec: dict[str, Any]) -> None:
    spec["properties"]["suspend"] = {"type": "string", "maxLength": 10}


def remove_a_value(spec: dict[str, Any]) -> None:
    spec["properties"]["schema"]["properties"]["policy"]["enum"].remove("Manual")


def add_a_required_field(spec: dict[str, Any]) -> None:
    spec["properties"]["owner"] = {"type": "string", "maxLength": 10}
    spec["required"] = [*spec.get("required", ()), "owner"]


def lower_a_maximum(spec: dict[str, Any]) -> None:
    spec["properties"]["pool"]["properties"]["maxOpenConnections"]["maximum"] -= 1


@pytest.mark.parametrize(
    ("change", "place", "check"),
    [
        (remove_a_field, "^.spec.suspend", "existingFieldRemoval"),
        (change_a_type, "^.spec.suspend", "type"),
        (remove_a_value, "^.spec.schema.policy", "enum"),
        (add_a_required_field, "^.spec", "required"),
        (lower_a_maximum, "^.spec.pool.maxOpenConnections", "maximum"),
    ],
)
def test_what_would_refuse_resources_of_today_is_named_with_its_place(
    change: Callable[[dict[str, Any]], None], place: str, check: str, judge: Judge
) -> None:
    found = judge(change)
    assert found
    assert any(place in each and check in each for each in found), found


def add_an_optional_field(spec: dict[str, Any]) -> None:
    spec["properties"]["owner"] = {"type": "string", "maxLength": 10, "description": "Who to ask."}


def change_words(spec: dict[str, Any]) -> None:
    spec["properties"]["suspend"]["description"] = "In other words."


@pytest.mark.parametrize("change", [add_an_optional_field, change_words])
def test_what_takes_nothing_from_resources_of_today_is_compatible(
    change: Callable[[dict[str, Any]], None], judge: Judge
) -> None:
    assert judge(change) == []


def test_the_crd_is_compatible_with_that_of_the_newest_release(tmp_path: Path) -> None:
    """Before the first release there is no other CRD to compare with than this one itself."""
    older = tmp_path / "released.yaml"
    older.write_text(released_crd(ROOT))
    assert incompatible_changes(older, ROOT / CRD) == []


def test_the_newest_release_is_the_one_with_the_highest_version(tmp_path: Path) -> None:
    repository = checkout(tmp_path)
    assert released_crd(repository) == (repository / CRD).read_text()
    author = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    for tag in ("v0.10.0", "v0.9.0", "v1.0.0-rc1", "vnext"):
        (repository / CRD).write_text(f"# {tag}\n")
        subprocess.run(["git", *author, "commit", "--quiet", "--all", "--message", tag], cwd=repository, check=True)
        subprocess.run(["git", "tag", tag], cwd=repository, check=True)
    assert released_crd(repository) == "# v0.10.0\n"


def test_errors_and_warnings_of_crdify_are_named_with_their_places() -> None:
    lost = {"name": "existingFieldRemoval", "errors": ["field removed : v1alpha1.^.spec.suspend"]}
    stricter = {"name": "maximum", "errors": ["maximum decreased"], "warnings": ["said once more"]}
    places = {"^.spec.pool.maxOpen": [{"name": "default"}, stricter]}
    judged = {"crdValidation": [{"name": "scope"}, lost], "sameVersionValidation": {"v1alpha1": places}}
    assert findings_of(judged) == [
        "existingFieldRemoval: field removed : v1alpha1.^.spec.suspend",
        "v1alpha1 ^.spec.pool.maxOpen: maximum: maximum decreased",
        "v1alpha1 ^.spec.pool.maxOpen: maximum: said once more",
    ]
    assert findings_of({"crdValidation": [], "servedVersionValidation": None}) == []
