"""Routes, and a server that listens before anything else works: `/live` must not wait for a database."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import web
from prometheus_client.aiohttp import make_aiohttp_handler

from controller.errors import ConfigurationError
from controller.health.board import Board, Report
from controller.web import answers
from controller.web.metrics import registry
from controller.web.page import landing_page

log = structlog.get_logger(__name__)

SHUTDOWN_SECONDS = 1.0
"""For requests under way when the process ends; aiohttp takes up to twice as long."""
_NOT_READY = "not watching the cluster yet, or the API server does not answer"


def application(board: Board, is_ready: Callable[[], bool], *, version: str) -> web.Application:
    """All endpoints over `board`.

    Args:
        is_ready: answers `/ready` without a name: watching and able to serve.
    """
    endpoints = _Endpoints(board, is_ready, version)
    app = web.Application()
    app.router.add_get("/", endpoints.page)
    app.router.add_get("/live", endpoints.live)
    app.router.add_get("/metrics", make_aiohttp_handler(registry(board, version=version)))
    for path, handler in (
        ("/ready", endpoints.ready),
        ("/api/v1/health", endpoints.health),
        ("/metrics/health", endpoints.flat),
    ):
        app.router.add_get(path, handler)
        app.router.add_get(f"{path}/{{namespace}}/{{name}}", handler)
    return app


@asynccontextmanager
async def serving(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Listens for the time of a `with`; yields the port, which the system chose where `port` is 0.

    Raises:
        ConfigurationError: the address cannot be used.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise ConfigurationError(
                f"Cannot listen on {host}:{port}: {error.strerror}. Choose another address with --listen HOST:PORT."
            ) from None
        bound = runner.addresses[0][1]
        log.info("listening", host=host, port=bound)
        yield bound
    finally:
        await runner.cleanup()


class _Endpoints:
    def __init__(self, board: Board, is_ready: Callable[[], bool], version: str) -> None:
        self._board = board
        self._is_ready = is_ready
        self._version = version

    async def page(self, _: web.Request) -> web.Response:
        html = landing_page(answers.overview(self._board), version=self._version)
        return web.Response(text=html, content_type="text/html")

    async def live(self, _: web.Request) -> web.Response:
        return _json({"alive": True})

    async def ready(self, request: web.Request) -> web.Response:
        if "name" in request.match_info:
            return _json(answer := answers.ready(self._one(request)), ok=answer["ready"])
        if self._is_ready():
            return _json({"ready": True})
        return _json({"ready": False, "reason": _NOT_READY}, ok=False)

    async def health(self, request: web.Request) -> web.Response:
        answer = answers.health(self._asked(request), now=datetime.now(UTC), version=self._version)
        return _json(answer, ok=answer["status"] != "unhealthy")

    async def flat(self, request: web.Request) -> web.Response:
        return _json(answers.flat(self._asked(request)))

    def _asked(self, request: web.Request) -> Sequence[Report]:
        if "name" in request.match_info:
            return [self._one(request)]
        return list(self._board.reports.values())

    def _one(self, request: web.Request) -> Report:
        key = (request.match_info["namespace"], request.match_info["name"])
        report = self._board.get(key)
        if report is None:
            text = json.dumps({"error": f"no DashboardDatabase {key[0]}/{key[1]} has been looked at"})
            raise web.HTTPNotFound(text=text, content_type="application/json")
        return report


def _json(body: dict[str, Any], *, ok: bool = True) -> web.Response:
    status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
    return web.json_response(body, status=status, headers={"Cache-Control": "no-store"})
