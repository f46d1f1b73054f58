"""Pages as HTML, from the templates beside this module; every value is escaped."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.web.advice import split_entries

if TYPE_CHECKING:
    from jinja2 import Environment

HEADERS = {
    "Cache-Control": "no-store",
    # Nothing is loaded from anywhere, and nothing runs: what a database or a resource says can do no harm here.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""Headers of each page."""
_PACKAGE = Path(__file__).parents[1]


def render(template: str, **values: Any) -> str:
    """Return a page; TEMPLATE is the name of a file in `controller/web/templates`."""
    return _environment().get_template(template).render(values)


@cache
def troubleshooting() -> Mapping[str, str]:
    """Return the entries of docs/troubleshooting.md, as the wheel or the checkout has it; read by the first page."""
    packaged = _PACKAGE / "packaged" / "troubleshooting.md"
    path = packaged if packaged.is_file() else _PACKAGE.parent / "docs" / "troubleshooting.md"
    return split_entries(path.read_text(encoding="utf-8"))


@cache
def _environment() -> "Environment":
    # Loaded by the first page: a process that nobody looks at does without it, and its memory.
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    return Environment(
        loader=PackageLoader("controller.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
