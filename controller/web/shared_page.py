"""The page of `/metrics`, written once for everybody who asks at about the same time."""

import asyncio
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

from controller.web.metrics import Form, MetricsPage

FRESH_SECONDS = 1.0
"""Seconds for which a page that was written is given to whoever asks: less than any Prometheus waits between two
scrapes, and enough that many clients at once cost one page."""
_GZIP = 16 + zlib.MAX_WBITS
"""Number by which zlib knows the format of gzip."""
_LEVEL = 1
"""Effort of the compression: half the time of the usual 6, for a page a tenth larger."""
_Kind: TypeAlias = tuple[tuple[str, str], bool]


class SharedPage:
    """Page that is written in a thread: for many databases it takes a while, and `/live` must not wait."""

    def __init__(self, page: MetricsPage) -> None:
        self._page = page
        # A thread of its own: the threads that all share may be busy with names that no resolver answers for.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="metrics")
        self._pages: dict[_Kind, asyncio.Future[bytes]] = {}

    async def read(self, form: Form, *, compressed: bool) -> bytes:
        """Return the page, at most FRESH_SECONDS old; COMPRESSED with gzip."""
        kind = (form.kind, compressed)
        page = self._pages.get(kind)
        if page is None:
            loop = asyncio.get_running_loop()
            page = self._pages[kind] = loop.run_in_executor(self._writer, self._write, form, compressed)
            page.add_done_callback(lambda _: loop.call_later(FRESH_SECONDS, self._pages.pop, kind))
        return await asyncio.shield(page)

    def _write(self, form: Form, compressed: bool) -> bytes:
        page = self._page.write(form)
        return zlib.compress(page, _LEVEL, _GZIP) if compressed else page
