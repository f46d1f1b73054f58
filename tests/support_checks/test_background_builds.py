"""Background builds of `make demo`: it waits for them, reports them, and ends them when it ends."""

import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.demo.builds import BackgroundBuilds, Part
from tests.support.go_builds import run_with_progress
from tests.support.processes import SupportError, wait_until

WAIT = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); time.sleep(600)"
"""A shell may have started us with SIGINT ignored, which a compiler would inherit; Go itself sets a handler."""
PARENT = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, file=open(sys.argv[1], "w"), flush=True)
time.sleep(600)
"""


def build(folder: Path, *command: str) -> Part:
    """Return a part whose build is COMMAND."""

    def part(watch: Callable[..., None]) -> Path:
        run_with_progress([sys.executable, *command], folder, "building a thing", "1 minute", watch)
        return folder

    return part


def test_parts_that_are_there_are_found_at_once(tmp_path: Path) -> None:
    with BackgroundBuilds([lambda _watch: tmp_path]) as builds:
        assert builds.finished(5)
        assert not builds.progress


def test_a_build_is_told_about_while_it_runs(tmp_path: Path) -> None:
    with BackgroundBuilds([build(tmp_path, "-c", WAIT)]) as builds:
        assert not builds.finished(0)
        wait_until(lambda: bool(builds.progress), what="it has begun", seconds=10)
        assert builds.progress.startswith("building a thing, ")
        assert builds.progress.endswith("so far, usually 1 minute")


def test_a_failed_build_is_raised_with_what_it_said(tmp_path: Path) -> None:
    failing = build(tmp_path, "-c", "raise SystemExit('no such module')")
    with BackgroundBuilds([failing]) as builds, pytest.raises(SupportError, match=r"failed after .*\nno such module"):
        builds.finished(30)


def test_the_next_part_follows_the_first(tmp_path: Path) -> None:
    made: list[str] = []

    def second(_watch: object) -> Path:
        made.append("second")
        return tmp_path

    with BackgroundBuilds([build(tmp_path, "-c", ""), second]) as builds:
        assert builds.finished(30)
    assert made == ["second"]


def test_leaving_ends_the_build_with_all_its_compilers(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    with BackgroundBuilds([build(tmp_path, "-c", PARENT, str(told))]) as builds:
        wait_until(lambda: told.exists() and told.read_text().endswith("\n"), what="a compiler runs", seconds=10)
        compiler = psutil.Process(int(told.read_text()))
        assert compiler in psutil.Process().children(recursive=True)
    wait_until(lambda: not compiler.is_running() or compiler.status() == psutil.STATUS_ZOMBIE, what="gone", seconds=10)
    assert not builds.progress
