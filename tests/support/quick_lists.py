"""Run a module of this project, which lists all resources of the cluster more often than once a minute.

    python quick_lists.py SECONDS python -m controller operator ...

For `within` of a process: a test that shortens the times of Prometheus has to shorten this one as well.
"""

import runpy
import sys

import controller.operator.work


def main() -> None:
    """Set the time between two lists, and become the module that the other arguments name."""
    seconds, _python, _m, module, *arguments = sys.argv[1:]
    controller.operator.work.LIST_SECONDS = float(seconds)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
