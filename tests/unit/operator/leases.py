"""An API server with one Lease, and replicas whose calls to it are cut into pieces, for tests without waiting."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import coroutine
from typing import Any, cast

from controller.errors import NotLeading
from controller.operator.client import ApiUnavailable, Client
from controller.operator.election import Election
from controller.operator.lease import LeaseTimes

PATH = "/apis/coordination.k8s.io/v1/namespaces/dashdb-system/leases/operator"
TIMES = LeaseTimes(15)


@coroutine
def a_moment() -> Generator[None, None, None]:
    """Wait, in a coroutine that is driven by hand."""
    yield


@dataclass
class LeaseServer:
    """A Lease in which a write of an older version than the newest is refused.

    Attributes:
        now: seconds of the true time.
        lease: None where there is none.
        may_create: whether replicas have the right to make one.
    """

    now: float = 0.0
    lease: dict[str, Any] | None = field(default_factory=lambda: {"metadata": {"resourceVersion": "1"}})
    may_create: bool = True
    versions: int = 1

    def edit(self, **spec: Any) -> None:
        """Change the Lease as a person does."""
        assert self.lease is not None
        self._write({**(self.lease.get("spec") or {}), **spec})

    def write(self, body: Mapping[str, Any]) -> dict[str, Any]:
        if self.lease is None:
            raise ApiUnavailable("PUT", HTTPStatus.NOT_FOUND)
        if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise ApiUnavailable("PUT", HTTPStatus.CONFLICT)
        return self._write(body["spec"])

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        if not self.may_create:
            raise ApiUnavailable("POST", HTTPStatus.FORBIDDEN)
        if self.lease is not None:
            raise ApiUnavailable("POST", HTTPStatus.CONFLICT)
        return self._write(body["spec"])

    @property
    def holder(self) -> str:
        return str(((self.lease or {}).get("spec") or {}).get("holderIdentity") or "")

    def _write(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        self.versions += 1
        self.lease = {"metadata": {"resourceVersion": str(self.versions)}, "spec": dict(spec)}
        return self.lease


class Calls:
    """The calls of one replica: a moment passes before the server acts on one, and another before the answer is there.

    Attributes:
        away: nothing is answered, and nothing arrives.
        answers_lost: what arrives takes effect, and nothing is answered.
    """

    def __init__(self, server: LeaseServer) -> None:
        self.server = server
        self.away = self.answers_lost = False

    async def read(self, path: str, *, seconds: float) -> dict[str, Any] | None:
        return cast("dict[str, Any] | None", await self._call(lambda: self.server.lease))

    async def replace(self, path: str, body: dict[str, Any], *, seconds: float) -> dict[str, Any]:
        return cast("dict[str, Any]", await self._call(lambda: self.server.write(body)))

    async def create(self, path: str, body: dict[str, Any], *, seconds: float) -> dict[str, Any]:
        return cast("dict[str, Any]", await self._call(lambda: self.server.create(body)))

    async def _call(self, act: Any) -> Any:
        await a_moment()
        if self.away:
            raise ApiUnavailable("call", 0)
        try:
            return act()
        finally:
            await a_moment()
            if self.answers_lost:
                raise ApiUnavailable("call", 0)


class Replica:
    """One replica, whose clock shows another time than the others'."""

    def __init__(self, server: LeaseServer, name: str, *, ahead: float = 0.0) -> None:
        self.name = name
        self.calls = Calls(server)
        self.election = Election(cast("Client", self.calls), PATH, name, TIMES, clock=lambda: server.now + ahead)
        self._step: Any = None

    @property
    def acts(self) -> bool:
        """True while its clock and its last renewal let it change something."""
        return self.election.term is not None and self.election.term.allows

    def go_on(self) -> bool:
        """Do the next piece of a step; return True at its end."""
        self._step = self._step or self.election.step()
        try:
            self._step.send(None)
        except (StopIteration, ApiUnavailable):
            self._step = None
            return True
        return False

    def step(self) -> None:
        """Do a whole step, in no time."""
        while not self.go_on():
            pass

    def refused(self, *, stopped_for: float = 0.0) -> str:
        """Return why the fence refuses a change; empty where it does not.

        Args:
            stopped_for: seconds for which the process is stopped in the middle of the question.
        """
        assert self.election.term is not None
        asking = self.election.term.confirm()
        try:
            while True:
                asking.send(None)
                self.calls.server.now += stopped_for
        except StopIteration:
            return ""
        except NotLeading as refusal:
            return refusal.message
