"""Routes, and a server that listens before anything else is started: `/live` must not wait for a database."""

import json
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeAlias

import structlog
from aiohttp import web

from controller.errors import ConfigurationError
from controller.health.report import Key, Report
from controller.health.role import Role
from controller.health.store import ReportStore
from controller.health.unnamed import without_names
from controller.runtime.logs import log_fault
from controller.web import answers, page
from controller.web.advice import entries_of
from controller.web.connections import Listener
from controller.web.guard import Authorize, guard
from controller.web.html import HEADERS, render, troubleshooting
from controller.web.metrics import MetricsPage, form_for
from controller.web.negotiation import HEALTH_JSON, takes_gzip, wants_health_json
from controller.web.shared_page import SharedPage
from controller.web.strip import strip_of

log = structlog.get_logger(__name__)

Application: TypeAlias = web.Application
"""Endpoints of this process, for `serving`."""
SHUTDOWN_SECONDS = 1.0
"""Seconds for running requests to end when the process ends; aiohttp takes up to twice as long."""
_NEGOTIATED = {"Vary": "Accept"}
"""Header of an answer whose form depends on the Accept header of the request."""


def application(
    store: ReportStore,
    not_ready: Callable[[], str | None],
    *,
    version: str,
    authorize: Authorize | None = None,
    metrics_per_database: bool = True,
    role: Callable[[], Role | None] = lambda: None,
    shard: tuple[int, int] | None = None,
) -> web.Application:
    """Return the application with all endpoints.

    Args:
        not_ready: answers `/ready` without a name, which is open to all: why this process is not ready; None where it
            is.
        authorize: decides who may read what names databases; None lets everybody, and shows no host and no user.
        metrics_per_database: write series of each database, not only the totals.
        role: returns the part of this process in an election; None where there is none.
        shard: number of the shard whose databases this process looks after, and of shards in all; None where there are
            none. Who asks the wrong one of several is told so.
    """
    metrics = MetricsPage(store, version=version, per_database=metrics_per_database, role=role, shard=shard)
    several = "{}/{}".format(*shard) if shard is not None and shard[1] > 1 else None
    named = authorize is not None
    endpoints = _Endpoints(store, not_ready, version, SharedPage(metrics), role, shard=several, named=named)
    app = web.Application(middlewares=[_faults_in_our_log])
    if authorize is not None:
        app.middlewares.append(guard(authorize))
    app.router.add_get("/", endpoints.overview)
    app.router.add_get("/databases/{name}", endpoints.database)
    app.router.add_get("/databases/{namespace}/{name}", endpoints.database)
    app.router.add_get("/live", endpoints.live)
    app.router.add_get("/metrics", endpoints.metrics)
    for path, handler in (
        ("/ready", endpoints.ready),
        ("/api/v1/health", endpoints.health),
        ("/metrics/health", endpoints.flat),
    ):
        app.router.add_get(path, handler)
        app.router.add_get(f"{path}/{{namespace}}/{{name}}", handler)
    return app


@asynccontextmanager
async def serving(
    app: web.Application, host: str, port: int, tls: Callable[[], ssl.SSLContext | None] = lambda: None
) -> AsyncIterator[int]:
    """Listen for the time of a `with`; yield the port, which the system chooses where `port` is 0.

    Args:
        tls: returns what to serve the next connection with; None for plain HTTP.

    Raises:
        ConfigurationError: the address cannot be used.
    """
    runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_SECONDS)
    listener = Listener(runner, tls)
    app.middlewares.insert(0, listener.note_requests)
    await runner.setup()
    try:
        try:
            bound = await listener.listen(host, port)
        except (OSError, UnicodeError) as error:
            raise ConfigurationError(
                f"Cannot listen on {host}:{port}: {_why(error)}. Choose another address with --listen HOST:PORT."
            ) from None
        log.info("listening", host=host, port=bound, most_connections=listener.limit)
        yield bound
    finally:
        listener.close()
        await runner.cleanup()


