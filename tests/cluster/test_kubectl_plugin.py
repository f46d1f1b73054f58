"""`kubectl dashdb`, called by the real kubectl against the real API server."""

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.binaries import kubectl as kubectl_program
from tests.support.database import Database
from tests.support.json_reference import compare
from tests.support.resources import Namespace, connection_values, resource, secret
from tests.support.serving import OperatorProcess

Plugin = Callable[..., "subprocess.CompletedProcess[str]"]
CANARY = "canary-Zq9-password"


@pytest.fixture
def plugin(team: Namespace, tmp_path: Path) -> Plugin:
    """Return a function that runs `kubectl dashdb` as the administrator, who works in the test's namespace."""
    folders = (Path(sys.executable).parent, kubectl_program().parent, "/usr/bin", "/bin")
    environ = {
        "PATH": os.pathsep.join(map(str, folders)),
        "KUBECONFIG": str(team.cluster.kubeconfig),
        "KUBECACHEDIR": str(tmp_path / "kubectl-cache"),
        "HOME": str(tmp_path),
    }

    def run(*arguments: str, namespace: str | None = team.name) -> "subprocess.CompletedProcess[str]":
        scope = [f"--namespace={namespace}"] if namespace else []
        command = [str(kubectl_program()), "dashdb", arguments[0], *scope, *arguments[1:]]
        return subprocess.run(
            command, env=environ, cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )

    return run


def test_status_shows_what_is_not_ready_first_and_why(
    plugin: Plugin, team: Namespace, database: Database, operator: OperatorProcess
) -> None:
    team.apply(secret("good", connection_values(database)), resource("good", secret_name="good"))
    team.apply(resource("lost", secret_name="nowhere"))
    team.wait_for("good", "Ready", "True")
    team.wait_for("lost", "Ready", "False")
    shown = plugin("status")
    assert shown.returncode == 1
    lines = shown.stdout.splitlines()
    assert lines[0].split() == ["NAMESPACE", "NAME", "READY", "REASON", "SINCE", "SCHEMA", "HEALTH"]
    assert lines[1].split()[:4] == [team.name, "lost", "False", "SecretNotFound"]
    assert lines[2].split()[1:4] == ["good", "True", "Ready"]
    assert lines[3].startswith(f"{team.name}/lost: SecretNotFound: ")
    assert plugin("status", "good").returncode == 0
    printed = json.loads(plugin("status", "--all-namespaces", "--json", namespace=None).stdout)
    compare("kubectl dashdb status", printed)
    everywhere = printed["databases"]
    assert {"good", "lost"} <= {each["name"] for each in everywhere if each["namespace"] == team.name}


def test_a_plan_is_shown_and_approved_once(
    plugin: Plugin, team: Namespace, apply: Callable[..., None], operator: OperatorProcess
) -> None:
    apply(schema={"policy": "Manual"})
    team.wait_for("perses", "Ready", "False", reason="ApprovalRequired")
    shown = plugin("plan", "perses").stdout
    assert "V001_initial_schema.up.sql" in shown
    assert shown.endswith(f"To run it: kubectl dashdb approve perses --namespace {team.name}\n")
    compare("kubectl dashdb plan", json.loads(plugin("plan", "perses", "--json").stdout))
    unasked = plugin("approve", "perses")
    assert unasked.returncode == 2
    assert "approve with --yes" in unasked.stderr
    assert team.condition("perses", "Ready")["reason"] == "ApprovalRequired"
    approved = plugin("approve", "perses", "--yes")
    assert (approved.returncode, approved.stderr) == (0, "")
    team.wait_for("perses", "Ready", "True")
    assert plugin("approve", "perses", "--yes").stdout == "Nothing waits: the schema is at version 1.\n"


