"""The objects of manifests/, as `kubectl kustomize` renders them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]


def rendered(folder: Path) -> str:
    """Return the YAML that `kubectl apply -k FOLDER` would apply."""
    kubectl = Path(sys.executable).with_name("kubectl")  # of the development dependencies, so always the same version
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"kubectl kustomize {folder} failed: {done.stderr.strip()}")
    return done.stdout


def objects(folder: Path) -> list[dict[str, Any]]:
    """Return the objects that `kubectl apply -k FOLDER` would apply."""
    return [dict(document) for document in yaml.safe_load_all(rendered(folder))]


def key_of(item: dict[str, Any]) -> str:
    """Return kind and name of an object, such as Service/perses."""
    return f"{item['kind']}/{item['metadata']['name']}"
