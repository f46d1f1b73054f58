"""Guard of the endpoints that name databases, hosts and users: who asks has to be allowed to, by a Bearer token.

Who that is, and what they may, is somebody else's decision: of the API server, in the operator.
"""

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeAlias

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

Authorize: TypeAlias = Callable[[str, str, str, str], Awaitable[HTTPStatus]]
"""Decision about one request, from its token, its verb (`get`), its path and the client's address.

OK; UNAUTHORIZED for a token of nobody; FORBIDDEN; TOO_MANY_REQUESTS; SERVICE_UNAVAILABLE where nobody can decide."""

_OPEN = frozenset({"/live", "/ready"})
"""Paths that kubelet asks for, which sends no token. They name nothing; `/ready/<namespace>/<name>` does."""
_BEARER = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*) *", re.IGNORECASE)
"""A token as RFC 6750 writes it; whatever else stands in the header never leaves this process."""
_API = "/api/v1/"
"""Prefix that is left out when somebody is asked: every account of a cluster may read all below `/api`, by the
ClusterRole system:discovery. So `/api/v1/health` is asked about as `/health`."""
_SAYS = {
    HTTPStatus.UNAUTHORIZED: "A valid token is needed: Authorization: Bearer TOKEN. /live and /ready need none.",
    HTTPStatus.FORBIDDEN: "This account may not read this path: it needs the verb get on a nonResourceURL.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many new questions from there. Try again in a second.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The API server cannot be asked who may read this. The log says why.",
}
_HEADERS = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": "1"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "5"},
}


def guard(authorize: Authorize) -> Middleware:
    """Return a middleware that asks AUTHORIZE before anything but the open paths is answered."""

    @web.middleware
    async def ask_first(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in _OPEN or request.match_info.http_exception is not None:  # no such path, for anybody
            return await handler(request)
        token = _BEARER.fullmatch(request.headers.get("Authorization", ""))
        decision = HTTPStatus.UNAUTHORIZED
        if token is not None:
            path = f"/{request.path[len(_API) :]}" if request.path.startswith(_API) else request.path
            decision = await authorize(token[1], request.method.lower(), path, request.remote or "")
        if decision is HTTPStatus.OK:
            return await handler(request)
        headers = {"Cache-Control": "no-store", **_HEADERS.get(decision, {})}
        return web.json_response({"error": _SAYS[decision]}, status=decision, headers=headers)

    return ask_first
