"""Exit codes of the command line, with their words on the page of the reference."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit code; keeps its meaning for as long as the major version stays the same.

    Attributes:
        means, advice: Markdown for docs/reference/exit-codes.md.
    """

    means: str
    advice: str

    def __new__(cls, code: int, means: str = "", advice: str = "") -> "ExitCode":
        """Make a member of its number and its words."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.means, member.advice = means, advice
        return member

    DONE = 0, "done, or nothing to do", "nothing"
    FAILED = (
        1,
        "failed; the message says what was rolled back. Also: `dashdb health` found the database unhealthy, "
        "`dashdb migrate lint` an error, `dashdb migrate verify` a difference, `dashdb templates seed` a template that "
        "it could not write, `kubectl dashdb status` a database that is not ready",
        "read the last line, correct the cause, run it again",
    )
    USAGE = 2, "usage, a setting or a migration file is wrong; nothing was done", "write what the message says"
    DIRTY = (
        3,
        "dirty: a file without a transaction stopped half-way",
        "correct the cause, then `dashdb migrate up` goes on there",
    )
    LOCKED = (
        4,
        "another runner held the lock until the deadline",
        "run it again, with a longer `--lock-timeout`",
    )
    MISMATCH = 5, "the files disagree with the history", "`dashdb migrate status` shows which; bring them back"
    AHEAD = (
        6,
        "the database is newer than the files, and the command had to act",
        "use the release that has the files",
    )
    UNREACHABLE = 7, "the database cannot be reached, or refused the login", "`dashdb health` says why"
    FOUND = (
        8,
        "only where it was asked for: something is pending (`dashdb migrate status --exit-code`), would change "
        "(`dashdb templates diff --exit-code`), or was changed by hand (`dashdb migrate drift`; with `--grants`, "
        "grants as well)",
        "`dashdb migrate up`, `dashdb templates seed`; [Drifted](../troubleshooting.md#drifted)",
    )
    INTERRUPTED = (
        130,
        "interrupted by `^C`; what ran is rolled back, and nothing is half applied unless the message says dirty",
        "run it again",
    )
    TERMINATED = 143, "the same, by SIGTERM", "run it again"
