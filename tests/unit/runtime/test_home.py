"""A user without a home folder gets one, and nobody else another one."""

import os
from pathlib import Path

import pytest

from controller.runtime.home import ensure_home


def test_a_user_without_home_and_name_is_at_home_in_the_root_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    monkeypatch.setenv("HOME", "")
    ensure_home()
    assert os.environ["HOME"] == "/"


def test_a_home_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    ensure_home()
    assert os.environ["HOME"] == str(tmp_path)
