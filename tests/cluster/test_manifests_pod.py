"""The Pod of each installation: Pod Security lets it in, and the program needs no more than it is given."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.cluster.manifests_objects import INSTALLATIONS, SHARDS, Installation
from tests.support.controlplane import ControlPlane, KubectlError
from tests.support.installation import ROOT, create_pod
from tests.support.resources import Namespace
from tests.support.serving import OperatorProcess

ANY_USER = "1000650000"
CONFINED = """\
mount -o remount,bind,ro / && mount -t tmpfs -o size=8m tmpfs "$TMPDIR" \
&& exec unshare --user --map-user={user} --map-group=0 -- env -u HOME "$@"
"""
"""As the container runtime does it for a Pod: a root that is read-only, /tmp of 8 MiB in memory, a user without a
name, and no HOME. User namespaces allow it without any right."""


@pytest.mark.parametrize("sample", ["init-container", "sidecar"])
def test_the_pod_of_a_sample_is_let_in_where_restricted_is_enforced(sample: str, control_plane: ControlPlane) -> None:
    deployment = yaml.safe_load((ROOT / f"manifests/samples/{sample}.yaml").read_text())
    create_pod(control_plane, deployment["spec"]["template"])


@pytest.mark.parametrize("folder", [*INSTALLATIONS, SHARDS])
def test_the_pod_is_let_in_where_restricted_is_enforced(folder: str, control_plane: ControlPlane) -> None:
    for template in Installation(control_plane, folder).templates:
        create_pod(control_plane, template)


@pytest.mark.parametrize(
    ("of_the_pod", "setting"),
    [(True, "runAsNonRoot"), (True, "seccompProfile"), (False, "capabilities"), (False, "allowPrivilegeEscalation")],
)
def test_the_pod_would_be_refused_without(of_the_pod: bool, setting: str, control_plane: ControlPlane) -> None:
    template = copy.deepcopy(Installation(control_plane, "manifests").template)
    del (template["spec"] if of_the_pod else template["spec"]["containers"][0])["securityContext"][setting]
    with pytest.raises(KubectlError, match=f'violates PodSecurity "restricted:latest": .*{setting}'):
        create_pod(control_plane, template)


@pytest.mark.parametrize("folder", [folder for folder in (*INSTALLATIONS, SHARDS) if "namespaced" not in folder])
def test_the_operators_own_namespace_enforces_restricted(folder: str, control_plane: ControlPlane) -> None:
    labels = Installation(control_plane, folder).one("Namespace", "dashdb-system")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("folder", [*INSTALLATIONS, SHARDS])
def test_the_pod_has_a_read_only_root_and_writes_to_memory_alone(folder: str, control_plane: ControlPlane) -> None:
    for template in Installation(control_plane, folder).templates:
        [container] = template["spec"]["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        writable = [mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
        volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
        assert [volumes[name]["emptyDir"] for name in writable] == [{"medium": "Memory", "sizeLimit": "8Mi"}]


def test_the_operator_runs_as_any_user_on_a_read_only_root_without_a_home(
    account: Path, team: Namespace, apply: Callable[..., None], tmp_path: Path
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    confined = ["unshare", "--user", "--map-root-user", "--mount", "--"]
    confined += ["sh", "-c", CONFINED.format(user=ANY_USER), "sh"]
    environment = {"TMPDIR": str(temporary)}
    log = tmp_path / "log"
    with OperatorProcess(account, log, namespace=team.name, environment=environment, within=confined) as operator:
        apply()
        team.wait_for("perses", "Ready", "True")
        seen = Path(f"/proc/{operator.pid}")
        assert (seen / "uid_map").read_text().split()[0] == ANY_USER
        mounts = [line.split() for line in (seen / "mounts").read_text().splitlines()]
        assert {mount[3].split(",")[0] for mount in mounts if mount[1] == "/"} == {"ro"}
        assert "HOME=" not in (seen / "environ").read_text()
        assert operator.stop() == 0
