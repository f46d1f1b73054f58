"""Documents as one walks through them: their blocks in order, in one shell, with what they say it prints."""

import os
import re
import shlex
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.processes import SupportError, wait_until

_BLOCK = re.compile(
    r"^```(?P<language>\w*)\n(?P<fenced>.*?)^```$|(?P<indented>(?<=\n\n)(?:^ {4,}\S[^\n]*\n)+)",
    re.MULTILINE | re.DOTALL,
)
_LIKE_EACH_OTHER = (
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\dZ?"), "TIME"),
    (re.compile(r"\b\d+(?:\.\d+){3}:\d+\b"), "ADDRESS"),
    (re.compile(r"(?<![\w.])(?:\d+m(?!s))?\d+(?:\.\d+)? ?m?s\b|(?<![\w.])\d+m\b"), "AGE"),
    (re.compile(r'(?<="response_time_ms": )[\d.]+'), "AGE"),
    (re.compile(r"\bsha256:[\da-f]+"), "HASH"),
    (re.compile(r"\bperses@\S+"), "LOGIN"),
    (re.compile(r"\s+"), " "),
)
"""What differs from walk to walk: moments, ages, addresses, names of machines, and with them the width of columns."""
_LOG_OF_KUBECTL = re.compile(r"[IWE]\d{4} \d\d:\d\d:\d\d\.")
"""Begin of a line that kubectl logs now and then, such as that a watch of it ended."""
OMITTED = "..."
"""A line of shown output in the place of any number of lines; within a line, any text."""


@dataclass(frozen=True)
class Step:
    """A command of a document, or a block in another language than that of the shell.

    Attributes:
        line: number of its line in the document.
        language: `console`, or what the block names.
        text: the command as written, or the whole block.
        shown: what it prints, as the document says.
    """

    line: int
    language: str
    text: str
    shown: tuple[str, ...] = ()


def steps(document: str) -> list[Step]:
    """Return all that stands in blocks of a DOCUMENT's text, in order."""
    found = []
    for block in _BLOCK.finditer(document):
        first = document.count("\n", 0, block.start()) + 1
        if block["indented"]:
            lines = re.sub(r"^ {4}(?=\S)", "$ ", block["indented"], flags=re.MULTILINE)
            found += _commands(lines, first)
        elif block["language"] == "console":
            found += _commands(block["fenced"], first + 1)
        else:
            found.append(Step(first, block["language"], block["fenced"]))
    return found


def _commands(block: str, first: int) -> list[Step]:
    found: list[Step] = []
    for number, line in enumerate(block.splitlines(), start=first):
        if line.startswith("$ "):
            found.append(Step(number, "console", line[2:]))
        elif found:
            last = found.pop()
            if not last.shown and last.text.endswith("\\"):
                found.append(Step(last.line, last.language, f"{last.text}\n{line}"))
            else:
                found.append(Step(last.line, last.language, last.text, (*last.shown, line)))
        else:
            raise SupportError(f"line {number} is the output of no command: {line}")
    return found


def comparable(lines: Sequence[str]) -> list[str]:
    """Return LINES without what differs from walk to walk, and without those that are empty or kubectl's log."""
    found = []
    for line in lines:
        text = line
        for pattern, word in _LIKE_EACH_OTHER:
            text = pattern.sub(word, text)
        found.append(text.strip())
    return [line for line in found if line and not _LOG_OF_KUBECTL.match(line)]


def is_as_shown(printed: Sequence[str], shown: Sequence[str]) -> bool:
    """Return True if PRINTED is what a document shows, both made comparable."""
    if not shown:
        return not printed
    first, rest = shown[0], shown[1:]
    if first == OMITTED:
        return any(is_as_shown(printed[skipped:], rest) for skipped in range(len(printed) + 1))
    pattern = ".*".join(re.escape(part) for part in first.split(OMITTED))
    return bool(printed) and re.fullmatch(pattern, printed[0]) is not None and is_as_shown(printed[1:], rest)


@dataclass(frozen=True)
class Ended:
    """End of a command.

    Attributes:
        code: its exit code.
        output: lines of both its streams.
    """

    code: int
    output: tuple[str, ...]


