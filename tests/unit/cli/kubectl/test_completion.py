"""Completions of `kubectl dashdb`, as kubectl itself asks for them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from controller.cli.kubectl.completion import completions
from tests.support.binaries import kubectl


def test_kubectl_completes_the_commands_and_options_of_the_plugin(tmp_path: Path) -> None:
    folders = (Path(sys.executable).parent, kubectl().parent)
    environ = {"PATH": os.pathsep.join(map(str, folders)), "HOME": str(tmp_path)}

    def completed(*words: str) -> list[str]:
        command = [str(kubectl()), "__complete", "dashdb", *words]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
        return [line.partition("\t")[0] for line in done.stdout.splitlines()]

    assert completed("s") == ["status", "support-bundle", ":4"]
    assert "--all-namespaces" in completed("status", "--a")


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ([], "status\tShow which databases are ready, and why..."),
        (["ap"], "approve\tShow the plan of a resource with policy..."),
        (["status", "--js"], "--json\tPrint one JSON object."),
    ],
    ids=["nothing typed yet", "a command", "an option"],
)
def test_each_completion_says_what_it_is_for(words: list[str], first: str) -> None:
    assert completions(words)[0] == first
