"""Client for the few calls to the API server that kopf does not make, on the official library.

Its generic call is used instead of its typed classes: those cost 25 MiB of memory for five calls.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.config import ConfigException

from controller import __version__
from controller.database.secret import SecretData, needed_values
from controller.errors import DashdbError
from controller.health.report import Key
from controller.operator.event_object import event_object
from controller.operator.resource import Resource, version_number
from controller.reconcile.result import Event
from controller.resource import GROUP, PLURAL, VERSION
from controller.text import one_line

TIMEOUT_SECONDS = 10.0
"""Most seconds for one call; a server that hangs must not hold up a reconcile for longer than a database may."""
READ_SECONDS = 2.0
"""Most seconds for reading one object; without an answer, a reconcile uses the version that was read last."""
CONNECTIONS = 16
"""Most open connections to the API server: a burst of resources must not open a thousand."""
USER_AGENT = f"dashdb/{__version__}"
"""Name of this program in audit logs, and of the manager of the fields that it writes."""
WORDS_LENGTH = 300
"""Most characters of the API server's own words in a message: enough for a rule with its path, short for a log line."""
PAGE = 500
"""Most resources in one answer to a list, the number that kubectl asks for."""
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
"""Form of a list without specs and status:
https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches."""
_METADATA_OF_ONE = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
"""The same of a watch."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Resources that there are.

    Attributes:
        version: resourceVersion of the list; a newer resource may be missing in it.
        resources: uid and resourceVersion by namespace and name.
    """

    version: int
    resources: Mapping[Key, tuple[str, int]]


class ApiUnavailable(DashdbError):
    """Error: the API server did not answer, or refused.

    Attributes:
        status: HTTP status; 0 where there was no answer.
        stable: the message for a status, without the API server's own words, which may differ each time.
    """

    reason = "ApiUnavailable"

    @property
    def told_once(self) -> bool:
        """True for an API server that is away, which the heartbeat says once for all resources."""
        return self.status == 0

    def __init__(self, call: str, status: int, words: str = "") -> None:
        what = f"answered {status}" if status else "did not answer"
        said = f"The API server {what} to {call}"
        super().__init__(f"{said}: {words}." if words else f"{said}.")
        self.status, self.stable = status, f"{said}."


class StatusConflict(Exception):
    """A resource is another version by now than the one whose status was to be written.

    Attributes:
        found: as it is.
    """

    def __init__(self, found: Resource) -> None:
        super().__init__(f"{found.namespace}/{found.name} is at version {found.version}")
        self.found = found


