"""Builds what a release consists of: `make release` runs it.

The same commit gives the same bytes: times are those of the last commit, or of SOURCE_DATE_EPOCH.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from controller import __version__
from tools.archive import checksums, write_archive
from tools.bundle import BUNDLE
from tools.chart import CHART
from tools.image import build_image
from tools.kustomize import ROOT, rendered
from tools.marks import NAME

IMAGE = f"{NAME}:{__version__}"
"""The image as manifests/ name it."""
DIGEST = re.compile(r"[a-z0-9][a-z0-9./:_-]*@sha256:[0-9a-f]{64}")
INSTALLATIONS = {
    "install.yaml": "manifests",
    "install-with-monitoring.yaml": "manifests/with-monitoring",
    "install-openshift.yaml": "manifests/openshift",
    "install-namespaced.yaml": "manifests/namespaced",
    "install-shards.yaml": "manifests/shards",
}
"""File for `kubectl apply -f`, and the folder that it is made of."""


def source_moment() -> int:
    """Return SOURCE_DATE_EPOCH, or else the time of the last commit, in seconds since 1970."""
    chosen = os.environ.get("SOURCE_DATE_EPOCH")
    if chosen is None:
        command = ["git", "log", "-1", "--format=%ct"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        chosen = done.stdout.strip()
    if not chosen.isdigit():
        raise click.UsageError("No commit says which time the files are from: set SOURCE_DATE_EPOCH=seconds.")
    return int(chosen)


def what_keeps_the_tag(tag: str, changelog: str) -> str | None:
    """Return why TAG cannot be released, or None where it can."""
    if tag != f"v{__version__}":
        return f"The tag is {tag}, and controller/__init__.py says {__version__}: they have to be the same."
    if not re.search(rf"^## {re.escape(__version__)} - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        return f"CHANGELOG.md has no section '## {__version__} - YYYY-MM-DD': give the section Unreleased that title."
    return None


def linked(text: str, runbooks: str | None) -> str:
    """Return TEXT with the address RUNBOOKS, if any, in front of the path that each alert has as its runbook_url."""
    where = "" if runbooks is None else f"{runbooks.rstrip('/')}/"
    return text.replace("runbook_url: docs/", f"runbook_url: {where}docs/")


def write_installations(into: Path, image: str, runbooks: str | None) -> None:
    """Write a file for `kubectl apply -f` of each way to install, and one with the CRD alone."""
    for name, folder in INSTALLATIONS.items():
        text = rendered(ROOT / folder)
        if (line := f"image: {IMAGE}\n") not in text:
            raise click.ClickException(f"{folder} does not run {IMAGE}: its kustomizations name another version.")
        title = f"# {NAME} {__version__}: the same as {folder}/, for kubectl apply -f {name}\n"
        (into / name).write_text(title + linked(text.replace(line, f"image: {image}\n"), runbooks))
    shutil.copyfile(ROOT / "crds" / "dashboarddatabases.yaml", into / "crds.yaml")


def write_chart(into: Path, image: str | None, runbooks: str | None, moment: int) -> None:
    """Write the archive of the Helm chart, with IMAGE (by its digest) as its default."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / NAME
        shutil.copytree(CHART, copy)
        alerts = copy / "templates" / "monitoring.yaml"
        alerts.write_text(linked(alerts.read_text(), runbooks))
        if image is not None:
            repository, _, digest = image.partition("@")
            values = (copy / "values.yaml").read_text()
            values = values.replace(f"  repository: {NAME}\n", f"  repository: {repository}\n")
            (copy / "values.yaml").write_text(values.replace('  digest: ""\n', f"  digest: {digest}\n"))
        write_archive(copy, into / f"{NAME}-{__version__}.tgz", moment=moment)


def write_bundle(into: Path, image: str | None, runbooks: str | None, moment: int) -> None:
    """Write the archive of the bundle for Operator Lifecycle Manager, which installs IMAGE (by its digest)."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"{NAME}-bundle"
        shutil.copytree(BUNDLE, copy)
        for alerts in (copy / "manifests").glob("*_prometheusrule.yaml"):
            alerts.write_text(linked(alerts.read_text(), runbooks))
        if image is not None:
            version = copy / "manifests" / f"{NAME}.clusterserviceversion.yaml"
            version.write_text(version.read_text().replace(f": {IMAGE}\n", f": {image}\n"))
        write_archive(copy, into / f"{NAME}-bundle-{__version__}.tgz", moment=moment)


def build_packages(into: Path, moment: int) -> None:
    """Build wheel and source archive, with the builder that the development environment has."""
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(into), "--target", "wheel"]
    command += ["--target", "sdist"]
    environ = {**os.environ, "SOURCE_DATE_EPOCH": str(moment)}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise click.ClickException(f"hatchling could not build the packages: {done.stdout}{done.stderr}")


def require_digest(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:  # noqa: ARG001
    """Return VALUE if it is the name of an image with its digest."""
    if value is not None and not DIGEST.fullmatch(value):
        raise click.BadParameter(f"{value} may be another image tomorrow; write name@sha256: and 64 digits.")
    return value


@click.command(epilog="Example: python -m tools.release --into dist")
@click.option("--into", type=click.Path(path_type=Path), required=True, help="Folder to write to, such as dist.")
@click.option("--image", callback=require_digest, help="Image to install: registry.example.com/name@sha256:...")
@click.option("--base", callback=require_digest, help="Base of the image, by its digest: python:3.13-slim@sha256:...")
@click.option("--runbooks", help="Address of this project's files, for the runbook of each alert: https://...")
@click.option("--tag", help="Refuse unless this is the tag of the version in the code, such as v0.1.0.")
def main(into: Path, image: str | None, base: str | None, runbooks: str | None, tag: str | None) -> None:
    """Build wheel, source archive, install files, Helm chart, OLM bundle, image and checksums."""
    reason = what_keeps_the_tag(tag, (ROOT / "CHANGELOG.md").read_text()) if tag else None
    if reason:
        raise click.UsageError(reason)
    moment = source_moment()
    into = into.resolve()
    into.mkdir(parents=True, exist_ok=True)
    build_packages(into, moment)
    write_installations(into, image or IMAGE, runbooks)
    write_chart(into, image, runbooks, moment)
    write_bundle(into, image, runbooks, moment)
    missing = build_image(base, into / f"{NAME}-{__version__}.oci.tar", moment=moment, source=ROOT)
    (into / "SHA256SUMS").write_text(checksums(into))
    click.echo("\n".join(sorted(path.name for path in into.iterdir())))
    if missing:
        click.echo(missing, err=True)


if __name__ == "__main__":
    main()
