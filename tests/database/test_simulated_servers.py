"""Simulated servers answer the operator's own code as the real database did, for as many databases as are named."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.simulated.record import recorded
from benchmarks.simulated.recording import Recording
from benchmarks.simulated.requests import CLOSE, SYNC, Requests, whole_messages
from benchmarks.simulated.scram import password_of
from benchmarks.simulated.servers import SimulatedServers, _Server, replaying
from controller.database.connection import connected
from controller.database.pool.pool import Pool
from controller.database.pool.values import PoolSettings
from controller.database.target import SslMode, Target
from controller.desired import Desired
from controller.errors import DatabaseUnavailable
from controller.migrate.files.folder import packaged_folder, read_folder
from controller.reconcile.memory import Memory
from controller.reconcile.reconcile import Dependencies, reconcile
from controller.reconcile.result import ReconcileResult
from controller.reconcile.turns import Turns
from tests.support.database import Database
from tests.support.protocol_messages import FLUSH, message
from tests.support.protocol_messages import SYNC as SYNC_MESSAGE

FILES = read_folder(packaged_folder())


def simulated_target(port: int, name: str) -> Target:
    return Target("127.0.0.1", port, name, "ann", password_of("ann"), SslMode.DISABLE)


async def reconciled(target: Target, memory: Memory) -> ReconcileResult:
    pool = Pool(target, PoolSettings())
    try:
        dependencies = Dependencies(lambda: FILES, Turns(), "team", lambda _: None)
        return await reconcile(Desired(target), pool, dependencies, memory)
    finally:
        await pool.close()


async def test_each_database_is_ready_at_once_and_again_and_with_drift_and_maintenance(
    database: Database, tmp_path: Path
) -> None:
    unknown = tmp_path / "unknown"
    unknown.touch()
    recording = await recorded(database)
    async with replaying(recording, 2, unknown) as ports:
        identities = []
        for port, name in ((ports[0], "one"), (ports[0], "two"), (ports[1], "one")):
            target = simulated_target(port, name)
            first = await reconciled(target, Memory())
            assert first.ready
            assert first.memory.settled is not None
            identities.append(first.memory.identity)
            again = await reconciled(target, first.memory)
            assert again.memory.settled is not None
            assert again.memory.settled.schema == first.memory.settled.schema
            now = datetime.now(UTC)
            last = await reconciled(target, replace(again.memory, comparison_due=now, maintenance_due=now))
            assert (last.ready, last.observed.drift, last.events) == (True, None, ())
            assert last.memory.comparison_due is not None
            assert last.memory.comparison_due > now
        assert len(set(identities)) == 3
        assert await reconciled(simulated_target(ports[0], "one"), Memory()) is not None
    assert SimulatedServers(ports, unknown).unknown() == []


@pytest.mark.parametrize(
    ("recorded_oid", "first"), [("16999", "16384"), ("104883", "100000"), ("99999999", "10000000")]
)
def test_the_oid_of_a_simulated_database_has_as_many_digits_as_the_recorded_one(
    recorded_oid: str, first: str, tmp_path: Path
) -> None:
    server = _Server(0, Recording(b"", f"7713602943661734244/{recorded_oid}", {}), {}, tmp_path / "unknown")
    assert server.identity("one") == f"7713602943661734244/{first}".encode()
    assert server.identity("two") == f"7713602943661734244/{int(first) + 1}".encode()


async def test_a_request_that_was_not_recorded_fails_and_is_kept(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = tmp_path / "unknown"
    unknown.touch()
    recording = await recorded(database)
    async with replaying(recording, 1, unknown) as ports:
        target = simulated_target(ports[0], "one")
        for ask in ("execute", "fetchval"):
            with pytest.raises(DatabaseUnavailable):
                async with connected(target) as connection:
                    await getattr(connection, ask)("SELECT 'another'")
        asked = SimulatedServers(ports, unknown).unknown()
    assert [text.split("\n")[0].strip() for text in asked] == ["QSELECT 'another'", "PSELECT 'another'"]
    assert capsys.readouterr().err.count("not recorded: ") == 2


def requests_of(*sent: bytes) -> list[bytes]:
    """Return the requests in what one session sends, in pieces that may end inside a message."""
    requests, buffer, found = Requests(), bytearray(), []
    for piece in sent:
        buffer += piece
        found += [requests.read(kind, body) for kind, body in whole_messages(buffer)]
    return [each for each in found if each is not None]


def prepared(name: bytes, text: bytes, value: bytes) -> bytes:
    parse = message(b"P", name + b"\0" + text + b"\0\0\0") + message(b"D", b"S" + name + b"\0") + FLUSH
    return parse + message(b"B", b"\0" + name + b"\0" + value) + message(b"E", b"\0\0\0\0\0") + SYNC_MESSAGE


def test_the_text_of_a_statement_and_its_values_tell_requests_apart_and_its_name_does_not() -> None:
    one, two = prepared(b"s_1", b"SELECT $1", b"x"), prepared(b"s_2", b"SELECT $1", b"x")
    assert requests_of(one) == requests_of(two[:9], two[9:])
    assert len(requests_of(one)) == 2
    assert requests_of(one)[0] != requests_of(prepared(b"s_1", b"SELECT $2", b"x"))[0]
    assert requests_of(one)[1] != requests_of(prepared(b"s_1", b"SELECT $1", b"y"))[1]


def test_the_end_of_a_statement_and_the_answer_to_an_error_need_no_recording() -> None:
    assert requests_of(SYNC_MESSAGE, message(b"C", b"Ss_1\0"), SYNC_MESSAGE) == [SYNC, CLOSE]
