"""Servers that give the recorded answers again, for a database of any name, in a process of their own.

Each database has an identity of its own, as each database of a real server has. All else is the same in all of them.
Nothing is checked: any password is good, and whatever is asked in a session is answered by its text alone. A request
that was not recorded is answered with an error, printed, and kept for whoever measures.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

from benchmarks.other_process import in_another_process
from benchmarks.simulated.recording import IDLE, Recording
from benchmarks.simulated.requests import CLOSE, SYNC, Requests, is_preparation, whole_messages
from benchmarks.simulated.scram import ScramServer
from tests.support.protocol_messages import SASL_CONTINUE, SASL_FINAL, SCRAM_OFFER, authentication, message, notice

PROTOCOL_3 = b"\0\3\0\0"
FIRST_OID = 16384
"""Oid of the first database that a user makes on a real server."""
FAILED = b"E"
"""Status of a transaction in which a statement has failed."""


@dataclass(frozen=True)
class SimulatedServers:
    """Running servers.

    Attributes:
        ports: of 127.0.0.1, one for each server.
        unknown_file: requests that were not recorded, each as one line of JSON.
    """

    ports: tuple[int, ...]
    unknown_file: Path

    def unknown(self) -> list[str]:
        """Return the requests that had no recorded answer until now."""
        return [str(json.loads(line)) for line in self.unknown_file.read_text().splitlines()]


@contextmanager
def simulated_servers(recording: Recording, count: int) -> Iterator[SimulatedServers]:
    """Run `count` servers in one other process for the duration of a `with`."""
    with tempfile.TemporaryDirectory(prefix="dashdb-bench-") as folder:
        unknown_file = Path(folder, "unknown")
        unknown_file.touch()
        with in_another_process(replaying, recording, count, unknown_file) as ports:
            yield SimulatedServers(ports, unknown_file)


@asynccontextmanager
async def replaying(recording: Recording, count: int, unknown_file: Path) -> AsyncIterator[tuple[int, ...]]:
    """Run `count` servers in this event loop for the duration of a `with`; yield their ports."""
    loop = asyncio.get_running_loop()
    parts = {key: _split(answer, recording.identity) for key, answer in recording.answers.items()}
    listening = []
    try:
        for number in range(count):
            server = _Server(number, recording, parts, unknown_file)
            listening.append(await loop.create_server(partial(_Session, server), "127.0.0.1", 0, backlog=1024))
        yield tuple(each.sockets[0].getsockname()[1] for each in listening)
    finally:
        for each in listening:
            each.close()


def _split(answer: bytes, identity: str) -> tuple[bytes, ...]:
    return tuple(answer.split(identity.encode()))


@dataclass(frozen=True)
class _Server:
    """One server, which listens on one port.

    Attributes:
        parts: of each answer, those around the identity of the database.
        identities: of the databases that somebody has logged in to.
    """

    number: int
    recording: Recording
    parts: dict[tuple[bytes, bytes], tuple[bytes, ...]]
    unknown_file: Path
    identities: dict[str, bytes] = field(default_factory=dict)

    def identity(self, database: str) -> bytes:
        """Return the identity of a database; a new one has the next oid, of as many digits as the recorded one.

        Raises:
            ValueError: it is longer than the recorded one, so that the answers' lengths would be wrong.
        """
        if database not in self.identities:
            system, _, oid = self.recording.identity.partition("/")
            first = max(FIRST_OID, 10 ** (len(oid) - 1))
            identity = f"{int(system) + self.number}/{first + len(self.identities)}"
            if len(identity) != len(self.recording.identity):
                raise ValueError(f"too many databases: {identity} is longer than {self.recording.identity}")
            self.identities[database] = identity.encode()
        return self.identities[database]

    def note_unknown(self, request: bytes) -> None:
        text = request.decode(errors="replace").replace("\0", " ")
        print(f"simulated server: not recorded: {text}", file=sys.stderr)
        with self.unknown_file.open("a") as file:
            file.write(json.dumps(text) + "\n")


class _Session(asyncio.Protocol):
    """Session of one client."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._buffer = bytearray()
        self._requests = Requests()
        self._status = IDLE
        self._identity = b""
        self._login: ScramServer | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._identity:
            self._start()
        else:
            for kind, body in whole_messages(self._buffer):
                if kind == b"p":
                    self._log_in(body)
                elif kind == b"X":
                    self._transport.close()
                elif (request := self._requests.read(kind, body)) is not None:
                    self._transport.write(self._answer(request))

    def _start(self) -> None:
        """Read the first message, and ask for the password; a request to cancel finds nothing that still runs."""
        if len(self._buffer) < 8 or len(self._buffer) < int.from_bytes(self._buffer[:4], "big"):
            return
        if self._buffer[4:8] != PROTOCOL_3:
            self._transport.close()
            return
        words = bytes(self._buffer[8:]).decode().split("\0")
        values = dict(zip(words[::2], words[1::2], strict=False))
        self._buffer.clear()
        self._identity = self._server.identity(values["database"])
        self._login = ScramServer(values["user"])
        self._transport.write(SCRAM_OFFER)

    def _log_in(self, body: bytes) -> None:
        if self._login is None:
            self._transport.abort()
        elif body.startswith(b"SCRAM-SHA-256\0"):  # and the length of the rest
            challenge = self._login.challenge(body[len(b"SCRAM-SHA-256\0") + 4 :])
            self._transport.write(authentication(SASL_CONTINUE, challenge))
        else:
            signature, self._login = self._login.signature(body), None
            greeting = self._server.recording.greeting
            self._transport.write(authentication(SASL_FINAL, signature) + authentication(0) + greeting)

    def _answer(self, request: bytes) -> bytes:
        parts = self._server.parts.get((self._status, request))
        if parts is not None:
            answer = self._identity.join(parts)
            if not is_preparation(request):
                self._status = answer[-1:]
            return answer
        ready = message(b"Z", self._status)
        if request in (SYNC, CLOSE):
            return ready if request == SYNC else message(b"3") + ready
        self._server.note_unknown(request)
        self._status = IDLE if self._status == IDLE else FAILED
        error = notice("not recorded", "ERROR", "0A000", kind=b"E")
        return error if is_preparation(request) else error + message(b"Z", self._status)
