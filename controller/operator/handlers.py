"""Handlers that kopf calls. Every event means the same: take up this resource."""

from typing import Any

import kopf

from controller.operator.credentials import Logins
from controller.operator.resource import Resource
from controller.operator.shard import Shard
from controller.operator.supervisor import Supervisor
from controller.resource import GROUP, PLURAL, VERSION


def registry(supervisor: Supervisor, logins: Logins, shard: Shard) -> kopf.OperatorRegistry:
    """Return our handlers: `on.event` and nothing else.

    No finalizer and no annotations, so that a resource can be deleted with the operator gone, and a restart writes
    nothing; see docs/decisions/0001. Of resources that are not of SHARD, nothing is looked at but the name.
    """
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers, id="login")
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return await logins.next()

    def ours(namespace: str | None, name: str | None, **_: Any) -> bool:
        return shard.holds((namespace or "", name or ""))

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=handlers, id="resource", when=ours)
    async def resource(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002 - kopf's name
        parsed = Resource.parse(_plain(body))
        if type == "DELETED":
            supervisor.forget(parsed)
        else:
            supervisor.observe(parsed)

    return handlers


def _plain(value: Any) -> Any:
    """Return kopf's read-only views as plain dictionaries and lists."""
    if hasattr(value, "items"):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
