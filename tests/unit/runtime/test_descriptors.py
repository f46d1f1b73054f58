"""The soft limit of descriptors is raised to the hard one, in a process that has other limits than this one."""

import subprocess
import sys

import pytest

SHOWN = (
    "import resource; from controller.runtime import descriptors; "
    "print(descriptors.raise_descriptor_limit(), descriptors.descriptor_limit())"
)


@pytest.mark.parametrize(("soft", "hard"), [(128, 256), (256, 256)])
def test_the_soft_limit_becomes_the_hard_one(soft: int, hard: int) -> None:
    limited = f'ulimit -S -n {soft} && ulimit -H -n {hard} && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", limited, "sh", sys.executable, "-c", SHOWN], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(hard), str(hard)]