def test_a_plan_that_changed_meanwhile_is_not_approved(plugin: Plugin, team: Namespace) -> None:
    team.apply(resource("perses", secret_name="none", schema={"policy": "Manual"}))
    plan = {"hash": "sha256:" + "a" * 64, "migrations": ["V001_x.up.sql"]}
    write_status(team, "perses", {"schema": {"current": 0, "target": 1, "pending": 1, "plan": plan}})
    shown = plugin("plan", "perses", "--json")
    assert json.loads(shown.stdout)["hash"] == plan["hash"]
    patch = [{"op": "test", "path": "/status/schema/plan/hash", "value": "sha256:" + "b" * 64}]
    refused = team.cluster.kubectl(
        "patch", "ddb", "perses", "-n", team.name, "--type=json", f"--patch={json.dumps(patch)}", check=False
    )
    assert refused.returncode != 0, "the API server compares the plan that was shown with the one that is there"


def test_nothing_is_approved_where_the_operator_migrates_by_itself(plugin: Plugin, team: Namespace) -> None:
    team.apply(resource("perses", secret_name="none"))
    plan = {"hash": "sha256:" + "a" * 64, "migrations": ["V001_x.up.sql"]}
    write_status(team, "perses", {"schema": {"current": 0, "target": 1, "pending": 1, "plan": plan}})
    refused = plugin("approve", "perses", "--yes")
    assert refused.returncode == 2
    assert "set spec.schema.policy to Manual first" in refused.stderr


def test_a_name_that_nobody_has_is_one_clear_error(plugin: Plugin) -> None:
    missing = plugin("plan", "nobody")
    assert missing.returncode == 1
    assert missing.stderr.startswith("KubectlFailed: Error from server (NotFound)")
    assert "Traceback" not in missing.stderr
    as_json = plugin("plan", "nobody", "--json")
    assert (as_json.returncode, json.loads(as_json.stdout)["error"]) == (1, "KubectlFailed")


def test_a_name_is_never_an_option_of_kubectl(plugin: Plugin) -> None:
    refused = plugin("plan", "--", "--output=go-template={{ . }}")
    assert refused.returncode == 1
    assert "KubectlFailed" in refused.stderr


def test_the_bundle_has_all_but_secrets(
    plugin: Plugin, team: Namespace, database: Database, operator: OperatorProcess, tmp_path: Path
) -> None:
    values = connection_values(database) | {"password": CANARY}
    team.apply(secret("perses-db", values), resource("perses", secret_name="perses-db"))
    team.wait_for("perses", "Ready", "False")
    made = plugin("support-bundle", "--output", "bundle.tar.gz")
    assert (made.returncode, made.stdout) == (0, "bundle.tar.gz\n")
    assert (tmp_path / "bundle.tar.gz").stat().st_mode & 0o077 == 0
    with tarfile.open(tmp_path / "bundle.tar.gz") as archive:
        files = {Path(name).name: archive.extractfile(name) for name in archive.getnames()}
        texts = {name: file.read().decode() for name, file in files.items() if file is not None}
    assert {"resources.json", "events.json", "crd.json", "operator.json", "versions.json", "errors.txt"} <= texts.keys()
    [found] = json.loads(texts["resources.json"])["items"]
    assert found["metadata"]["name"] == "perses"
    assert "managedFields" not in found["metadata"]
    assert json.loads(texts["events.json"])["items"]
    whole = "".join(texts.values())
    assert CANARY not in whole
    assert "last-applied-configuration" not in whole


def write_status(team: Namespace, name: str, status: dict[str, object]) -> None:
    patch = json.dumps({"status": status})
    team.cluster.kubectl(
        "patch", "ddb", name, "-n", team.name, "--subresource=status", "--type=merge", f"--patch={patch}"
    )


def test_kubectl_completes_the_commands_and_options_of_the_plugin(tmp_path: Path) -> None:
    folders = (Path(sys.executable).parent, kubectl_program().parent)
    environ = {"PATH": os.pathsep.join(map(str, folders)), "HOME": str(tmp_path)}

    def completed(*words: str) -> list[str]:
        command = [str(kubectl_program()), "__complete", "dashdb", *words]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
        return [line.partition("\t")[0] for line in done.stdout.splitlines()]

    assert completed("s") == ["status", "support-bundle", ":4"]
    assert "--all-namespaces" in completed("status", "--a")
