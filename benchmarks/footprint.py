"""Memory of the operator at rest, and the response time of `/live` while it reconciles a burst.

python -m benchmarks.footprint
"""

import http.client
import statistics
import subprocess
import sys
import threading
import time

from rich.console import Console
from rich.table import Table

from benchmarks.apply_to_ready import BURST, apply_to_ready, burst
from benchmarks.parts import Parts, ReadyWatch, real_parts
from tests.support.resources import connection_values, resource, secret

SETTLE_SECONDS = 5.0
SINGLES = 20
MEBIBYTE = 1024 * 1024


class LiveProbe(threading.Thread):
    """Thread that requests `/live` over one connection until stopped.

    Attributes:
        milliseconds: time of each answer.
    """

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.milliseconds: list[float] = []
        self._port = port
        self._stopped = threading.Event()

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self._stopped.wait(0.005):
            started = time.perf_counter()
            connection.request("GET", "/live")
            connection.getresponse().read()
            self.milliseconds.append((time.perf_counter() - started) * 1000)

    def stop(self) -> list[float]:
        self._stopped.set()
        self.join()
        return self.milliseconds


def one_resource(parts: Parts, watch: ReadyWatch) -> None:
    database = parts.postgres.create_database()
    parts.team.apply(secret("one", connection_values(database)), resource("one", secret_name="one"))
    watch.wait_for({"one"}, seconds=60)


def imported_bytes() -> int:
    """Return the memory of a Python that only imports what every such operator needs."""
    program = "import kopf, asyncpg, psutil; print(psutil.Process().memory_info().rss)"
    return int(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[-1]


def main() -> None:
    with real_parts() as parts:
        watch = ReadyWatch(parts)
        one_resource(parts, watch)
        time.sleep(SETTLE_SECONDS)
        at_rest = parts.operator.resident_bytes / MEBIBYTE
        quiet = LiveProbe(parts.operator.port)
        quiet.start()
        time.sleep(SETTLE_SECONDS)
        idle = quiet.stop()
        working = LiveProbe(parts.operator.port)
        working.start()
        for number in range(SINGLES):
            apply_to_ready(parts, watch, f"single-{number}")
        one_by_one = working.stop()
        busy = LiveProbe(parts.operator.port)
        busy.start()
        burst(parts, watch)
        under_load = busy.stop()
        after = parts.operator.resident_bytes / MEBIBYTE
        watch.close()
    table = Table("what", "figure", title="Footprint of the operator")
    floor = imported_bytes() / MEBIBYTE
    table.add_row("floor: a Python that has imported kopf and asyncpg", f"{floor:.0f} MiB")
    table.add_row("resident memory at rest, one resource", f"{at_rest:.0f} MiB, {at_rest / floor:.2f} of the floor")
    table.add_row("resident memory after a burst of 100", f"{after:.0f} MiB")
    for when, milliseconds in (
        ("at rest", idle),
        (f"while {SINGLES} resources become Ready one by one", one_by_one),
        (f"while {BURST} resources become Ready at once", under_load),
    ):
        table.add_row(f"/live {when}, p99", f"{p99(milliseconds):.1f} ms of {len(milliseconds)}")
    Console().print(table)


if __name__ == "__main__":
    main()