class Shell:
    """One bash, which keeps its folder, its variables and what it runs in the background from command to command."""

    def __init__(self, folder: Path, notes: Path, environ: Mapping[str, str]) -> None:
        """Begin in FOLDER; NOTES is an existing folder for what the walk itself has to write."""
        self._folder = folder
        self._notes = notes
        self._environ = dict(environ)
        self._number = 0
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=self._folder,
            env=self._environ,
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the shell with what it left in the background."""
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(10)

    def run(self, command: str, *, seconds: float = 90) -> Ended:
        """Run COMMAND, which gets nothing to read, and wait for its end."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._number += 1
        output, code, whole = (self._notes / f"{self._number}.{name}" for name in ("output", "code", "whole"))
        said, written, done = (shlex.quote(str(path)) for path in (output, code, whole))
        self._process.stdin.write(
            f"{{ {command}\n}} </dev/null >{said} 2>&1; echo $? >{written}; mv {written} {done}\n"
        )
        self._process.stdin.flush()
        ended = self._process.poll
        wait_until(lambda: whole.exists() or ended() is not None, what=f"`{command}` ends", seconds=seconds)
        if not whole.exists():
            raise SupportError(f"`{command}` ended the shell with {ended()}")
        return Ended(int(whole.read_text()), tuple(output.read_text().splitlines()))


@dataclass
class Walk:
    """A walk through a document.

    Attributes:
        shell: where its commands run.
        values: parts of commands, and what stands in their place here.
        instead: commands that cannot run here by their text, and what is done in their place.
        after: commands by their text, and what happens after them that the document leaves to a reader's machine.
        blocks: other languages than that of the shell, and which command a block of them becomes.
        ran: texts of the commands that ran as written.
    """

    shell: Shell
    values: Mapping[str, str] = field(default_factory=dict)
    instead: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    after: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    blocks: Mapping[str, Callable[[str], str]] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)

    def through(self, document: Iterable[Step]) -> None:
        """Run each step.

        Raises:
            SupportError: a command fails or prints something else, or a block is in an unknown language.
        """
        for step in document:
            if step.text in self.instead:
                self.instead[step.text]()
                continue
            self._run(step)
            self.ran.append(step.text)
            self.after.get(step.text, _nothing)()

    def _run(self, step: Step) -> None:
        if step.language != "console" and step.language not in self.blocks:
            raise SupportError(f"line {step.line}: nothing here runs a block of {step.language or 'no language'}")
        command = self._here(step.text)
        if step.language != "console":
            command = self.blocks[step.language](command)
        done = self.shell.run(command)
        printed, shown = comparable(done.output), comparable(step.shown)
        said = "\n".join(done.output)
        if done.code != 0:
            raise SupportError(f"line {step.line}: `{step.text}` ended with {done.code}:\n{said}")
        if shown and not is_as_shown(printed, shown):
            raise SupportError(f"line {step.line}: `{step.text}` does not print what is shown, but:\n{said}")

    def _here(self, text: str) -> str:
        for written, here in self.values.items():
            text = text.replace(written, here)
        return text


def _nothing() -> None:
    """Do what happens after most commands."""


def write_programs(folder: Path, programs: Mapping[str, Path]) -> None:
    """Let FOLDER, which is to be on the PATH, have each of PROGRAMS by its name."""
    folder.mkdir()
    for name, path in programs.items():
        file = folder / name
        file.write_text(f'#!/bin/sh\nexec {shlex.quote(str(path))} "$@"\n')
        file.chmod(0o755)


def bare_environ(home: Path, programs: Path) -> dict[str, str]:
    """Return the variables of somebody who has just logged in, with PROGRAMS before those of the machine.

    What we depend on, and what builds the wheel, is taken from where this Python has it: `pip` asks no network, and
    installs ours alone.
    """
    return {
        "HOME": str(home),
        "PATH": os.pathsep.join([str(programs), "/usr/bin", "/bin"]),
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        "COLUMNS": "120",
        "PYTHONPATH": sysconfig.get_path("purelib"),
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # a switch that pip turns round: 0 builds with what is there
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def python_of_the_machine() -> Path:
    """Return the Python that this environment was made of."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()
