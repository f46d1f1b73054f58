"""A user without a home folder gets one, and nobody else another one."""

import os
import pwd
from pathlib import Path

import pytest

from controller.runtime.home import ensure_home


def test_a_user_without_home_and_name_is_at_home_in_the_root_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(user: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {user}")

    monkeypatch.setattr(pwd, "getpwuid", fail)
    monkeypatch.delenv("HOME", raising=False)
    ensure_home()
    assert os.environ["HOME"] == "/"


def test_a_home_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    ensure_home()
    assert os.environ["HOME"] == str(tmp_path)
