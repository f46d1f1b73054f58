"""`make release`: every file of a release, the same bytes from the same commit, and nothing that is not committed."""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from controller import __version__
from tests.release.helm import Helm
from tests.support.checkout import MOMENT, checkout
from tools.archive import repack
from tools.bundle import BUNDLE
from tools.image import NO_BUILDER, image_builder, image_command, succeeds
from tools.kustomize import ROOT, objects
from tools.marks import NAME
from tools.release import IMAGE, INSTALLATIONS, main, what_keeps_the_tag

WHEEL = f"dashboard_database_operator-{__version__}-py3-none-any.whl"
SOURCE = f"dashboard_database_operator-{__version__}.tar.gz"
PACKED_CHART = f"dashboard-database-operator-{__version__}.tgz"
PACKED_BUNDLE = f"dashboard-database-operator-bundle-{__version__}.tgz"
CONTENTS = f"dashboard-database-operator-{__version__}.cdx.json"
DIGEST = "registry.example.com/dashboards/operator@sha256:" + "0" * 64


def make_release(folder: Path, *, umask: int) -> Path:
    """Run `make release` in FOLDER with the rights that UMASK leaves to new files; return the folder of the files."""
    command = ["make", "release", f"BIN={Path(sys.executable).parent}", "STAMP="]  # our environment, and no new one
    environ = {name: value for name, value in os.environ.items() if name not in ("SOURCE_DATE_EPOCH", "MAKEFLAGS")}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False, umask=umask)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No image" in done.stderr, "why there is no image is said"
    return folder / "dist"


