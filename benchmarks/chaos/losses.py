"""Losses that no fault may cause: a file that ran twice or by half, a status that is wrong, a password that shows."""

import json
from collections import Counter
from dataclasses import astuple, dataclass

from benchmarks.chaos.stage import Case, Stage
from tests.support.serving import OperatorProcess
from tests.support.several_files import LAST, each_once, recorded, told_once


@dataclass(frozen=True)
class Losses:
    """Number of losses of one run, or of several together.

    Attributes:
        twice: files that ran twice.
        told: events that were told twice.
        half: files of which a part is missing, locks that are still held, templates that are missing.
        lost: values of the status that are not those of the database.
        seen: passwords in logs, events and status.
    """

    twice: int = 0
    told: int = 0
    half: int = 0
    lost: int = 0
    seen: int = 0

    def __add__(self, other: "Losses") -> "Losses":
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Losses(*(one + more for one, more in pairs))


class Logs:
    """Logs of the replicas, of which each part is read once."""

    def __init__(self) -> None:
        self._read: Counter[OperatorProcess] = Counter()

    def more(self, replica: OperatorProcess) -> str:
        """Return what REPLICA has written since the last call."""
        with replica.log_file.open("rb") as log:
            log.seek(self._read[replica])
            text = log.read()
        self._read[replica] += len(text)
        return text.decode(errors="replace")


def losses_of(case: Case, stage: Stage, logs: Logs, *, told_again: bool) -> Losses:
    """Return the losses after a run, when all is Ready again; TOLD_AGAIN if it was Ready before the fault."""
    body, events = stage.team.get(case.name), stage.team.events()
    ran = Counter(recorded(stage.server, case.database))
    twice = sum(count - 1 for count in ran.values())
    told = 0
    if not told_again:
        try:
            told_once(stage.team, case.name)
        except AssertionError:
            told = 1
    half = len(set(each_once()) - ran.keys()) + int(case.ask("SELECT 4 - count(*) FROM dashboard_template"))
    half += int(case.ask("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"))
    status = body["status"]
    wanted = {"current": LAST, "generation": body["metadata"]["generation"]}
    said = {"current": status["schema"]["current"], "generation": status["observedGeneration"]}
    shown = json.dumps([body, events]) + "".join(logs.more(replica) for replica in stage.pair.both)
    passwords = {case.database.password, *stage.server.passwords}
    lost = sum(said[name] != value for name, value in wanted.items())
    return Losses(twice, told, half, lost, sum(shown.count(password) for password in passwords))
