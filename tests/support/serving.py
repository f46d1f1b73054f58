"""`dashdb operator` and `dashdb serve` as processes of their own, as a Pod would run them."""

import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from tests.support.certificates import Certificates
from tests.support.processes import SupportError, free_port, wait_until

START_SECONDS = 30.0
STOP_SECONDS = 15.0


class ServingProcess:
    """A `dashdb` that listens; started by `with` or `start()`, ended for certain."""

    def __init__(
        self,
        arguments: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        *,
        descriptors: int | None = None,
        within: Sequence[str] = (),
    ) -> None:
        """Take a LOG file that all restarts append to, and the whole ENVIRONMENT of the process.

        DESCRIPTORS is the hard limit of open ones; None leaves ours. WITHIN is a command that takes ours as its last
        arguments, changes something for the process, and becomes it.
        """
        self.port = free_port()
        self.authority: ssl.SSLContext | None = None  # for HTTPS: whom to trust
        self.log_file = log
        self._environment = environment
        limited = ["sh", "-c", f'ulimit -n {descriptors} && exec "$@"', "sh"] if descriptors else []
        self._command = [
            *limited,
            *within,
            sys.executable,
            "-m",
            "controller",
            *arguments,
            "--listen",
            f"127.0.0.1:{self.port}",
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def start(self, *, wait: bool = True) -> None:
        """Start the process; with WAIT, return once it reports that it is ready."""
        if self._process is not None:
            raise SupportError("it already runs")
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env=dict(self._environment))
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        wait_until(self.is_ready, what=f"it is ready, see {self.log_file}", seconds=START_SECONDS)

    def wait_alive(self) -> None:
        wait_until(self.is_alive, what=f"it answers, see {self.log_file}", seconds=START_SECONDS)

    def signal(self, number: signal.Signals) -> None:
        self._running().send_signal(number)

    def stop(self) -> int:
        """Send SIGTERM, as Kubernetes does to end a Pod; return the exit code."""
        self.signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> int:
        """Wait until the process ends by itself; return its exit code, negative for a signal's number."""
        code = self._running().wait(STOP_SECONDS)
        self._process = None
        return code

    def kill(self) -> None:
        """Send SIGKILL, which looks like a node that fails."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._running().pid

    @property
    def resident_bytes(self) -> int:
        """Memory in RAM."""
        size: int = psutil.Process(self._running().pid).memory_info().rss
        return size

    @property
    def descriptors(self) -> int:
        """Open descriptors."""
        count: int = psutil.Process(self._running().pid).num_fds()
        return count

    @property
    def cpu_seconds(self) -> float:
        """Time of CPUs that it has used."""
        times = psutil.Process(self._running().pid).cpu_times()
        return float(times.user + times.system)

    def is_alive(self) -> bool:
        return self._answers("/live")

    def is_ready(self) -> bool:
        return self._answers("/ready")

    def get(self, path: str, token: str | None = None) -> tuple[int, str]:
        """HTTP status and body of PATH, asked for with a Bearer TOKEN."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        scheme = "https" if self.authority else "http"
        request = urllib.request.Request(f"{scheme}://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10, context=self.authority) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def get_json(self, path: str) -> Any:
        return json.loads(self.get(path)[1])

    def _answers(self, path: str) -> bool:
        if self._running().poll() is not None:
            raise SupportError(f"it ended with {self._running().returncode}:\n{self.log[-2000:]}")
        try:
            return self.get(path)[0] == 200
        except OSError:
            return False

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise SupportError("it does not run")
        return self._process


class OperatorProcess(ServingProcess):
    """`dashdb operator` with an account of the cluster."""

    def __init__(
        self,
        kubeconfig: Path,
        log: Path,
        *,
        namespace: str | None = None,
        migrations: Path | None = None,
        environment: Mapping[str, str] | None = None,
        log_level: str = "debug",
        options: Sequence[str] = (),
        authorize: bool = False,
        certificates: Certificates | None = None,
        within: Sequence[str] = (),
    ) -> None:
        """NAMESPACE None watches all of them; ENVIRONMENT is added to ours, OPTIONS to the command.

        AUTHORIZE guards the endpoints.
        """
        arguments = ["operator", "--kubeconfig", str(kubeconfig), "--log-level", log_level, "--shortest-interval", "1s"]
        arguments += ["--authorize-endpoints"] if authorize else []
        if certificates is not None:
            arguments += ["--tls-certificate", str(certificates.certificate), "--tls-key", str(certificates.key)]
        arguments += ["--namespace", namespace] if namespace else []
        arguments += ["--path", str(migrations)] if migrations else []
        arguments += options
        super().__init__(arguments, log, {**os.environ, **(environment or {})}, within=within)
        if certificates is not None:
            self.authority = ssl.create_default_context(cafile=str(certificates.ca))
