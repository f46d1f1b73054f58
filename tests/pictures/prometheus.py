"""A real Prometheus that holds the synthetic series and scrapes nothing."""

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGTERM

import aiohttp

from tests.pictures.series import all_series
from tests.support.binaries import prometheus, promtool
from tests.support.processes import KeptProcess, SupportError, free_port, wait_until_async

START_SECONDS = 60.0


@asynccontextmanager
async def prometheus_with_series(folder: Path) -> AsyncIterator[str]:
    """Give the address of a Prometheus whose data is in FOLDER; it ends with the block."""
    data, configuration = folder / "data", folder / "prometheus.yaml"
    _write_blocks(folder / "series.txt", data)
    configuration.write_text("scrape_configs: []\n")
    address = f"127.0.0.1:{free_port()}"
    command: list[str | Path] = [prometheus(), f"--config.file={configuration}", f"--storage.tsdb.path={data}"]
    # The hour that is drawn is long gone: the usual 15 days would remove its blocks at once.
    command += ["--storage.tsdb.retention.time=100y", f"--web.listen-address={address}"]
    process = KeptProcess(command, log=folder / "prometheus.log")
    try:
        async with aiohttp.ClientSession(f"http://{address}") as session:
            await wait_until_async(lambda: _is_ready(session), what="Prometheus is ready", seconds=START_SECONDS)
        yield f"http://{address}"
    finally:
        process.stop(SIGTERM)


async def _is_ready(session: aiohttp.ClientSession) -> bool:
    try:
        async with session.get("/-/ready") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


def _write_blocks(text: Path, data: Path) -> None:
    """Write the series as OpenMetrics into TEXT, and have promtool turn them into blocks in DATA."""
    with text.open("w") as file:
        for series in all_series():
            file.writelines(series.lines())
        file.write("# EOF\n")
    command: list[str | Path] = [promtool(), "tsdb", "create-blocks-from", "openmetrics", text, data]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SupportError(f"promtool cannot read the synthetic series:\n{done.stderr}")
