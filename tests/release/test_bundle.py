"""The bundle installs what manifests/openshift do, but for differences that are named here, and OLM finds it valid."""

import json
import re
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from controller import __version__
from tests.cluster.manifests_objects import options_of
from tests.release.olm import bundle_objects, verdict
from tools import bundle as bundle_module
from tools.bundle import ANNOTATIONS, BUNDLE, CRD, CSV, LEFT_OUT, OPERATOR, WATCHED, bundle_files
from tools.kustomize import ROOT, key_of, objects

NAME = "dashboard-database-operator"
HOME = "dashdb-system"


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, Any]]:
    return bundle_objects()


@pytest.fixture
def manifests() -> dict[str, dict[str, Any]]:
    return {key_of(item): item for item in objects(ROOT / "manifests/openshift")}


def spec(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return dict(found[CSV]["spec"])


def test_olm_finds_nothing_to_complain_about() -> None:
    assert verdict() == {"errors": [], "warnings": []}


def test_the_scorecard_finds_resources_and_a_descriptor_for_each_field_at_the_top_of_an_example(
    found: dict[str, dict[str, Any]],
) -> None:
    [owned] = spec(found)["customresourcedefinitions"]["owned"]
    assert owned["resources"]
    examples = json.loads(found[CSV]["metadata"]["annotations"]["alm-examples"])
    [version] = found[CRD]["spec"]["versions"]
    properties = version["schema"]["openAPIV3Schema"]["properties"]
    for part in ("spec", "status"):
        paths = {descriptor["path"] for descriptor in owned[f"{part}Descriptors"]}
        assert {name for example in examples for name in example.get(part, {})} <= paths
        assert properties[part]["properties"].keys() <= paths


def test_olm_would_complain(tmp_path: Path) -> None:
    shutil.copytree(BUNDLE, tmp_path / "bundle")
    [crd] = (tmp_path / "bundle" / "manifests").glob("*_customresourcedefinition.yaml")
    crd.unlink()
    said = verdict(tmp_path / "bundle")
    assert any("owned CRD" in error and "not found in bundle" in error for error in said["errors"])


def test_the_deployment_differs_in_the_namespaces_that_olm_chooses_and_in_nothing_else(
    found: dict[str, dict[str, Any]], manifests: dict[str, dict[str, Any]]
) -> None:
    [deployment] = deepcopy(spec(found)["install"]["spec"]["deployments"])
    wanted = manifests[f"Deployment/{NAME}"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert "namespaces" not in options_of(container), "they would count for more than the variable"
    assert container.pop("env") == [WATCHED]
    assert deployment == {"name": NAME, "label": wanted["metadata"]["labels"], "spec": wanted["spec"]}


def test_the_rights_are_those_of_the_manifests_for_the_whole_cluster(found: dict[str, dict[str, Any]]) -> None:
    """Rights that OLM limits to the chosen namespaces, and questions about tokens, which are of the whole cluster."""
    wanted = {key_of(item): item for item in objects(ROOT / "manifests")}[f"ClusterRole/{NAME}"]["rules"]
    strategy = spec(found)["install"]["spec"]
    [limited], [unlimited] = strategy["permissions"], strategy["clusterPermissions"]
    assert limited["rules"] + unlimited["rules"] == wanted
    assert limited["serviceAccountName"] == unlimited["serviceAccountName"] == NAME
    assert [rule["resources"] for rule in unlimited["rules"]] == [["tokenreviews"], ["subjectaccessreviews"]]


def test_all_other_objects_are_those_of_the_manifests_without_a_namespace(
    found: dict[str, dict[str, Any]], manifests: dict[str, dict[str, Any]]
) -> None:
    wanted = {key: item for key, item in manifests.items() if key not in LEFT_OUT}
    for kind in OPERATOR:
        del wanted[f"{kind}/{NAME}"]
    for item in wanted.values():
        item["metadata"].pop("namespace", None)
    role, binding = wanted[f"Role/{NAME}-lease"], wanted[f"RoleBinding/{NAME}-lease"]
    role["rules"].append({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]})
    binding["subjects"] = [{"kind": "ServiceAccount", "name": NAME}]
    assert {key: item for key, item in found.items() if key != CSV} == wanted


def test_the_secret_that_is_left_out_stands_in_the_documents(manifests: dict[str, dict[str, Any]]) -> None:
    written = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/release.md").read_text(), re.MULTILINE | re.DOTALL)
    wanted = manifests[f"Secret/{NAME}-metrics"]
    del wanted["metadata"]["labels"], wanted["metadata"]["namespace"]
    assert [yaml.safe_load(text) for text in written] == [wanted]


def test_what_olm_suggests_as_namespace_is_that_of_the_manifests(
    found: dict[str, dict[str, Any]], manifests: dict[str, dict[str, Any]]
) -> None:
    said = found[CSV]["metadata"]["annotations"]["operatorframework.io/suggested-namespace-template"]
    assert json.loads(said) == manifests[f"Namespace/{HOME}"]


def test_examples_are_the_samples_and_the_shortest_comes_first(found: dict[str, dict[str, Any]]) -> None:
    examples = json.loads(found[CSV]["metadata"]["annotations"]["alm-examples"])
    assert examples[0]["metadata"]["name"] == "perses"
    samples = (ROOT / "manifests/samples").glob("dashboarddatabase-*.yaml")
    assert sorted(map(str, examples)) == sorted(str(yaml.safe_load(path.read_text())) for path in samples)


def test_every_field_that_is_shown_has_a_name_and_a_description(found: dict[str, dict[str, Any]]) -> None:
    [owned] = spec(found)["customresourcedefinitions"]["owned"]
    assert owned["description"] in str(found[CRD])
    for part in ("specDescriptors", "statusDescriptors"):
        assert owned[part]
        assert all(each["displayName"] and each["description"] for each in owned[part])


def test_the_bundle_is_of_this_version_and_names_one_image(found: dict[str, dict[str, Any]]) -> None:
    assert found[CSV]["metadata"]["name"] == f"{NAME}.v{__version__}"
    assert spec(found)["version"] == __version__
    text = next((BUNDLE / "manifests").glob("*.clusterserviceversion.yaml")).read_text()
    assert re.findall(rf"{NAME}[:@]\S+", text) == [f"{NAME}:{__version__}"] * 3


def test_the_image_of_the_bundle_holds_its_folders_and_has_its_annotations() -> None:
    lines = (BUNDLE / "bundle.Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("LABEL")] == [f"LABEL {k}={v}" for k, v in ANNOTATIONS.items()]
    copied = [line.split()[1:] for line in lines if line.startswith("COPY")]
    named = [value for name, value in ANNOTATIONS.items() if re.search(r"(manifests|metadata|config)\.v1$", name)]
    assert [target for _, target in copied] == [f"/{folder}" for folder in named]
    assert all((BUNDLE / source).is_dir() for source, _ in copied)


def test_the_bundle_is_what_the_manifests_say() -> None:
    assert {name: (BUNDLE / name).read_text() for name in bundle_files()} == bundle_files()


def test_a_bundle_that_is_not_what_the_manifests_say_is_found_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_module, "BUNDLE", tmp_path)
    assert CliRunner().invoke(bundle_module.main, ["--check"]).output.count("run make bundle") == len(bundle_files())
    assert list(tmp_path.iterdir()) == [], "a check writes nothing"
    assert CliRunner().invoke(bundle_module.main, []).exit_code == 0
    assert CliRunner().invoke(bundle_module.main, ["--check"]).exit_code == 0
    (tmp_path / "manifests" / "of-before.yaml").write_text("kind: Role\n")
    done = CliRunner().invoke(bundle_module.main, ["--check"])
    assert (done.exit_code, "of-before.yaml is not what manifests/ say" in done.output) == (1, True)
    assert CliRunner().invoke(bundle_module.main, []).exit_code == 0
    assert not (tmp_path / "manifests" / "of-before.yaml").exists()


def test_an_object_that_olm_would_not_take_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_module, "LEFT_OUT", bundle_module.LEFT_OUT[:1])
    done = CliRunner().invoke(bundle_module.main, ["--check"])
    assert done.exit_code == 1
    assert f"OLM takes no Lease/{NAME}" in done.output
