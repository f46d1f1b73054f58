"""Pictures of the dashboards, as Perses shows them over synthetic series, and of the operator's page.

    python -m tests.pictures

draws docs/pictures/*.png with Perses' own components, a real Prometheus and Chromium. Nothing leaves this machine once
npm has fetched the components and Chromium.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from tests.pictures.bundle import bundled_page
from tests.pictures.drawing import draw, draw_page
from tests.pictures.picture import PICTURES, with_source
from tests.pictures.prometheus import prometheus_with_series
from tests.pictures.series.shapes import END, START
from tests.pictures.shown import dashboards, pages
from tests.pictures.site import site
from tests.support.browser import running_chromium
from tests.support.processes import SupportError


async def draw_all(folder: Path) -> None:
    """Draw every picture; FOLDER takes data and logs."""
    bundle = bundled_page()
    with running_chromium(folder) as browser:
        async with prometheus_with_series(folder) as prometheus, site(bundle, prometheus) as address:
            async with browser.tab() as tab:
                for dashboard in dashboards():
                    asked = urlencode({"dashboard": dashboard.name, "start": START * 1000, "end": END * 1000})
                    picture = await draw(tab, f"{address}/index.html?{asked}", dashboard.document)
                    _write(dashboard.name, picture, dashboard.source)
            async with browser.tab() as tab:
                for page in pages():
                    picture = await draw_page(tab, f"{address}/pages/{page.name}", page.width, page.scheme)
                    _write(page.name, picture, page.source)


def _write(name: str, picture: bytes, source: str) -> None:
    file = PICTURES / f"{name}.png"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(with_source(picture, source))
    print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")


def main() -> int:
    """Draw the pictures; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="dashdb-pictures-") as folder:
        try:
            asyncio.run(draw_all(Path(folder)))
        except SupportError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
