"""Runs one server and makes sure that nothing of it outlives whoever asked for it.

Started as a program of its own by `tests.support.processes`, which holds the other end of its standard
input. When that end closes, for whatever reason (a normal exit, a crash, kill -9), the keeper kills the
server with all its descendants and removes the server's folder. PostgreSQL's children leave the process
group of their parent, so the group alone would not reach them: the keeper adopts every orphan below it (it
is what Linux calls a subreaper).

    python keeper.py UID GID FOLDER PROGRAM [ARGUMENT ...]

UID and GID of -1 mean: stay who we are. An empty FOLDER means: remove nothing. Only the standard library is
used, and nothing of this package, so that it starts in a few hundredths of a second.
"""

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LIBC = ctypes.CDLL(None)


def before_exec() -> None:
    """Have the kernel kill the server if the keeper itself is killed, and let signals end it.

    A shell starts what it runs in the background with SIGINT and SIGQUIT ignored, and children inherit that: a
    server that sets no handler of its own would go on, and each stop would wait until it is killed.
    """
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def children_of(parent: int) -> list[int]:
    """Process ids of the direct children of PARENT."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = stat.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        if int(after_name[1]) == parent:
            found.append(int(stat.parent.name))
    return found


def kill_descendants() -> None:
    """Kill and reap until no child is left; grandchildren become ours when their parent dies."""
    while True:
        try:
            for pid in children_of(os.getpid()):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(-1, 0)
        except ChildProcessError:
            return
        except ProcessLookupError:
            continue


def start(uid: int, gid: int, command: list[str]) -> subprocess.Popen[bytes]:
    changes_user = uid >= 0
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,  # the log; our own standard output tells the process id
        preexec_fn=before_exec,  # noqa: PLW1509  (this program has one thread)
        user=uid if changes_user else None,
        group=gid if changes_user else None,
        extra_groups=[] if changes_user else None,
        cwd="/",
    )


def main(uid: str, gid: str, folder: str, *command: str) -> int:
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: None)  # a Ctrl-C is for the one who asked, not for us
    server = start(int(uid), int(gid), list(command))
    print(server.pid, flush=True)
    ended = os.pidfd_open(server.pid)
    ready, _, _ = select.select([sys.stdin.fileno(), ended], [], [])
    if ended in ready:
        code = server.wait()
        kill_descendants()
        return code if code >= 0 else 128 - code
    kill_descendants()
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
