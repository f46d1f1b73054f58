"""Pictures of the system templates, as Perses shows them over synthetic series.

    python -m tests.pictures

draws docs/pictures/template-*.png with Perses' own components, a real Prometheus and Chromium. Nothing leaves this
machine once npm has fetched the components and Chromium.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from controller.templates.shipped import ShippedTemplate, shipped_templates
from tests.pictures.bundle import bundled_page
from tests.pictures.drawing import draw
from tests.pictures.picture import PICTURES, with_source
from tests.pictures.prometheus import prometheus_with_series
from tests.pictures.series.shapes import END, START
from tests.pictures.site import site
from tests.support.browser import Tab, running_chromium
from tests.support.processes import SupportError


async def draw_all(folder: Path) -> None:
    """Draw every template; FOLDER takes data and logs."""
    page = bundled_page()
    with running_chromium(folder) as browser:
        async with prometheus_with_series(folder) as prometheus, site(page, prometheus) as address, browser.tab() as tab:
            for template in shipped_templates():
                await _draw(template, tab, address)


async def _draw(template: ShippedTemplate, tab: Tab, site: str) -> None:
    asked = urlencode({"template": template.id, "start": START * 1000, "end": END * 1000})
    picture = await draw(tab, f"{site}/index.html?{asked}", template.document)
    file = PICTURES / f"{template.id}.png"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(with_source(picture, template.content_sha256))
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