@web.middleware
async def _faults_in_our_log(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Log faults here: aiohttp's own log is silent, since it repeats whatever a client sends that speaks no HTTP."""
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception as fault:  # noqa: BLE001 - whatever it is, the next request may do better
        log_fault(fault)
        return web.json_response({"error": "a fault of this program; its log says where"}, status=500)


class _Endpoints:
    def __init__(
        self,
        store: ReportStore,
        not_ready: Callable[[], str | None],
        version: str,
        metrics: SharedPage,
        role: Callable[[], Role | None],
        *,
        shard: str | None,
        named: bool,
    ) -> None:
        self._store = store
        self._shown: Callable[[Report], Report] = (lambda report: report) if named else without_names
        self._not_ready = not_ready
        self._version = version
        self._metrics = metrics
        self._role = role
        self._shard = shard

    async def overview(self, request: web.Request) -> web.Response:
        role, selection = self._standby(), page.Selection.of_query(request.query)
        found = page.overview(self._all(), selection)
        return self._html(
            "overview.html",
            selection,
            page=found,
            title="standby" if role else found.title,
            note=answers.standby(role) if role else "",
            links=page.LINKS,
            version=self._version,
            shard=self._shard,
        )

    async def database(self, request: web.Request) -> web.Response:
        [(key, report)] = self._asked(request).items()
        row = page.row_of(key, report)
        return self._html(
            "database.html",
            page.Selection.of_query(request.query),
            row=row,
            facts=page.facts_of(row),
            conditions=page.conditions_of(report),
            entries=entries_of(page.reasons_of(row, report), troubleshooting(), key),
            strip=strip_of(report, datetime.now(UTC)),
            changes=page.changes_of(report),
            links=page.links_of(key),
        )

    def _html(self, template: str, selection: page.Selection, **values: Any) -> web.Response:
        now = page.shown_time(datetime.now(UTC))
        text = render(template, selection=selection, refresh_seconds=page.REFRESH_SECONDS, now=now, **values)
        return web.Response(text=text, content_type="text/html", headers=HEADERS)

    async def live(self, _: web.Request) -> web.Response:
        return _json({"alive": True})

    async def metrics(self, request: web.Request) -> web.Response:
        form, compressed = form_for(_accept(request)), takes_gzip(request.headers.get("Accept-Encoding", ""))
        text = await self._metrics.read(form, compressed=compressed)
        headers = {"Content-Type": form.content_type, "Vary": "Accept, Accept-Encoding"}
        if compressed:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=text, headers=headers)

    async def ready(self, request: web.Request) -> web.Response:
        if "name" in request.match_info:
            [report] = self._asked(request).values()
            return _json(answer := answers.ready(report), ok=answer["ready"])
        if (reason := self._not_ready()) is None:
            return _json({"ready": True})
        return _json({"ready": False, "reason": reason}, ok=False)

    async def health(self, request: web.Request) -> web.Response:
        reports = self._asked(request)
        if (role := self._standby()) is not None:
            return self._standby_health(request, role)
        if wants_health_json(_accept(request)):
            answer = answers.health_check_response(reports, version=self._version)
            return _json(answer, ok=answer["status"] != "fail", content_type=HEALTH_JSON, **_NEGOTIATED)
        now, one = datetime.now(UTC), "name" in request.match_info or all(not namespace for namespace, _ in reports)
        if reports and one:
            answer = answers.health(list(reports.values()), now=now, version=self._version)
        else:
            answer = answers.health_of_all(reports, now=now, version=self._version)
        if self._shard is not None:
            answer["shard"] = self._shard
        return _json(answer, ok=answer["status"] != "unhealthy", **_NEGOTIATED)

    def _standby_health(self, request: web.Request, role: Role) -> web.Response:
        if wants_health_json(_accept(request)):
            answer = answers.standby_health_response(role, version=self._version)
            return _json(answer, ok=True, content_type=HEALTH_JSON, **_NEGOTIATED)
        answer = answers.standby_health(role, now=datetime.now(UTC), version=self._version)
        return _json(answer, ok=True, content_type="application/json", **_NEGOTIATED)

    async def flat(self, request: web.Request) -> web.Response:
        reports = self._asked(request)
        if self._standby() is not None:
            return _json({"standby": True})
        return _json(answers.flat(list(reports.values())))

    def _standby(self) -> Role | None:
        """Return the part of this process, if it is that of a standby."""
        role = self._role()
        return role if role is not None and role.standby else None

    def _asked(self, request: web.Request) -> dict[Key, Report]:
        """Return the report of the database that the path names, or all reports."""
        if "name" not in request.match_info:
            return self._all()
        key = (request.match_info.get("namespace", ""), request.match_info["name"])
        report = self._store.get(key, datetime.now(UTC))
        if report is None and (role := self._standby()) is not None:  # who asks again may reach the leader
            text = json.dumps({"error": answers.standby(role)})
            raise web.HTTPServiceUnavailable(text=text, content_type="application/json")
        if report is None:
            where = f" by shard {self._shard}; another shard may know it" if self._shard else ""
            text = json.dumps({"error": f"no database {answers.full_name(key)} has been checked{where}"})
            raise web.HTTPNotFound(text=text, content_type="application/json")
        return {key: self._shown(report)}

    def _all(self) -> dict[Key, Report]:
        return {key: self._shown(report) for key, report in self._store.reports(datetime.now(UTC)).items()}


def _why(error: OSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError):
        return "no name that a host can have"
    if isinstance(error, socket.gaierror):
        return str(error.strerror)
    return os.strerror(error.errno or 0)  # asyncio's own text names the address once more


def _accept(request: web.Request) -> str:
    """Return the whole Accept header, which may come in several lines."""
    return ",".join(request.headers.getall("Accept", []))


def _json(
    body: dict[str, Any], *, ok: bool = True, content_type: str = "application/json", **headers: str
) -> web.Response:
    status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
    headers["Cache-Control"] = "no-store"
    return web.json_response(body, status=status, headers=headers, content_type=content_type)
