"""Container of the image as a Pod of the Deployment has it, run by runc, with the network of this machine."""

import json
import os
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.footprint import MEBIBYTE
from tests.support.serving import ServingProcess

UID, GID = 1000620000, 0
"""User as OpenShift chooses one, which the image does not know, and its group."""
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_CGROUP = Path("/sys/fs/cgroup")
_ENVIRONMENT = (
    "PATH=/opt/dashdb/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONDONTWRITEBYTECODE=1",
    "PYTHONUNBUFFERED=1",
)
"""Variables that the Dockerfile sets."""
_UNITS = {"Ki": 1024, "Mi": MEBIBYTE, "Gi": 1024 * MEBIBYTE}


@dataclass(frozen=True)
class Limits:
    """Bytes that the Deployment grants."""

    memory: int
    temporary: int


def limits_of(pod: Mapping[str, Any]) -> Limits:
    """Return the limits of the template of a Pod with one container."""
    (container,), (volume,) = pod["spec"]["containers"], pod["spec"]["volumes"]
    return Limits(_bytes(container["resources"]["limits"]["memory"]), _bytes(volume["emptyDir"]["sizeLimit"]))


def _bytes(quantity: str) -> int:
    return int(quantity[:-2]) * _UNITS[quantity[-2:]]


def bundle(
    folder: Path,
    root: Path,
    name: str,
    command: Sequence[str],
    limits: Limits,
    *,
    variables: Mapping[str, str] | None = None,
    account: Path | None = None,
) -> Path:
    """Write what runc reads; return its folder.

    Nothing may be written but /tmp, no variable HOME is given, and there is no capability.

    Args:
        root: files of the image.
        account: folder with the token of a ServiceAccount.
    """
    mounts = [
        _mount("/proc", "proc"),
        _mount("/dev", "tmpfs", "nosuid", "mode=755", "size=65536k"),
        _mount("/sys", "sysfs", "ro", "nosuid", "noexec", "nodev"),
        _mount("/tmp", "tmpfs", "nosuid", "nodev", "mode=1777", f"size={limits.temporary}"),
    ]
    if account is not None:
        mounts.append({"destination": ACCOUNT, "source": str(account), "type": "bind", "options": ["rbind", "ro"]})
    given = [f"{key}={value}" for key, value in (variables or {}).items()]
    process = {
        "user": {"uid": UID, "gid": GID},
        "args": list(command),
        "env": [*_ENVIRONMENT, *given],
        "cwd": "/",
        "capabilities": {kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")},
        "noNewPrivileges": True,
    }
    linux = {
        "namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")],
        "cgroupsPath": f"/{name}",
        "resources": {"memory": {"limit": limits.memory}},
        "maskedPaths": ["/proc/kcore", "/proc/keys", "/sys/firmware"],
        "readonlyPaths": ["/proc/sys", "/proc/sysrq-trigger"],
    }
    configuration = {
        "ociVersion": "1.0.0",
        "process": process,
        "root": {"path": str(root), "readonly": True},
        "hostname": "pod",
        "mounts": mounts,
        "linux": linux,
    }
    path = folder / name
    path.mkdir()
    (path / "config.json").write_text(json.dumps(configuration))
    return path


def _mount(destination: str, kind: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": kind, "options": list(options)}


def new_name() -> str:
    """Return a name for a container that no other one has."""
    return f"dashdb-{secrets.token_hex(4)}"


def output_of(path: Path) -> str:
    """Run a container to its end; return what it printed."""
    done = subprocess.run(
        ["runc", "run", "--bundle", str(path), path.name], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"a container ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


class Container(ServingProcess):
    """Container in which `dashdb` listens; started and ended as its base class does it."""

    def __init__(self, log: Path) -> None:
        super().__init__((), log, os.environ)
        self.name = new_name()

    def runs(self, path: Path) -> None:
        """Take PATH as what `bundle` has written under its own name."""
        self._command = ["runc", "run", "--bundle", str(path), self.name]

    def kill(self) -> None:
        subprocess.run(["runc", "delete", "--force", self.name], capture_output=True, check=False)
        super().kill()

    @property
    def memory(self) -> tuple[float, float]:
        """MiB that the container uses without the page cache of files, and the most until now with it."""
        if (folder := _CGROUP / self.name).is_dir():  # cgroup v2
            anonymous = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())["anon"]
            most = (folder / "memory.peak").read_text()
        else:
            folder = _CGROUP / "memory" / self.name
            anonymous = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())["rss"]
            most = (folder / "memory.max_usage_in_bytes").read_text()
        return int(anonymous) / MEBIBYTE, int(most) / MEBIBYTE
