"""A real kube-apiserver with its etcd for one test run: up in about three seconds, surely gone afterwards.

    with ControlPlane() as cluster:
        cluster.kubectl("apply", "-f", "crds/")

Nothing runs Pods, and no controller works: what an owner leaves behind stays, and a deleted namespace never
finishes. So a test takes a fresh `namespace()` and leaves it.
"""

import base64
import http.client
import json
import os
import secrets
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.api_server import api_server_command, ask, etcd_command, is_ready
from tests.support.binaries import kubectl as kubectl_program
from tests.support.certificates import issue_certificates
from tests.support.processes import (
    KeptProcess,
    SupportError,
    free_port,
    new_folder,
    quick_root,
    remove_folder,
    tail,
    wait_until,
)

START_SECONDS = 60.0


class KubectlError(SupportError):
    """Error of kubectl; the message is its output."""


class ControlPlane:
    """Control plane: etcd and kube-apiserver on free ports of 127.0.0.1, with RBAC and an audit log."""

    def __init__(self, *, flags: Sequence[str] = ()) -> None:
        """Take further FLAGS for kube-apiserver, such as "--max-requests-inflight=5" to provoke answers of 429."""
        self._flags = tuple(flags)
        self._folder: Path | None = None
        self._etcd: KeptProcess | None = None
        self._api_server: KeptProcess | None = None
        self._etcd_ports = (free_port(), free_port())
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.etcd_url = f"http://127.0.0.1:{self._etcd_ports[0]}"

    def __enter__(self) -> Self:
        self._folder = new_folder("dashdb-k8s-", root=quick_root())
        try:
            self._prepare(self._folder)
            self.start_etcd()
            self.start_apiserver()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in (self._api_server, self._etcd):
            if process is not None:
                process.stop(signal.SIGKILL)
        self._api_server = self._etcd = None
        if self._folder is not None:
            remove_folder(self._folder)

    def _prepare(self, folder: Path) -> None:
        """Certificates, the key pair of service account tokens, and an administrator with a random token."""
        self.ca = issue_certificates(folder / "tls").ca
        issue_certificates(folder / "accounts")
        self._admin_token = secrets.token_urlsafe(24)
        tokens = folder / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(f'{self._admin_token},admin,admin,"system:masters"\n')
        self.kubeconfig = self._write_kubeconfig("admin", self._admin_token, "default")

    @property
    def folder(self) -> Path:
        """Data, logs and kubeconfig files."""
        if self._folder is None:
            raise SupportError("use ControlPlane in a `with` statement")
        return self._folder

    @property
    def log(self) -> str:
        """The end of the API server's log, for messages about failed tests."""
        return tail(self.folder / "kube-apiserver.log", lines=200)

    def start_apiserver(self) -> None:
        """Start it on the same port and data, after stop_apiserver(); returns when it is ready."""
        if self._api_server is not None:
            raise SupportError("kube-apiserver already runs")
        command = [*api_server_command(self.folder, self.port, self.etcd_url), *self._flags]
        log = self.folder / "kube-apiserver.log"
        self._api_server = KeptProcess(command, log=log, folder=self.folder)
        wait_until(
            self.is_answering,
            what="kube-apiserver is ready",
            seconds=START_SECONDS,
            interval=0.1,
            process=self._api_server,
        )

    def start_etcd(self) -> None:
        """Start etcd on the same ports and data, after stop_etcd(); the API server finds it again by itself."""
        log = self.folder / "etcd.log"
        self._etcd = KeptProcess(etcd_command(self.folder, *self._etcd_ports), log=log, folder=self.folder)

    def stop_etcd(self) -> None:
        """Kill it, as a crash would."""
        if self._etcd is None:
            raise SupportError("etcd is stopped")
        self._etcd.stop(signal.SIGKILL)
        self._etcd = None

    def take_snapshot(self) -> None:
        """Copy all that etcd holds; API server and etcd are restarted for it."""
        self._restart_with(_replace)

    def restore_snapshot(self) -> None:
        """Go back to the copy, as after a disaster: what was written since was never there."""
        self._restart_with(lambda data, copy: _replace(copy, data))

    def _restart_with(self, change: Callable[[Path, Path], None]) -> None:
        self.stop_apiserver()
        self.stop_etcd()
        change(self.folder / "etcd", self.folder / "etcd-copy")
        self.start_etcd()
        self.start_apiserver()

    def compact(self) -> None:
        """Let etcd forget all that was before now, while the API server is stopped: watches from then get 410."""
        for number in range(2):  # two revisions that no watch has seen
            key, value = (base64.b64encode(text.encode()).decode() for text in ("/compaction", str(number)))
            revision = self._etcd_call("kv/put", {"key": key, "value": value})["header"]["revision"]
        self._etcd_call("kv/compaction", {"revision": revision, "physical": True})

    def _etcd_call(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(f"{self.etcd_url}/v3/{path}", data=json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def is_answering(self) -> bool:
        """Return whether the API server says that it is ready."""
        return is_ready(self.port, self.ca, self._admin_token)

    def renew_account_keys(self) -> None:
        """Replace the key pair of service account tokens, while the API server is stopped: it refuses all of before."""
        shutil.rmtree(self.folder / "accounts")
        issue_certificates(self.folder / "accounts")

    def stop_apiserver(self) -> None:
        """Kill it, as a crash of its machine would; etcd and all that it holds stay."""
        self._running().stop(signal.SIGKILL)
        self._api_server = None

    def freeze_apiserver(self) -> None:
        """Let it hang: connections stay open, nothing is answered and watches fall silent."""
        self._running().freeze()

    def thaw_apiserver(self) -> None:
        self._running().thaw()

    def _running(self) -> KeptProcess:
        if self._api_server is None:
            raise SupportError("kube-apiserver is stopped")
        return self._api_server

    def kubectl(
        self,
        *args: str,
        input: str | None = None,  # noqa: A002  (as subprocess.run calls it)
        check: bool = True,
        kubeconfig: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run the real kubectl, as the administrator unless another KUBECONFIG is given.

        INPUT is its standard input, for `-f -`. With CHECK an error raises KubectlError with kubectl's words.
        """
        environ = {name: value for name, value in os.environ.items() if not name.startswith("KUBE")}
        environ |= {"KUBECONFIG": str(kubeconfig or self.kubeconfig)}
        environ |= {"KUBECACHEDIR": str(self.folder / "kubectl-cache")}
        done = subprocess.run(
            [str(kubectl_program()), *args],
            input=input if input is not None else "",
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise KubectlError(f"kubectl {args[0]} ended with {done.returncode}: {done.stderr or done.stdout}")
        return done

    def read(self, path: str) -> Any:
        """Return the JSON at PATH, as the administrator: in a tenth of kubectl's time, for what is asked often.

        Raises:
            SupportError: the API server does not answer, or not with 200; the message has its words.
        """
        try:
            status, body = ask(self.port, self.ca, self._admin_token, path)
        except OSError as error:
            raise SupportError(f"GET {path}: {error}") from error
        if status != http.client.OK:
            raise SupportError(f"GET {path}: {status} {body}")
        return json.loads(body)

    def namespace(self) -> str:
        """Create a namespace with a random name and return the name."""
        name = f"test-{secrets.token_hex(4)}"
        self.kubectl("create", "namespace", name)
        return name

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a token of an existing ServiceAccount, good for an hour: held to its RBAC."""
        return self._write_kubeconfig(f"{namespace}-{name}", self.token(namespace, name), namespace)

    def token(self, namespace: str, name: str, *options: str) -> str:
        """A token of an existing ServiceAccount, by a TokenRequest; OPTIONS are those of `kubectl create token`."""
        return self.kubectl("create", "token", name, f"--namespace={namespace}", *options).stdout.strip()

    def _write_kubeconfig(self, user: str, token: str, namespace: str) -> Path:
        """The file's path; it is readable for us alone, and JSON, which every reader of YAML takes."""
        cluster = {"server": self.url, "certificate-authority": str(self.ca)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user, "namespace": namespace}}],
        }
        path = self.folder / f"kubeconfig-{user}"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config, indent=2))
        return path

    def audit_events(self, since: datetime | None = None) -> list[dict[str, Any]]:
        """Every request that the API server finished or began to stream, oldest first, from SINCE (aware) on.

        Shape: audit.k8s.io/v1 Event (`verb`, `user`, `objectRef`, `responseStatus`, `stage`, ...), no bodies.
        An event is written just after its answer was sent, so wait for the one you expect.
        """
        path = self.folder / "audit.log"
        text = path.read_text() if path.exists() else ""
        whole_lines = text[: text.rfind("\n") + 1].splitlines()
        events: list[dict[str, Any]] = [json.loads(line) for line in whole_lines]
        return [event for event in events if since is None or _moment(event) >= since]


def _replace(source: Path, folder: Path) -> None:
    """Make FOLDER a copy of SOURCE."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)


def of_an_account(event: dict[str, Any]) -> bool:
    """Return whether a request of the audit log came from a ServiceAccount, such as the operator's."""
    return str(event["user"]["username"]).startswith("system:serviceaccount:")


def _moment(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["requestReceivedTimestamp"])
