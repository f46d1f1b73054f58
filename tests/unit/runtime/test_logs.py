"""Logs: one JSON object a line for machines, text for people."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import logging, structlog
from controller.runtime.log_format import LogFormat
from controller.runtime.logs import configure_logs
configure_logs(LogFormat({format!r}), {level!r})
log = structlog.get_logger("ours")
log.debug("whispered")
log.info("said", database="perses", count=3)
logging.getLogger("kopf.objects").info("kopf's own story")
logging.getLogger("kopf.objects").warning("kopf's warning")
try:
    raise ValueError("inner")
except ValueError:
    log.exception("failed")
"""


def logged(log_format: str, level: str = "info") -> str:
    program = PROGRAM.format(format=log_format, level=level)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "", "logs go to stderr"
    return done.stderr


def test_json_is_one_object_a_line_with_named_fields() -> None:
    records = [json.loads(line) for line in logged("json").splitlines()]
    said = records[0]
    assert said.pop("time").endswith("Z")
    assert said == {"level": "info", "message": "said", "database": "perses", "count": 3}
    assert [r["message"] for r in records] == ["said", "kopf's warning", "failed"]
    assert "ValueError: inner" in records[-1]["exception"]


def test_text_has_no_colours_where_nobody_looks() -> None:
    text = logged("text")
    assert "said" in text
    assert "database=perses" in text
    assert "\033" not in text


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_text_of_a_server_forges_no_record_and_moves_no_cursor(log_format: str) -> None:
    program = (
        "import structlog\n"
        "from controller.runtime.log_format import LogFormat\n"
        "from controller.runtime.logs import configure_logs\n"
        f"configure_logs(LogFormat({log_format!r}), 'info')\n"
        "hostile = 'x\\r\\n2026-01-31 [info] forged\\x1b[2J\\u202e' + 'y' * 5000\n"
        "structlog.get_logger('ours').info('said', text=hostile)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    [line] = done.stderr.splitlines()
    assert line.isprintable()
    assert len(line) < 1500


@pytest.mark.parametrize(("level", "heard"), [("debug", True), ("info", False)])
def test_each_try_of_kopf_to_reach_an_api_server_that_is_away_is_no_line_but_for_debugging(
    level: str, heard: bool
) -> None:
    """The words are those of kopf itself, which a newer release may change."""
    program = (
        "import asyncio, logging\n"
        "import aiohttp, kopf\n"
        "from kopf._cogs.clients import api\n"
        "from controller.runtime.log_format import LogFormat\n"
        "from controller.runtime.logs import configure_logs\n"
        f"configure_logs(LogFormat('json'), {level!r})\n"
        "class Away:\n"
        "    server, closed = 'https://localhost', False\n"
        "    @property\n"
        "    def session(self):\n"
        "        return self\n"
        "    async def request(self, **_):\n"
        "        raise aiohttp.ClientConnectionError('away')\n"
        "request = api.request.__wrapped__\n"
        "settings, log = kopf.OperatorSettings(), logging.getLogger('kopf._cogs.clients.watching')\n"
        "settings.networking.error_backoffs = [0.0]\n"
        "try:\n"
        "    asyncio.run(request('get', '/', settings=settings, context=Away(), logger=log))\n"
        "except aiohttp.ClientConnectionError:\n"
        "    pass\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    told = [json.loads(line)["message"] for line in done.stderr.splitlines()]
    assert any("escalating" in message for message in told), "what is not tried again is told"
    assert any("will retry" in message for message in told) is heard


@pytest.mark.parametrize(("level", "heard"), [("debug", True), ("info", False)])
def test_the_level_decides_what_is_heard(level: str, heard: bool) -> None:
    assert ("whispered" in logged("json", level)) is heard
