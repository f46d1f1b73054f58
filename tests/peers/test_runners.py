"""Runners that are killed, that wait for each other, and that stand behind a pooler."""

from dataclasses import replace

import asyncpg

from tests.database.programs import sleepers
from tests.peers.programs import AT_THE_GATE, THREE, Peers, all_connected
from tests.support.database import Database
from tests.support.pgbouncer import PgBouncer
from tests.support.processes import wait_until

SLEEPS = {"1_a.up.sql": "CREATE TABLE a (); SELECT pg_sleep(600)"}
MENDED = {"1_a.up.sql": "CREATE TABLE a ()"}
GATE = "CREATE TABLE gate ()"
BEHIND_THE_GATE = "LOCK TABLE gate; CREATE TABLE a ()"
LOCKS = (
    "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON database = d.oid"
    " WHERE locktype = 'advisory' AND datname = current_database()"
)


def test_after_kill_9_in_the_middle_of_a_file_the_next_run_goes_on(peers: Peers) -> None:
    """Issue golang-migrate #325: its statement runs on, and the version stays dirty with nothing of it applied."""
    peers.write(SLEEPS)
    with peers.asleep(peers.golang_migrate("up"), peers.theirs) as theirs:
        theirs.kill()
        with peers.asleep(peers.dashdb("up"), peers.ours) as ours:
            ours.kill()
            wait_until(lambda: sleepers(peers.server, peers.ours.name) == 0, what="our session ends", seconds=10)
        assert sleepers(peers.server, peers.theirs.name) == 1
    peers.write(MENDED)
    mended, refused = peers.both("up")
    assert (refused.returncode, "Dirty database version 1" in refused.stderr) == (1, True)
    assert peers.tables(peers.theirs) == set()
    assert (mended.returncode, peers.tables(peers.ours)) == (0, {"a"})


def test_the_limit_on_waiting_for_another_runner_holds(peers: Peers) -> None:
    """Issue golang-migrate #269: -lock-timeout does not reach the server."""
    peers.write(SLEEPS)
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
        " AND now() - query_start > interval '3 seconds'"
    )
    with (
        peers.asleep(peers.golang_migrate("up"), peers.theirs),
        peers.begun(peers.golang_migrate("-lock-timeout", "1", "up")) as theirs,
        peers.asleep(peers.dashdb("up"), peers.ours),
    ):
        ours = peers.run(peers.dashdb("up", "--lock-timeout", "1s"))
        assert (ours.returncode, "gave up waiting for dashdb from 127.0.0.1" in ours.stderr) == (4, True)
        wait_until(lambda: peers.asked(peers.theirs, waiting) == "1", what="three times its limit is over", seconds=20)
        assert theirs.poll() is None


async def test_three_replicas_that_start_at_once_all_succeed(peers: Peers) -> None:
    """Issue goose #191: its command takes no lock, and its library takes one only on request."""
    peers.write({"1_gate.up.sql": GATE})
    peers.write_goose({"1_gate.sql": f"{GATE};"})
    assert peers.run(peers.dashdb("up")).returncode == peers.run(peers.goose("up")).returncode == 0
    peers.write({"2_a.up.sql": BEHIND_THE_GATE})
    peers.write_goose({"2_a.sql": f"{BEHIND_THE_GATE};"})
    theirs = await peers.at_once(
        peers.goose("up", "no-lock"), peers.theirs, until=lambda _: peers.asked(peers.theirs, AT_THE_GATE) == str(THREE)
    )
    assert sorted(ended.returncode for ended in theirs) == [0, 1, 1]
    assert sum('relation "a" already exists' in ended.stderr for ended in theirs) == THREE - 1
    ours = await peers.at_once(peers.dashdb("up"), peers.ours, until=all_connected)
    assert [ended.returncode for ended in ours] == [0, 0, 0]
    assert sum("applied 2_a.up.sql" in ended.stderr for ended in ours) == 1


async def test_behind_pgbouncer_in_transaction_mode_no_lock_is_lost_and_none_stays(peers: Peers) -> None:
    """Issue golang-migrate #1001: it fails, or with its driver's option for poolers leaves its lock on a session."""
    peers.write(MENDED)
    with PgBouncer(peers.server, settings={"server_round_robin": "1"}) as pooler:
        theirs, ours = pooler.before(peers.theirs), pooler.before(peers.ours)
        for database in (theirs, ours):
            await open_two_sessions(database)
        failed = peers.run(peers.golang_migrate("up", url=theirs.dsn))
        assert (failed.returncode, "unnamed prepared statement does not exist" in failed.stderr) == (1, True)
        leaking = peers.run(peers.golang_migrate("up", url=f"{theirs.dsn}&binary_parameters=yes"))
        assert (leaking.returncode, peers.asked(peers.theirs, LOCKS)) == (0, "1")
        done = replace(peers, ours=ours).run(peers.dashdb("up", "--pooler", "pgbouncer"))
        assert (done.returncode, peers.tables(peers.ours), peers.asked(peers.ours, LOCKS)) == (0, {"a"}, "0")


async def open_two_sessions(database: Database) -> None:
    """Make the pooler open two sessions, so that two transactions of a later client run on different ones."""
    connections = [await asyncpg.connect(database.dsn, statement_cache_size=0) for _ in range(2)]
    for statement in ("BEGIN", "COMMIT"):
        for connection in connections:
            await connection.execute(statement)
    for connection in connections:
        await connection.close()
