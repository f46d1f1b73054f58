"""Judgement of crdify about a changed CRD, and the CRD of the newest release to compare with."""

import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.support.binaries import crdify
from tests.support.processes import SupportError

CRD = Path("crds", "dashboarddatabases.yaml")
_RELEASE = re.compile(r"v(\d+)\.(\d+)\.(\d+)")
_UNJUDGED = {"validations": [{"name": "description", "enforcement": "None"}]}
"""What of the CRD may change: the words."""


def incompatible_changes(older: Path, newer: Path) -> list[str]:
    """Return what is incompatible in the CRD of the file NEWER with that of OLDER, in the words of crdify."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
        config.write(yaml.safe_dump(_UNJUDGED))
        config.flush()
        files = [f"file://{file.resolve()}" for file in (older, newer)]
        command = [str(crdify()), "--output", "json", "--config", config.name, *files]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return findings_of(json.loads(done.stdout))
    except ValueError:
        raise SupportError(f"crdify failed: {done.stderr or done.stdout}") from None


def findings_of(judged: dict[str, Any]) -> list[str]:
    """Return the errors and warnings in what crdify printed as JSON, each with its place."""
    found = [("", check) for check in judged.get("crdValidation") or ()]
    for kind in ("sameVersionValidation", "servedVersionValidation"):
        for version, places in (judged.get(kind) or {}).items():
            found += [(f"{version} {place}: ", check) for place, checks in places.items() for check in checks]
    return [
        f"{place}{check['name']}: {text}"
        for place, check in found
        for text in (*check.get("errors", ()), *check.get("warnings", ()))
    ]


def released_crd(repository: Path) -> str:
    """Return the text of the CRD of the newest release in the tags of REPOSITORY; without a tag, that of its files."""
    tags = _git(repository, "tag", "--list", "v*").split()
    releases = sorted((tuple(map(int, match.groups())), match[0]) for tag in tags if (match := _RELEASE.fullmatch(tag)))
    if not releases:
        return (repository / CRD).read_text()
    return _git(repository, "show", f"{releases[-1][1]}:{CRD.as_posix()}")


def _git(repository: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=repository, capture_output=True, text=True, check=True).stdout
