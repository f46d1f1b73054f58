"""The container image as an OCI archive, where a program that builds images is there."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

BUILDERS = ("buildah", "docker")
NO_BASE = "No image: name its base by its digest, make release PYTHON_IMAGE=python:3.13-slim@sha256:..."
NO_BUILDER = f"No image: neither {' nor '.join(BUILDERS)} is there to build it. Build it elsewhere, from the same tag."


def build_image(base: str | None, archive: Path, *, moment: int, source: Path) -> str | None:
    """Build the image of SOURCE on BASE into ARCHIVE; return why there is none, or None where there is."""
    if base is None:
        return NO_BASE
    builder = image_builder(shutil.which)
    if builder is None:
        return NO_BUILDER
    done = subprocess.run(image_command(builder, base, archive, moment), cwd=source, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{builder} could not build the image; its words stand above.")
    return None


def image_builder(find: Callable[[str], str | None]) -> str | None:
    """Return the first of BUILDERS that FIND finds on PATH."""
    return next((name for name in BUILDERS if find(name)), None)


def image_command(builder: str, base: str, archive: Path, moment: int) -> list[str]:
    """Return the command that builds the image of the current folder; all files of it are from MOMENT at the latest."""
    base_argument = ["--build-arg", f"PYTHON_IMAGE={base}"]
    if builder == "buildah":
        return ["buildah", "build", *base_argument, "--timestamp", str(moment), "--tag", f"oci-archive:{archive}", "."]
    moment_argument = ["--build-arg", f"SOURCE_DATE_EPOCH={moment}"]
    output = ["--output", f"type=oci,dest={archive},rewrite-timestamp=true"]
    return ["docker", "buildx", "build", *base_argument, *moment_argument, *output, "."]
