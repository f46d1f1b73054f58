"""However a test run ends, nothing of its servers is left."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.controlplane import ControlPlane
from tests.support.postgres import PostgresServer
from tests.support.processes import KeptProcess, wait_until

ROOT = Path(__file__).parents[2]
POSTGRES = """
from tests.support.postgres import PostgresServer as Part
"""
CONTROL_PLANE = """
from tests.support.controlplane import ControlPlane as Part
"""
RUN = """
import os, sys, time, psutil
with Part() as part:
    if sys.argv[1] == "frozen":
        getattr(part, "freeze", None) and part.freeze()
        getattr(part, "freeze_apiserver", None) and part.freeze_apiserver()
    below = [str(process.pid) for process in psutil.Process().children(recursive=True)]
    print(part.folder, *below, flush=True)
    time.sleep(600)
"""


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE  # ended, and reaped by whoever adopts it
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("state", ["serving", "frozen"])
@pytest.mark.parametrize("part", [POSTGRES, CONTROL_PLANE], ids=["PostgreSQL", "control plane"])
def test_no_process_and_no_file_is_left_after_kill_9_of_the_test_run(part: str, state: str) -> None:
    command = [sys.executable, "-c", part + RUN, state]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        folder, *pids = run.stdout.readline().split()
        assert len(pids) >= 3
        assert Path(folder).is_dir()
        run.send_signal(signal.SIGKILL)
    wait_until(lambda: all(gone(int(pid)) for pid in pids), what="all processes are gone", seconds=10)
    wait_until(lambda: not Path(folder).exists(), what="the folder is gone", seconds=10)


def test_leaving_the_with_statement_removes_postgresql() -> None:
    with PostgresServer() as server:
        pids = [process.pid for process in psutil.Process(server.pid).children(recursive=True)]
        assert pids
    assert all(gone(pid) for pid in pids)
    assert not server.folder.exists()


def our_children() -> set[int]:
    """Process ids of all below us; servers of other tests may be among them."""
    return {process.pid for process in psutil.Process().children(recursive=True)}


def fail_inside(cluster: ControlPlane, pids: set[int]) -> None:
    before = our_children()
    with cluster:
        pids |= our_children() - before
        raise ZeroDivisionError


def test_a_failure_inside_the_with_statement_removes_the_control_plane() -> None:
    cluster, pids = ControlPlane(), set[int]()
    with pytest.raises(ZeroDivisionError):
        fail_inside(cluster, pids)
    assert pids
    assert all(gone(pid) for pid in pids)
    assert not cluster.folder.exists()


def test_a_server_ends_at_a_signal_that_we_were_started_to_ignore(tmp_path: Path) -> None:
    """A shell starts what it runs in the background with SIGINT and SIGQUIT ignored."""
    before = signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    try:
        process = KeptProcess(["sleep", "600"], log=tmp_path / "log", folder=tmp_path / "none")
    finally:
        signal.signal(signal.SIGQUIT, before)
    process.send(signal.SIGQUIT)
    wait_until(lambda: not process.running, what="it has ended", seconds=10)
    process.stop(signal.SIGKILL)
