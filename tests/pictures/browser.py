"""A Chromium without a window, driven through its DevTools protocol."""

import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from signal import SIGTERM
from typing import Any

import aiohttp

from tests.support.processes import KeptProcess, SupportError, wait_until_async

START_SECONDS = 60.0
ANSWER_BYTES = 64 * 1024**2
"""Bytes that an answer may have; a picture of a large window is one message."""
OPTIONS = (
    "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--force-color-profile=srgb",
    "--font-render-hinting=none", "--remote-debugging-port=0",
)  # fmt: skip


class Tab:
    """One page of the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._last = 0

    async def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Return the result of a method of the protocol; what else arrives meanwhile is left out."""
        self._last += 1
        await self._socket.send_json({"id": self._last, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json()
            if message.get("id") == self._last:
                if "error" in message:
                    raise SupportError(f"Chromium refuses {method}: {message['error']}")
                return dict(message["result"])

    async def set_size(self, width: int, height: int) -> None:
        """Set the window's size in pixels."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, which must be fit for JSON."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise SupportError(f"the page raises: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    async def picture(self) -> bytes:
        """Return the window as a PNG."""
        answer = await self.call("Page.captureScreenshot", format="png", optimizeForSpeed=False)
        return base64.b64decode(answer["data"])


@asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Tab]:
    """Give an empty page of a new browser, whose profile and log are in FOLDER; it ends with the block."""
    program, profile = os.environ.get("CHROMIUM", "/usr/bin/chromium"), folder / "profile"
    if not Path(program).is_file():
        raise SupportError(f"there is no {program}: install Chromium, or name it in the variable CHROMIUM")
    profile.mkdir()
    # Chromium's sandbox refuses to run as root. It shows one page of ours and nothing else.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    command = [program, *OPTIONS, *sandbox, f"--user-data-dir={profile}", "about:blank"]
    process = KeptProcess(command, log=folder / "chromium.log", folder=profile)
    try:
        port = await _debugging_port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            address = await _first_page(session)
            async with session.ws_connect(address, max_msg_size=ANSWER_BYTES) as socket:
                yield Tab(socket)
    finally:
        process.stop(SIGTERM)


async def _debugging_port(file: Path) -> int:
    """Return the port that Chromium has chosen, once it has written it."""

    async def written() -> bool:
        return file.exists() and file.read_text().count("\n") > 0

    await wait_until_async(written, what=f"Chromium writes {file}", seconds=START_SECONDS)
    return int(file.read_text().split()[0])


async def _first_page(session: aiohttp.ClientSession) -> str:
    """Return the address of the page with which Chromium starts."""
    found: list[str] = []

    async def listed() -> bool:
        with suppress(aiohttp.ClientError):
            async with session.get("/json/list") as answer:
                pages = [each for each in await answer.json(content_type=None) if each["type"] == "page"]
                found.extend(each["webSocketDebuggerUrl"] for each in pages)
        return bool(found)

    await wait_until_async(listed, what="Chromium has a page", seconds=START_SECONDS)
    return found[0]
