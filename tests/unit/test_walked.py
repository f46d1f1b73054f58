"""The walk through a document finds what is wrong in it."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.support.processes import SupportError, wait_until
from tests.support.walked import Shell, Step, Walk, comparable, is_as_shown, steps

DOCUMENT = """# A

```console
$ export NAME=there
$ echo hello \\
    $NAME
hello there
```

text

    cd /
    ls \\
      --all

- a list

  with an indented paragraph

```yaml
kind: Secret
```
"""


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    folder = tmp_path / "empty"
    folder.mkdir()
    with Shell(folder, tmp_path, {"PATH": "/usr/bin:/bin"}) as shell:
        yield Walk(shell)


def block(*lines: str) -> list[Step]:
    """Return the steps of a block of the shell."""
    return steps("\n".join(["```console", *lines, "```", ""]))


def test_a_document_is_read_in_order() -> None:
    assert steps(DOCUMENT) == [
        Step(4, "console", "export NAME=there"),
        Step(5, "console", "echo hello \\\n    $NAME", ("hello there",)),
        Step(12, "console", "cd /"),
        Step(13, "console", "ls \\\n      --all"),
        Step(20, "yaml", "kind: Secret\n"),
    ]


def test_output_without_a_command_is_refused() -> None:
    with pytest.raises(SupportError, match="line 2 is the output of no command: hello"):
        block("hello", "$ echo hello")


def test_folder_variables_and_background_last_from_command_to_command(walk: Walk, tmp_path: Path) -> None:
    walk.through(
        block("$ mkdir inner && cd inner", "$ export A=1", "$ (sleep 60; touch never) &", "$ echo $A", "1", "$ kill $!")
    )
    assert walk.shell.run("pwd").output == (str(tmp_path / "empty/inner"),)
    assert len(walk.ran) == 5


def test_what_runs_in_the_background_ends_with_the_walk(tmp_path: Path) -> None:
    with Shell(tmp_path, tmp_path, {"PATH": "/usr/bin:/bin"}) as shell:
        [number] = shell.run("sleep 600 & echo $!").output
        assert runs(int(number))
    wait_until(lambda: not runs(int(number)), what="it ends", seconds=10)


def runs(number: int) -> bool:
    """Return True if the process works, and does not only wait to be reaped."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    return False


def test_a_command_that_ends_the_shell_is_named(walk: Walk) -> None:
    with pytest.raises(SupportError, match="`exit 3` ended the shell with 3"):
        walk.through(block("$ exit 3"))


def test_a_command_gets_nothing_to_read(walk: Walk) -> None:
    assert walk.shell.run("cat").output == ()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["$ echo a", "$ false"], "line 3: `false` ended with 1"),
        (["$ no-such-program"], "line 2: `no-such-program` ended with 127"),
        (["$ echo a", "b"], "line 2: `echo a` does not print what is shown, but:\na"),
        (["$ printf 'a\\nb\\n'", "a"], "does not print what is shown"),
        (["$ echo a", "a", "b"], "does not print what is shown"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(lines: list[str], message: str, walk: Walk) -> None:
    with pytest.raises(SupportError) as raised:
        walk.through(block(*lines))
    assert message in str(raised.value)


def test_a_block_in_a_language_that_nothing_runs_is_refused(walk: Walk) -> None:
    with pytest.raises(SupportError, match="line 1: nothing here runs a block of python"):
        walk.through(steps("```python\nprint()\n```\n"))


def test_values_of_here_and_what_takes_the_place_of_a_command(walk: Walk) -> None:
    called: list[str] = []
    walk.values = {"5432": "1234"}
    walk.instead = {"docker run": lambda: called.append("instead")}
    walk.after = {"echo 5432": lambda: called.append("after")}
    walk.blocks = {"sql": lambda text: f"echo '{text.strip()}' > file"}
    walk.through(block("$ docker run", "$ echo 5432", "1234") + steps("```sql\nSELECT 1\n```\n"))
    assert walk.shell.run("cat file").output == ("SELECT 1",)
    assert called == ["instead", "after"]
    assert walk.ran == ["echo 5432", "SELECT 1\n"]


@pytest.mark.parametrize(
    ("printed", "shown", "same"),
    [
        ("perses   True   9s", "perses True 70s", True),
        ("perses   True   9s", "perses False 9s", False),
        ("applied a (0.10 s)", "applied a (12 ms)", True),
        ("1 2026-11-30 14:54:34Z perses@vm", "1 2025-01-01 00:00:00Z perses@host", True),
        ("at 127.0.0.1:16173: refused", "at 172.18.0.3:5432: refused", True),
        ("From 0. sha256:f26", "From 0. sha256:abc...", True),
        ('{"a": 1, "b": 2}', '{"a": 1, ...}', True),
        ('{"a": 1, "b": 2}', '{"a": 2, ...}', False),
        ("a\nb\nc", "...\nb\n...", True),
        ("a\nb\nc", "...\nc\n...\nb", False),
        ("a\n\nb", "a\nb", True),
        ('I1130 15:04:29.404820   25050 reflector.go:664] "Warning"\nmet', "met", True),
        ("15 rows", "16 rows", False),
        ("version 1.0.0", "version 1.0.1", False),
    ],
)
def test_only_what_differs_from_walk_to_walk_is_left_out(printed: str, shown: str, same: bool) -> None:
    assert is_as_shown(comparable(printed.splitlines()), comparable(shown.splitlines())) is same
