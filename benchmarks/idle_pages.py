"""The operator's pages from a process that has nothing else to do: the floor of how fast they can be answered."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager

from benchmarks.beside import in_another_process
from controller.health.board import Board
from controller.latency import keep_latency_low
from controller.log_format import LogFormat
from controller.logs import configure_logs
from controller.web.server import application, serving
from tests.unit.web.reports import DOWN, report


def idle_pages(databases: int) -> AbstractContextManager[int]:
    """The port of a server whose pages tell of so many DATABASES, all of them down."""
    return in_another_process(_pages, databases)


@asynccontextmanager
async def _pages(databases: int) -> AsyncIterator[int]:
    configure_logs(LogFormat.JSON, "warning")
    board = Board()
    for number in range(databases):
        board.put(("team-a", f"hung-{number}"), report(DOWN))
    async with serving(application(board, lambda: None, version="1"), "127.0.0.1", 0) as port:
        keep_latency_low()
        yield port
