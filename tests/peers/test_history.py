"""Differences between files and history: distinguished by our runner, ignored or refused by peers."""

from tests.peers.programs import Peers

A, B = "CREATE TABLE a ()", "CREATE TABLE b ()"
FIRST, SECOND, THIRD = (f"2026010{day}_{name}.up.sql" for day, name in ((1, "a"), (2, "b"), (3, "c")))


def test_a_file_that_was_edited_after_it_was_applied_is_told(peers: Peers) -> None:
    """Issues golang-migrate #310 and goose #288: no checksums."""
    peers.write({FIRST: A})
    peers.write_goose({"1_g.sql": "CREATE TABLE g ();"})
    first = (*peers.both("up"), peers.run(peers.goose("up")))
    assert [ended.returncode for ended in first] == [0, 0, 0]
    peers.write({FIRST: B})
    peers.write_goose({"1_g.sql": "CREATE TABLE h ();"})
    ours, theirs = peers.both("up")
    assert peers.run(peers.goose("up")).returncode == 0
    assert (theirs.returncode, theirs.stderr) == (0, "no change\n")
    assert (ours.returncode, "20260101_a.up.sql was edited" in ours.stderr) == (5, True)


def test_a_file_that_arrives_late_is_told(peers: Peers) -> None:
    """Issue golang-migrate #179: the file is skipped without a message, and never applied."""
    peers.write({FIRST: A, THIRD: "CREATE TABLE c ()"})
    assert [ended.returncode for ended in peers.both("up")] == [0, 0]
    peers.write({SECOND: B})
    ours, theirs = peers.both("up")
    assert (theirs.returncode, theirs.stderr) == (0, "no change\n")
    assert "b" not in peers.tables(peers.theirs)
    assert (ours.returncode, "20260102_b.up.sql sorts before version 20260103" in ours.stderr) == (5, True)


def test_an_older_release_starts_on_a_newer_database(peers: Peers) -> None:
    """Issue golang-migrate #1091: the Pod of the previous release does not start again."""
    peers.write({FIRST: A, SECOND: B})
    assert [ended.returncode for ended in peers.both("up")] == [0, 0]
    for path in peers.folder.glob("20260102_*"):
        path.unlink()
    ours, theirs = peers.both("up")
    assert (theirs.returncode, "no migration found for version 20260102" in theirs.stderr) == (1, True)
    assert (ours.returncode, ours.stdout) == (0, "Nothing to do; the schema is at version 20260102.\n")


def test_a_file_that_was_refused_can_be_mended_and_run_again(peers: Peers) -> None:
    """Issue golang-migrate #282: dirty, although PostgreSQL has rolled the whole file back."""
    peers.write({FIRST: A, SECOND: f"{B}; SELECT nothing"})
    assert [ended.returncode for ended in peers.both("up")] == [1, 1]
    assert peers.tables(peers.ours) == peers.tables(peers.theirs) == {"a"}
    peers.write({SECOND: B})
    ours, theirs = peers.both("up")
    assert (theirs.returncode, "Dirty database version 20260102" in theirs.stderr) == (1, True)
    assert (ours.returncode, peers.tables(peers.ours)) == (0, {"a", "b"})


def test_a_semicolon_inside_a_function_ends_no_statement(peers: Peers) -> None:
    """Issue golang-migrate #590 with x-multi-statement; goose fails without its own marks around the function."""
    function = "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN\n PERFORM 1;\n RETURN 2;\nEND $$;\n"
    peers.write({FIRST: function + A})
    peers.write_goose({"1_f.sql": function})
    ours = peers.run(peers.dashdb("up"))
    split = peers.run(peers.golang_migrate("up", url=f"{peers.theirs.dsn}&x-multi-statement=true"))
    assert (split.returncode, "unterminated dollar-quoted string" in split.stderr) == (1, True)
    goose = peers.run(peers.goose("up"))
    assert (goose.returncode, "unterminated dollar-quoted string" in goose.stderr) == (1, True)
    assert (ours.returncode, peers.asked(peers.ours, "SELECT f()")) == (0, "2")