def texts(folder: Path) -> dict[Path, str]:
    """Return the text of each file in FOLDER by its path there."""
    return {path.relative_to(folder): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_release(checkout(tmp_path_factory.mktemp("one")), umask=0o022)


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another build of the same release, elsewhere, by somebody with other habits."""
    return make_release(checkout(tmp_path_factory.mktemp("another") / "much" / "deeper"), umask=0o077)


def test_a_release_has_these_files_and_their_checksums(first: Path) -> None:
    names = {path.name for path in first.iterdir()}
    assert names == {WHEEL, SOURCE, CONTENTS, PACKED_CHART, PACKED_BUNDLE, *INSTALLATIONS, "crds.yaml", "SHA256SUMS"}
    said = [line.split("  ") for line in (first / "SHA256SUMS").read_text().splitlines()]
    assert {name: digest for digest, name in said} == {
        name: hashlib.sha256((first / name).read_bytes()).hexdigest() for name in names - {"SHA256SUMS"}
    }


def test_the_same_commit_gives_the_same_bytes(first: Path, second: Path) -> None:
    assert (first / "SHA256SUMS").read_text() == (second / "SHA256SUMS").read_text()


def test_the_files_are_from_the_time_of_the_commit(first: Path) -> None:
    with tarfile.open(first / SOURCE) as archive:
        assert {entry.mtime for entry in archive} == {MOMENT}
    dates = {entry.date_time[:3] for entry in zipfile.ZipFile(first / WHEEL).infolist()}
    assert dates == {(2025, 6, 15)}


def test_the_source_archive_holds_what_is_committed_and_no_more(first: Path) -> None:
    with tarfile.open(first / SOURCE) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"Makefile", "manifests/kustomization.yaml", "tests/release/test_release.py"} <= names
    listed = subprocess.run(["git", "ls-files"], cwd=first.parent, capture_output=True, text=True, check=True).stdout
    assert names - {"PKG-INFO"} <= set(listed.splitlines())


@pytest.mark.parametrize(("name", "folder"), INSTALLATIONS.items())
def test_each_installation_is_what_kustomize_renders(name: str, folder: str, first: Path) -> None:
    assert list(yaml.safe_load_all((first / name).read_text())) == objects(ROOT / folder)


def test_the_packed_chart_renders_as_the_unpacked_one(first: Path, chart: Helm) -> None:
    assert chart.render(chart=first / PACKED_CHART) == chart.render()


def test_the_packed_bundle_is_the_one_of_this_checkout(first: Path, tmp_path: Path) -> None:
    with tarfile.open(first / PACKED_BUNDLE) as archive:
        archive.extractall(tmp_path, filter="data")
    assert texts(tmp_path / f"{NAME}-bundle") == texts(BUNDLE)


def test_every_folder_for_kubectl_apply_is_released() -> None:
    folders = {path.parent for path in (ROOT / "manifests").rglob("kustomization.yaml")}
    whole = {folder for folder in folders if "kind: Component" not in (folder / "kustomization.yaml").read_text()}
    bases = {"cluster-wide", "operator", "replicas", "1-of-2", "2-of-2"}
    assert {folder for folder in whole if folder.name not in bases} == {ROOT / name for name in INSTALLATIONS.values()}


def test_the_list_of_contents_names_this_version(first: Path) -> None:
    written = json.loads((first / CONTENTS).read_text())
    assert written["metadata"]["component"]["version"] == __version__


def test_the_image_that_was_pushed_is_the_one_that_is_installed(tmp_path: Path, chart: Helm) -> None:
    done = CliRunner().invoke(
        main, ["--into", str(tmp_path), "--image", DIGEST], env={"SOURCE_DATE_EPOCH": str(MOMENT)}
    )
    assert done.exit_code == 0, done.output
    for name in INSTALLATIONS:
        text = (tmp_path / name).read_text()
        assert f"image: {DIGEST}\n" in text
        assert IMAGE not in text
    deployment = chart.render(chart=tmp_path / PACKED_CHART)[f"dashdb-system/Deployment/{NAME}"]
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == DIGEST
    with tarfile.open(tmp_path / PACKED_BUNDLE) as archive:
        archive.extractall(tmp_path, filter="data")
    text = "".join(texts(tmp_path / f"{NAME}-bundle").values())
    assert (text.count(f": {DIGEST}\n"), text.count(IMAGE)) == (3, 0)


@pytest.mark.parametrize("option", ["--image", "--base"])
@pytest.mark.parametrize(
    "name", ["operator", "operator:0.1.0", "operator@sha256:0", f"{DIGEST}\nmore", DIGEST.replace("registry", "-x")]
)
def test_an_image_without_its_digest_is_refused(option: str, name: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--into", str(tmp_path / "dist"), option, name])
    assert done.exit_code == 2
    assert f"Invalid value for '{option}'" in done.output
    assert not (tmp_path / "dist").exists()


@pytest.mark.parametrize(
    ("tag", "changelog", "said"),
    [
        ("v9.9.9", f"## {__version__} - 2026-01-31\n", "have to be the same"),
        (__version__, f"## {__version__} - 2026-01-31\n", "have to be the same"),
        (f"v{__version__}", "## Unreleased\n", "CHANGELOG.md has no section"),
        (f"v{__version__}", f"## {__version__}\n", "CHANGELOG.md has no section"),
        (f"v{__version__}", f"### {__version__} - 2026-01-31\n", "CHANGELOG.md has no section"),
    ],
)
def test_a_tag_of_another_version_or_without_its_changes_is_refused(tag: str, changelog: str, said: str) -> None:
    assert said in (what_keeps_the_tag(tag, changelog) or "")


def test_the_tag_of_this_version_with_its_changes_is_released() -> None:
    assert what_keeps_the_tag(f"v{__version__}", f"# Changelog\n\n## {__version__} - 2026-01-31\n") is None


def test_a_tag_that_is_refused_leaves_nothing(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--into", str(tmp_path / "dist"), "--tag", "v9.9.9"])
    assert (done.exit_code, (tmp_path / "dist").exists()) == (2, False)


def test_the_image_is_built_by_what_works() -> None:
    assert image_builder(lambda command: True) == "buildah"
    assert image_builder(lambda command: command[0] == "docker") == "docker"
    assert image_builder(lambda command: False) is None


def test_a_program_that_is_missing_or_fails_does_not_work() -> None:
    assert succeeds([sys.executable, "-c", ""])
    assert not succeeds([sys.executable, "-c", "raise SystemExit(1)"])
    assert not succeeds(["no-such-program"])


def test_without_such_a_program_all_other_files_are_there(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    command = ["--into", str(tmp_path / "dist"), "--base", DIGEST]
    environ = {"SOURCE_DATE_EPOCH": str(MOMENT), "PATH": str(tmp_path / "bin")}
    done = CliRunner().invoke(main, command, env=environ)
    assert done.exit_code == 0
    assert NO_BUILDER in done.stderr
    assert (tmp_path / "dist" / "SHA256SUMS").is_file()


@pytest.mark.parametrize("builder", ["buildah", "docker"])
def test_the_image_has_the_base_and_the_time_of_the_release(builder: str, tmp_path: Path) -> None:
    command = image_command(builder, DIGEST, tmp_path / "image.tar", MOMENT)
    assert command[0] == builder
    assert f"PYTHON_IMAGE={DIGEST}" in command
    assert any(str(MOMENT) in part for part in command)
    assert builder == "buildah" or {"--provenance=false", "--sbom=false"} < {*command}
    assert any(str(tmp_path / "image.tar") in part for part in command)


def test_an_archive_with_the_same_files_has_the_same_bytes(tmp_path: Path) -> None:
    archives = []
    for number, names in enumerate((("a", "b/c"), ("b/c", "a"))):
        archive = tmp_path / f"{number}.oci.tar"
        with tarfile.open(archive, "w") as tar:
            for name in names:
                entry = tarfile.TarInfo(name)
                entry.size, entry.mtime = len(name), number
                tar.addfile(entry, io.BytesIO(name.encode()))
        repack(archive, moment=MOMENT)
        archives.append(archive)
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with tarfile.open(archives[0]) as tar:
        members = [(entry.name, entry.mtime, (tar.extractfile(entry) or io.BytesIO()).read()) for entry in tar]
    assert members == [("a", MOMENT, b"a"), ("b/c", MOMENT, b"b/c")]
    assert sorted(tmp_path.iterdir()) == archives


def test_each_alert_leads_to_its_runbook_at_the_address_of_the_files(tmp_path: Path, chart: Helm) -> None:
    address = "https://git.example.com/dashdb/v0"
    command = ["--into", str(tmp_path), "--runbooks", f"{address}/"]
    done = CliRunner().invoke(main, command, env={"SOURCE_DATE_EPOCH": str(MOMENT)})
    assert done.exit_code == 0, done.output
    with tarfile.open(tmp_path / PACKED_BUNDLE) as archive:
        archive.extractall(tmp_path, filter="data")
    rendered = chart.render("--set", "monitoring.enabled=true", chart=tmp_path / PACKED_CHART)
    whole = [
        (tmp_path / "install-with-monitoring.yaml").read_text(),
        "".join(texts(tmp_path / f"{NAME}-bundle").values()),
        yaml.safe_dump_all(rendered.values(), width=500),
    ]
    for text in whole:
        urls = re.findall(r"runbook_url: (\S+)", text)
        assert len(urls) > 10
        assert all(url.startswith(f"{address}/docs/runbooks.md#") for url in urls)
