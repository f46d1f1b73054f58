"""The web site that Chromium opens: the page, the documents, and Prometheus' answers behind it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from controller.web.html import HEADERS
from tests.pictures.series.shapes import END
from tests.pictures.shown import dashboards, pages

PROMETHEUS = web.AppKey("prometheus", aiohttp.ClientSession)


@asynccontextmanager
async def site(page: Path, prometheus: str) -> AsyncIterator[str]:
    """Serve PAGE on loopback, and the documents beside it; give the address."""
    application = web.Application()
    application.router.add_get("/dashboards/{name}.json", _document)
    application.router.add_get("/pages/{name}", _page)
    application.router.add_route("*", "/api/v1/{path:.+}", _ask_prometheus)
    application.router.add_static("/", page)
    async with aiohttp.ClientSession(prometheus) as session:
        application[PROMETHEUS] = session
        runner = web.AppRunner(application)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0]
            yield f"http://{host}:{port}"
        finally:
            await runner.cleanup()


async def _document(request: web.Request) -> web.Response:
    documents = {each.name: each.document for each in dashboards()}
    return web.json_response(documents[request.match_info["name"]])


async def _page(request: web.Request) -> web.Response:
    html = {each.name: each.html for each in pages()}
    return web.Response(text=html[request.match_info["name"]], content_type="text/html", headers=HEADERS)


async def _ask_prometheus(request: web.Request) -> web.Response:
    """Return Prometheus' answer; a query without a time is for the end of the hour that is drawn.

    Perses asks for the choices of a variable without a time, and at the present there are no series.
    """
    form = dict(await request.post())
    if request.path == "/api/v1/query":
        form.setdefault("time", str(END))
    asked = request.app[PROMETHEUS].request(request.method, request.path, params=request.query, data=form or None)
    async with asked as answer:
        return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)
