"""The container image as an OCI archive, where a program that builds images works."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from tools.archive import repack

PROBES = {"buildah": ("buildah", "version"), "docker": ("docker", "buildx", "inspect")}
"""Programs that build images, each with the command that succeeds where it works; docker needs buildx and a daemon."""
NO_BASE = "No image: name its base by its digest, make release PYTHON_IMAGE=python:3.13-slim@sha256:..."
NO_BUILDER = "No image: neither buildah nor docker with buildx works here. Build it elsewhere, from the same commit."


def build_image(base: str | None, archive: Path, *, moment: int, source: Path) -> str | None:
    """Build the image of SOURCE on BASE into ARCHIVE; return why there is none, or None where there is."""
    if base is None:
        return NO_BASE
    builder = image_builder(succeeds)
    if builder is None:
        return NO_BUILDER
    done = subprocess.run(image_command(builder, base, archive, moment), cwd=source, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{builder} could not build the image; its words stand above.")
    repack(archive, moment=moment)  # what is in it has the same bytes each time, and the file itself a time
    return None


def image_builder(works: Callable[[Sequence[str]], bool]) -> str | None:
    """Return the first program of PROBES whose command WORKS."""
    return next((name for name, probe in PROBES.items() if works(probe)), None)


def succeeds(command: Sequence[str]) -> bool:
    """Return whether a command is there and ends with 0."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def image_command(builder: str, base: str, archive: Path, moment: int) -> list[str]:
    """Return the command that builds the image of the current folder; all files of it are from MOMENT at the latest."""
    base_argument = ["--build-arg", f"PYTHON_IMAGE={base}"]
    if builder == "buildah":
        return ["buildah", "build", *base_argument, "--timestamp", str(moment), "--tag", f"oci-archive:{archive}", "."]
    moment_argument = ["--build-arg", f"SOURCE_DATE_EPOCH={moment}"]
    same = ["--provenance=false", "--sbom=false"]  # both would hold the time of the build
    output = ["--output", f"type=oci,dest={archive},rewrite-timestamp=true"]
    return ["docker", "buildx", "build", *base_argument, *moment_argument, *same, *output, "."]
