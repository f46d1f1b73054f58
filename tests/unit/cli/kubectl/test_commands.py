"""`kubectl dashdb approve` asks before it approves, and `logs` shows one resource, with a kubectl that is scripted."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from controller.cli.kubectl import root

HASH = f"sha256:{'a' * 64}"
WAITING = {
    "metadata": {"namespace": "team-a", "name": "perses"},
    "spec": {"schema": {"policy": "Manual"}},
    "status": {"schema": {"current": 1, "target": 2, "plan": {"hash": HASH, "migrations": ["V2_b.up.sql"]}}},
}
LINES = [
    {"message": "of perses", "namespace": "team-a", "name": "perses"},
    {"message": "of its namesake", "namespace": "team-b", "name": "perses"},
    {"message": "of another", "namespace": "team-a", "name": "other"},
    {"message": "of nobody"},
]
Plugin = Callable[..., Result]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a kubectl on PATH that answers as a cluster would; return the file in which it notes its calls."""
    noted = tmp_path / "calls"
    answers: dict[str, Any] = {
        "get": json.dumps(WAITING),
        "logs": "\n".join([*map(json.dumps, LINES), "no JSON", "[]"]),
    }
    program = f"#!{sys.executable}\nimport sys\nopen({str(noted)!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
    program += f"print({answers!r}.get(sys.argv[1], ''))\nsys.exit('fail' in ' '.join(sys.argv))\n"
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(program)
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", str(kubectl.parent))
    return noted


def dashdb(*arguments: str, said: str = "") -> Result:
    return CliRunner().invoke(root, arguments, input=said)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the input pass for a terminal."""
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("answer", "exit_code", "approved"), [("n\n", 1, False), ("", 1, False), ("y\n", 0, True)])
def test_a_plan_is_approved_only_by_a_yes(answer: str, exit_code: int, approved: bool, calls: Path) -> None:
    done = dashdb("approve", "perses", said=answer)
    assert (done.exit_code, "V2_b.up.sql" in done.output, "Run it?" in done.output) == (exit_code, True, True)
    patches = [line for line in calls.read_text().splitlines() if line.startswith("patch ")]
    assert len(patches) == approved
    assert all(HASH in line for line in patches)


@pytest.mark.usefixtures("calls")
def test_a_command_to_go_on_with_is_for_the_same_resource() -> None:
    scope = ("--namespace", "team-a", "--context", "my cluster")
    planned, approved = dashdb("plan", "perses", *scope), dashdb("approve", "perses", "--yes", *scope)
    for done, verb in ((planned, "approve"), (approved, "status")):
        assert done.output.endswith(f"kubectl dashdb {verb} perses --namespace team-a '--context=my cluster'\n")


def test_a_name_in_all_namespaces_is_refused(calls: Path) -> None:
    done = dashdb("status", "perses", "-A")
    assert (done.exit_code, "say which with --namespace" in done.output) == (2, True)
    assert not calls.exists()


def test_without_a_terminal_nothing_is_approved(calls: Path) -> None:
    done = dashdb("approve", "perses", said="y\n")
    assert done.exit_code != 0
    assert "patch" not in calls.read_text()


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ((), ["of perses", "of its namesake", "of another", "of nobody", "no JSON", "[]"]),
        (("perses",), ["of perses", "of its namesake"]),
        (("perses", "--namespace", "team-a"), ["of perses"]),
        (("nobody",), []),
    ],
)
@pytest.mark.usefixtures("calls")
def test_logs_show_what_is_said_of_one_resource(arguments: tuple[str, ...], shown: list[str]) -> None:
    lines = dashdb("logs", *arguments).stdout.splitlines()
    assert [json.loads(line)["message"] if line.startswith("{") else line for line in lines] == shown


def test_logs_are_those_of_all_replicas_in_the_operators_own_namespace(calls: Path) -> None:
    dashdb("logs", "perses", "--namespace", "team-a", "--operator-namespace", "elsewhere", "--since", "10m")
    [call] = calls.read_text().splitlines()
    assert "--namespace=elsewhere" in call
    assert "--since=10m" in call
    assert "app.kubernetes.io/component=operator" in call
    assert "team-a" not in call


@pytest.mark.usefixtures("calls")
def test_a_kubectl_that_fails_is_told() -> None:
    done = dashdb("logs", "--since", "fail")
    assert done.exit_code != 0
    assert "kubectl logs ended with 1" in done.output + str(done.exception)
