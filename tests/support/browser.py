"""A Chromium without a window, driven through its DevTools protocol."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from signal import SIGTERM
from typing import Any, Literal, TypeAlias

import aiohttp

from tests.support.browser_parts import chromium, command
from tests.support.processes import KeptProcess, SupportError, wait_until

START_SECONDS = 60.0
LOAD_SECONDS = 30.0
ANSWER_BYTES = 64 * 1024**2
"""Bytes that an answer may have; a picture of a large window is one message."""
OPTIONS = (
    "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--force-color-profile=srgb",
    "--font-render-hinting=none", "--remote-debugging-port=0",
    # Its sandbox refuses to run as root. It shows pages of ours and nothing else.
    "--no-sandbox", "--no-zygote",
)  # fmt: skip
KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), "ArrowDown": (40, "")}
"""Number of a key, and the text that it writes."""

Scheme: TypeAlias = Literal["light", "dark"]


class Tab:
    """One page of the browser.

    Attributes:
        requests: addresses that the browser asked for, whoever wanted that.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.requests: list[str] = []
        self._socket = socket
        self._last = 0
        self._loaded = False

    async def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Return the result of a method of the protocol."""
        self._last += 1
        await self._socket.send_json({"id": self._last, "method": method, "params": parameters})
        while True:
            message = await self._next_message()
            if message.get("id") == self._last:
                if "error" in message:
                    raise SupportError(f"Chromium refuses {method}: {message['error']}")
                return dict(message["result"])

    async def open(self, address: str) -> None:
        """Show a page, and return once it is loaded."""
        async with self.loading():
            answer = await self.call("Page.navigate", url=address)
            if "errorText" in answer:
                raise SupportError(f"{address} cannot be opened: {answer['errorText']}")

    @asynccontextmanager
    async def loading(self) -> AsyncIterator[None]:
        """Wait, at the end of a `with`, until the page is loaded to which something in it leads."""
        self._loaded = False
        yield
        async with asyncio.timeout(LOAD_SECONDS):
            while not self._loaded:
                await self._next_message()

    async def set_size(self, width: int, height: int) -> None:
        """Set the window's size in pixels."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def set_scheme(self, scheme: Scheme) -> None:
        """Set the colours that a person prefers."""
        await self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    async def press(self, key: str) -> None:
        """Press and release one of `KEYS`."""
        number, text = KEYS[key]
        about = {"key": key, "code": key, "windowsVirtualKeyCode": number}
        await self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **about)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    async def write(self, text: str) -> None:
        """Write text where the focus is."""
        await self.call("Input.insertText", text=text)

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression or of its promise, which must be fit for JSON."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise SupportError(f"the page raises: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    async def picture(self) -> bytes:
        """Return the window as a PNG."""
        answer = await self.call("Page.captureScreenshot", format="png", optimizeForSpeed=False)
        return base64.b64decode(answer["data"])

    async def _next_message(self) -> dict[str, Any]:
        message: dict[str, Any] = await self._socket.receive_json()
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        if message.get("method") == "Page.loadEventFired":
            self._loaded = True
        return message


class Browser:
    """Running Chromium, which listens on a port of 127.0.0.1 for whoever drives it."""

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"

    @asynccontextmanager
    async def tab(self) -> AsyncIterator[Tab]:
        """Give an empty tab for the time of a `with`."""
        async with aiohttp.ClientSession(self._address) as session:
            async with session.put("/json/new?about:blank") as answer:
                target = await answer.json(content_type=None)
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=ANSWER_BYTES) as socket:
                tab = Tab(socket)
                await tab.call("Page.enable")
                await tab.call("Network.enable")
                yield tab
            async with session.get(f"/json/close/{target['id']}"):
                pass


@contextmanager
def running_chromium(folder: Path) -> Iterator[Browser]:
    """Run a new browser for the time of a `with`; its profile and log are in FOLDER."""
    profile = folder / "profile"
    profile.mkdir()
    started = command(chromium(), *OPTIONS, f"--user-data-dir={profile}", "about:blank")
    process = KeptProcess(started, log=folder / "chromium.log", folder=profile)
    try:
        yield Browser(_debugging_port(profile / "DevToolsActivePort", process))
    finally:
        process.stop(SIGTERM)


def _debugging_port(file: Path, process: KeptProcess) -> int:
    """Return the port that Chromium has chosen, once it has written it."""

    def written() -> bool:
        return file.exists() and file.read_text().count("\n") > 0

    wait_until(written, what=f"Chromium writes {file}", seconds=START_SECONDS, process=process)
    return int(file.read_text().split()[0])
