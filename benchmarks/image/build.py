"""Build of the image from the Dockerfile, on a base with Debian's Python where no registry of images can be reached."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.footprint import MEBIBYTE
from tests.support.installation import ROOT
from tools.image import image_command

PROGRAMS = ("buildah", "mmdebstrap", "runc")
"""Programs that this needs, each in the Debian package of its name."""
DEBIAN = "trixie"
"""Release of Debian that python:3.13-slim is made of."""
PACKAGES = "python3,python3-venv,ca-certificates"
MOMENT = 1767225600
"""Time of all files of the image, in seconds since 1970; any will do."""

# As in python:3.13-slim: `python` and pip are there, and the standard library has no compiled files.
_AS_SLIM = r"""
rm -f /usr/lib/python3*/EXTERNALLY-MANAGED
ln -s /usr/bin/python3 /usr/local/bin/python
python -m venv /tmp/venv
/tmp/venv/bin/python -m pip --quiet --python /usr/bin/python3 install --root-user-action=ignore \
  /usr/share/python-wheels/pip*.whl
rm -r /tmp/venv
find / -xdev -name __pycache__ -type d -prune -exec rm -r {} +
"""


@dataclass(frozen=True)
class Image:
    """Image as an archive.

    Attributes:
        digest: of its manifest, by which a registry would know it.
        layers: digest and MiB of each, as packed with gzip.
    """

    archive: Path
    digest: str
    layers: tuple[tuple[str, float], ...]


def refuse_without_programs() -> None:
    """Raise UsageError where one of the programs is missing."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise click.UsageError(f"{', '.join(missing)}: not found. Install: apt-get install {' '.join(PROGRAMS)}")
    if os.geteuid() != 0:
        raise click.UsageError("Only root may make a container with a user of its choice here.")


@contextmanager
def storage(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the environment in which buildah keeps everything below FOLDER, which `with` leaves empty.

    Builds run in a chroot and reach the network as this machine does, with the authorities that this machine trusts.
    """
    places = {name: folder / name for name in ("graph", "run")}
    settings = f'[storage]\ndriver = "overlay"\ngraphroot = "{places["graph"]}"\nrunroot = "{places["run"]}"\n'
    containers = '[containers]\nnetns = "host"\nvolumes = ["/etc/ssl/certs:/etc/ssl/certs:ro"]\n'
    (folder / "storage.conf").write_text(settings)
    (folder / "containers.conf").write_text(containers)
    environ = {
        **os.environ,
        "BUILDAH_ISOLATION": "chroot",
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "CONTAINERS_CONF": str(folder / "containers.conf"),
    }
    try:
        yield environ
    finally:
        _buildah(environ, "rm", "--all")
        _buildah(environ, "rmi", "--all", "--force")


def _run(command: list[str], environ: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(
            f"{' '.join(command[:3])} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}"
        )
    return done.stdout.strip()


def _buildah(environ: dict[str, str], *arguments: str) -> str:
    return _run(["buildah", *arguments], environ)


def python_base(environ: dict[str, str], folder: Path) -> str:
    """Make the base out of Debian's packages; return its name with its digest."""
    root = folder / "base.tar"
    _run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", DEBIAN, str(root)], environ)
    container = _buildah(environ, "from", "scratch")
    _buildah(environ, "add", "--quiet", container, str(root), "/")
    _buildah(environ, "run", container, "--", "sh", "-ec", _AS_SLIM)
    _buildah(environ, "commit", "--quiet", "--squash", "--timestamp", str(MOMENT), container, "python-base")
    _buildah(environ, "rm", container)
    root.unlink()
    digest = _buildah(environ, "images", "--digests", "--format", "{{.Digest}}", "python-base")
    return f"localhost/python-base@{digest}"


def build(environ: dict[str, str], base: str, archive: Path) -> Image:
    """Build the image as a release does."""
    _run(image_command("buildah", base, archive, MOMENT), environ)
    with tarfile.open(archive) as tar:
        digest = _json(tar, "index.json")["manifests"][0]["digest"]
        layers = [each["digest"] for each in _json(tar, _blob(digest))["layers"]]
        return Image(archive, digest, tuple((layer, _packed(tar, layer)) for layer in layers))


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _json(tar: tarfile.TarFile, name: str) -> Any:
    file = tar.extractfile(name)
    return json.load(file) if file else {}


def _packed(tar: tarfile.TarFile, layer: str) -> float:
    """Return the MiB of a layer as a registry sends it."""
    file, packing, size = tar.extractfile(_blob(layer)), zlib.compressobj(6, wbits=31), 0
    while file and (block := file.read(MEBIBYTE)):
        size += len(packing.compress(block))
    return (size + len(packing.flush())) / MEBIBYTE


@contextmanager
def unpacked(environ: dict[str, str], image: Image) -> Iterator[Path]:
    """Yield a folder with the files of IMAGE for a `with`."""
    container = _buildah(environ, "from", "--quiet", f"oci-archive:{image.archive}")
    try:
        yield Path(_buildah(environ, "mount", container))
    finally:
        _buildah(environ, "umount", container)


def size_of(folder: Path) -> float:
    """Return the MiB of all files below FOLDER."""
    return int(_run(["du", "--summarize", "--bytes", str(folder)], dict(os.environ)).split()[0]) / MEBIBYTE


def distributions(root: Path) -> set[str]:
    """Return the Python distributions in an unpacked image, as `name==version`."""
    folders = {path.parent for path in root.glob("**/*.dist-info") if path.is_dir()}
    found = importlib.metadata.distributions(path=[str(folder) for folder in folders])
    return {f"{_canonical(each.metadata['Name'])}=={each.version}" for each in found}


def listed(environ: dict[str, str], folder: Path) -> set[str]:
    """Return the distributions in the list of contents that a release has, as `name==version`."""
    path = _run(["make", "--silent", "sbom", f"DIST={folder}"], environ).splitlines()[-1]
    document = json.loads(Path(path).read_text())
    components = [document["metadata"]["component"], *document["components"]]
    return {f"{_canonical(each['name'])}=={each['version']}" for each in components}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
