"""A database that golang-migrate itself has migrated, taken over by us."""

from dataclasses import replace

import pytest

from controller.migrate.adoption import lock_ids
from tests.peers.programs import Ended, Peers

FILES = {"1_a.up.sql": "CREATE TABLE a ()", "2_b.up.sql": "CREATE TABLE b ()", "3_c.up.sql": "CREATE TABLE c ()"}
THEIR_ROW = "SELECT version || ' ' || dirty FROM schema_migrations"
OUR_ROWS = "SELECT string_agg(version || ' ' || origin, ', ' ORDER BY version) FROM schema_version"


@pytest.fixture
def shared(peers: Peers) -> Peers:
    """Both on the database of golang-migrate."""
    peers.write(FILES)
    return replace(peers, ours=peers.theirs)


def applied_by_golang_migrate(shared: Peers, *arguments: str) -> Ended:
    return shared.run(shared.golang_migrate(*arguments))


def test_what_was_applied_counts_as_applied_and_its_table_stays_as_it_was(shared: Peers) -> None:
    assert applied_by_golang_migrate(shared, "up", "2").returncode == 0
    done = shared.run(shared.dashdb("up"))
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "Took over from golang-migrate at version 2.")
    assert shared.tables(shared.theirs) == {"a", "b", "c"}
    assert shared.asked(shared.theirs, OUR_ROWS) == "1 golang-migrate, 2 golang-migrate, 3 run"
    assert shared.asked(shared.theirs, THEIR_ROW) == "2 false"
    assert shared.run(shared.dashdb("up")).stdout == "Nothing to do; the schema is at version 3.\n"


def test_the_plan_of_a_takeover_writes_nothing(shared: Peers) -> None:
    assert applied_by_golang_migrate(shared, "up", "2").returncode == 0
    planned = shared.run(shared.dashdb("plan"))
    assert (planned.returncode, planned.stdout.splitlines()[0]) == (0, "takes over from golang-migrate, at version 2")
    assert shared.asked(shared.theirs, "SELECT to_regclass('schema_version') IS NULL") == "t"


def test_a_dirty_database_is_not_taken_over_until_somebody_says_where_it_is(shared: Peers) -> None:
    shared.write({"2_b.up.sql": "SELECT nothing"})
    assert applied_by_golang_migrate(shared, "up").returncode == 1
    refused = shared.run(shared.dashdb("up"))
    assert (refused.returncode, "one of two things" in refused.stderr) == (3, True)
    shared.write({"2_b.up.sql": FILES["2_b.up.sql"]})
    assert shared.run(shared.dashdb("force", "1", "--yes")).returncode == 0
    assert shared.run(shared.dashdb("up")).returncode == 0
    assert shared.tables(shared.theirs) == {"a", "b", "c"}


def test_a_version_without_a_file_is_not_taken_over(shared: Peers) -> None:
    assert applied_by_golang_migrate(shared, "up").returncode == 0
    for path in shared.folder.glob("3_c.*"):
        path.unlink()
    refused = shared.run(shared.dashdb("up"))
    assert (refused.returncode, "none of the files has" in refused.stderr) == (5, True)


def test_while_golang_migrate_is_at_work_nothing_is_taken_over(shared: Peers) -> None:
    assert applied_by_golang_migrate(shared, "up", "2").returncode == 0
    shared.write({"3_c.up.sql": "SELECT pg_sleep(60)"})
    with shared.asleep(shared.golang_migrate("up"), shared.theirs):
        refused = shared.run(shared.dashdb("up"))
    assert refused.returncode == 3  # it calls a version dirty while it works on it
    assert shared.asked(shared.theirs, "SELECT to_regclass('schema_version') IS NULL") == "t"


@pytest.mark.parametrize("used_as", ["library", "program"])
async def test_a_runner_of_golang_migrate_that_has_its_lock_is_waited_for(shared: Peers, used_as: str) -> None:
    assert applied_by_golang_migrate(shared, "up", "2").returncode == 0
    key = lock_ids(shared.theirs.name, "public")[used_as == "program"]
    async with shared.gate_closed(shared.theirs, by=f"SELECT pg_advisory_lock({key})"):
        refused = shared.run(shared.dashdb("up", "--lock-timeout", "300ms"))
    assert (refused.returncode, "golang-migrate, which is at work" in refused.stderr) == (4, True)
    assert shared.asked(shared.theirs, "SELECT to_regclass('schema_version') IS NULL") == "t"
