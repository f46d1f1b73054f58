"""The operator does not need what the Dockerfile leaves out of the Kubernetes client."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.database import Database
from tests.support.resources import Namespace, connection_values, resource, secret
from tests.support.serving import OperatorProcess

DOCKERFILE = Path(__file__).parents[2] / "Dockerfile"
LEFT_OUT = r"kubernetes\.(aio\.)?client\.(api|models)\.\w+"
WITHOUT = """
import re, sys

class WithoutLeftOut:
    def find_spec(self, name, path=None, target=None):
        if re.fullmatch({left_out!r}, name) and name.rpartition(".")[2] not in {kept!r}:
            raise ModuleNotFoundError(f"the image has no {{name}}", name=name)

sys.meta_path.insert(0, WithoutLeftOut())
"""


@pytest.fixture
def as_in_the_image(tmp_path: Path) -> dict[str, str]:
    """Variables with which Python finds no module that the Dockerfile removes."""
    kept = set(re.findall(r"! -name (\w+)\.py", DOCKERFILE.read_text())) - {"__init__"}
    assert kept
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(WITHOUT.format(left_out=LEFT_OUT, kept=kept))
    return {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize("client", ["kubernetes.client", "kubernetes.aio.client"])
def test_the_modules_are_missing_here(client: str, as_in_the_image: dict[str, str]) -> None:
    command = [sys.executable, "-c", f"import {client}.models.v1_pod"]
    done = subprocess.run(command, env=os.environ | as_in_the_image, capture_output=True, text=True, check=False)
    assert f"the image has no {client}.models.v1_pod" in done.stderr


def test_the_operator_works_without_them(
    team: Namespace, database: Database, account: Path, as_in_the_image: dict[str, str], tmp_path: Path
) -> None:
    team.apply(secret("db", connection_values(database)), resource("perses", secret_name="db"))
    log = tmp_path / "operator.log"
    with OperatorProcess(account, log, namespace=team.name, environment=as_in_the_image) as operator:
        team.wait_for("perses", "Ready", "True")
        assert operator.get(f"/ready/{team.name}/perses")[0] == 200
    assert "the image has no" not in log.read_text()
