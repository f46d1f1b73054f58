"""Indexes that are built beside the traffic: by one of two runners, and after a build that was interrupted."""

from tests.database.programs import wait_until_it_waits
from tests.peers.programs import Peers
from tests.support.database import Database
from tests.support.processes import wait_until

GATE = "CREATE TABLE gate (n int)"
WRITER = "INSERT INTO gate VALUES (1)"
BUILD = "CREATE INDEX CONCURRENTLY gate_n ON gate (n)"
BUILD_IF_MISSING = BUILD.replace("gate_n", "IF NOT EXISTS gate_n")
OF_GATE = (
    "SELECT string_agg(indexrelid::regclass || CASE WHEN indisvalid THEN '' ELSE ' invalid' END, ',')"
    " FROM pg_index WHERE indrelid = 'gate'::regclass"
)
WAITS_IN_LOCK = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
    " AND now() - query_start > interval '2 seconds'"
)


def wait_until_it_builds(peers: Peers, database: Database) -> None:
    building = "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()"
    wait_until(lambda: peers.asked(database, building) == "1", what="the index is being built", seconds=20)


async def test_an_index_is_built_concurrently_while_another_runner_waits(peers: Peers) -> None:
    """Issue golang-migrate #960: a waiting runner blocks the working one; a deadlock, an invalid index, dirty."""
    peers.write({"1_gate.up.sql": GATE})
    assert [ended.returncode for ended in peers.both("up")] == [0, 0]
    peers.write({"2_index.up.sql": BUILD})
    async with peers.gate_closed(peers.theirs, by=WRITER) as gate:
        with peers.begun(peers.golang_migrate("up")) as first:
            wait_until_it_builds(peers, peers.theirs)
            with peers.begun(peers.golang_migrate("up")) as second:
                # so long that PostgreSQL has looked for a deadlock on its side already, and not found one yet
                wait_until(lambda: peers.asked(peers.theirs, WAITS_IN_LOCK) == "1", what="it waits", seconds=20)
                await gate.execute("ROLLBACK")
                _, told = first.communicate(timeout=30)
                second.communicate(timeout=30)
    assert (first.returncode, "deadlock detected" in told) == (1, True)
    assert peers.asked(peers.theirs, OF_GATE) == "gate_n invalid"
    async with peers.gate_closed(peers.ours, by=WRITER) as gate:
        with peers.begun(peers.dashdb("up")) as first:
            wait_until_it_builds(peers, peers.ours)
            with peers.begun(peers.dashdb("up", "--lock-timeout", "1m")) as second:
                wait_until_it_waits(second)
                await gate.execute("ROLLBACK")
                ended = [(process.communicate(timeout=60), process.returncode) for process in (first, second)]
    assert [code for _, code in ended] == [0, 0], ended
    assert peers.asked(peers.ours, OF_GATE) == "gate_n"


async def test_an_index_whose_building_was_interrupted_is_built_by_the_next_run(peers: Peers) -> None:
    """Everywhere else IF NOT EXISTS finds the invalid index, and the version counts as applied."""
    peers.write({"1_gate.up.sql": GATE})
    peers.write_goose({"1_gate.sql": f"{GATE};"})
    assert peers.run(peers.dashdb("up")).returncode == peers.run(peers.goose("up")).returncode == 0
    peers.write({"2_index.up.sql": BUILD_IF_MISSING})
    peers.write_goose({"2_index.sql": f"{BUILD_IF_MISSING};"}, head="-- +goose NO TRANSACTION\n")
    for database, command, code in ((peers.theirs, peers.goose("up"), 1), (peers.ours, peers.dashdb("up"), 7)):
        async with peers.gate_closed(database, by=WRITER):
            with peers.begun(command) as process:
                wait_until_it_builds(peers, database)
                peers.end_sessions(database)
                process.communicate(timeout=30)
        assert (process.returncode, peers.asked(database, OF_GATE)) == (code, "gate_n invalid")
    goose, ours = peers.run(peers.goose("up")), peers.run(peers.dashdb("up"))
    assert (goose.returncode, peers.asked(peers.theirs, OF_GATE)) == (0, "gate_n invalid")
    assert (ours.returncode, peers.asked(peers.ours, OF_GATE)) == (0, "gate_n")