class Client:
    """Client of the API server, for one process."""

    def __init__(self, configuration: Configuration, *, instance: str) -> None:
        configuration.connection_pool_maxsize = CONNECTIONS
        # Else each call looks for a netrc file, in a thread. kopf asks the environment for nothing either.
        configuration.client_session_kwargs = {"trust_env": False}
        self._api = ApiClient(configuration)
        self._api.user_agent = USER_AGENT
        self._instance = instance

    async def close(self) -> None:
        await self._api.close()

    async def read_secret(self, namespace: str, name: str, *, ca_key: str | None) -> tuple[str, SecretData] | None:
        """Return resource version and the values that we need; None where there is no such Secret.

        Args:
            ca_key: see `needed_values`.
        """
        body = await self._get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        if body is None:
            return None
        data = needed_values(body.get("data") or {}, ca_key=ca_key)
        return str(body["metadata"]["resourceVersion"]), data

    async def read_resource(self, namespace: str, name: str) -> Resource | None:
        """Return one DashboardDatabase as it is now; None where it is gone.

        It is a list of one, so that the right to list, which a watch needs, is enough.
        """
        body = await self._get(f"{_collection(namespace)}?fieldSelector=metadata.name%3D{name}")
        items = (body or {}).get("items") or ()
        return Resource.parse(items[0]) if items else None

    async def list_versions(self, namespace: str | None) -> Listing:
        """Return which DashboardDatabases there are; None for those of all namespaces.

        Only metadata are asked for, and only a few of those are kept.

        Raises:
            ApiUnavailable: no answer, or no right to list.
        """
        found: dict[Key, tuple[str, int]] = {}
        path = f"{_collection(namespace)}?limit={PAGE}"
        after = ""
        while True:
            body = await self._call("GET", path + after, accept=_METADATA_ONLY)
            if body is None:
                raise ApiUnavailable(f"list {PLURAL}", HTTPStatus.NOT_FOUND)
            for item in body.get("items") or ():
                metadata = item["metadata"]
                found[metadata["namespace"], metadata["name"]] = (metadata["uid"], version_number(metadata))
            after = body["metadata"].get("continue") or ""
            if not after:
                return Listing(version_number(body["metadata"]), found)
            after = f"&continue={quote(after)}"

    async def ping(self, namespace: str | None, *, watch: bool = False) -> None:
        """List one resource at most, to see whether the API server answers.

        Args:
            watch: also open a watch, and close it before it says anything.

        Raises:
            ApiUnavailable: no answer, no right to list or to watch, or no such kind (status 404).
        """
        path = _collection(namespace)
        listed = await self._call("GET", f"{path}?limit=1", accept=_METADATA_ONLY)
        if listed is None:
            raise ApiUnavailable(f"list {PLURAL}", HTTPStatus.NOT_FOUND)
        if not watch:
            return
        # With the version of the list, else the API server begins with all resources.
        since = (listed.get("metadata") or {}).get("resourceVersion") or ""
        query = f"watch=1&timeoutSeconds=1&resourceVersion={quote(since)}"
        await self._call("GET", f"{path}?{query}", accept=_METADATA_OF_ONE, opened=True)

    async def write_status(self, resource: Resource, status: dict[str, Any]) -> Resource | None:
        """Replace the status; return the resource as it is then, or None where it is gone, or another of its name.

        Raises:
            StatusConflict: it is no longer the version that RESOURCE is; the status may be somebody else's, and newer.
        """
        patch: list[dict[str, Any]] = [
            {"op": "test", "path": "/metadata/uid", "value": resource.uid},
            {"op": "add", "path": "/status", "value": status},
        ]
        if resource.version:
            patch.insert(1, {"op": "test", "path": "/metadata/resourceVersion", "value": str(resource.version)})
        path = f"{_collection(resource.namespace)}/{resource.name}/status?fieldManager={quote(USER_AGENT)}"
        try:
            body = await self._call("PATCH", path, patch, content_type="application/json-patch+json")
        except ApiUnavailable as error:
            if error.status != HTTPStatus.UNPROCESSABLE_ENTITY:
                raise
            found = await self.read_resource(*resource.key)
            if found is None or found.uid != resource.uid:
                return None
            if found.version == resource.version:
                raise
            raise StatusConflict(found) from None
        return None if body is None else Resource.parse(body)

    async def post_event(self, resource: Resource, event: Event) -> None:
        """Show `event` in `kubectl describe` of `resource`."""
        body = event_object(resource, event, instance=self._instance)
        await self._call("POST", f"/apis/events.k8s.io/v1/namespaces/{resource.namespace}/events", body)

    async def read(self, path: str, *, seconds: float) -> dict[str, Any] | None:
        """Return an object; None where there is none.

        Raises:
            ApiUnavailable: no answer within SECONDS, or no right to read it.
        """
        return await self._call("GET", path, seconds=seconds)

    async def replace(self, path: str, body: dict[str, Any], *, seconds: float) -> dict[str, Any]:
        """Write an object in the place of the version that BODY names; return it as it is then.

        Raises:
            ApiUnavailable: no answer within SECONDS, no right to write it, no such object (status 404), or another
                version by now (409).
        """
        return self._some(await self._call("PUT", path, body, seconds=seconds), f"PUT {path}")

    async def create(self, path: str, body: dict[str, Any], *, seconds: float = TIMEOUT_SECONDS) -> dict[str, Any]:
        """Create an object, which may be a question; return it as the API server answered.

        Raises:
            ApiUnavailable: no answer within SECONDS, no right to create it, or no such kind (status 404).
        """
        return self._some(await self._call("POST", path, body, seconds=seconds), f"POST {path}")

    @staticmethod
    def _some(answer: dict[str, Any] | None, call: str) -> dict[str, Any]:
        if answer is None:
            raise ApiUnavailable(call, HTTPStatus.NOT_FOUND)
        return answer

    async def _get(self, path: str) -> dict[str, Any] | None:
        return await self._call("GET", path, seconds=READ_SECONDS)

    async def _call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | list[dict[str, Any]] | None = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        seconds: float = TIMEOUT_SECONDS,
        opened: bool = False,
    ) -> dict[str, Any] | None:
        """Return the decoded answer; None for 404.

        Args:
            opened: to begin is enough: nothing of an answer is waited for, and it is returned as empty.

        Raises:
            ApiUnavailable: no answer in time, or any other status than 2xx and 404.
        """
        call = f"{method} {path}"
        try:
            async with asyncio.timeout(seconds):
                request = await self._api.param_serialize(
                    method,
                    path,
                    header_params={"Accept": accept, "Content-Type": content_type},
                    body=body,
                    auth_settings=["BearerToken"],
                )
                response = await self._api.call_api(*request)
                if opened and response.status < HTTPStatus.BAD_REQUEST:
                    response.response.close()
                    return {}
                data = await response.read()
        except ApiException as error:
            raise ApiUnavailable(call, error.status or 0) from None
        except (aiohttp.ClientError, OSError, ConfigException):  # the last: a token's file that is being written
            raise ApiUnavailable(call, 0) from None
        if response.status == HTTPStatus.NOT_FOUND:
            return None
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise ApiUnavailable(call, response.status, _words_of(data))
        try:
            answer: dict[str, Any] = json.loads(data)
        except (ValueError, RecursionError):  # a proxy in between, with a page of its own
            raise ApiUnavailable(call, response.status) from None
        return answer


def _words_of(refusal: bytes) -> str:
    """Return why the API server refused, in its own words, without a full stop; empty where it does not say.

    See `message` in https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/.
    """
    try:
        words = json.loads(refusal)["message"]
    except (ValueError, LookupError, TypeError, RecursionError):  # the page of a proxy in between
        return ""
    return one_line(words, WORDS_LENGTH).strip().removesuffix(".") if isinstance(words, str) else ""


def _collection(namespace: str | None) -> str:
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/{GROUP}/{VERSION}{scope}/{PLURAL}"
