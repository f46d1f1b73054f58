"""The pictures in docs/, each with the digest of the document that it shows."""

from io import BytesIO
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngImageFile, PngInfo

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
KEYWORD = "Source"
"""Keyword of PNG's text about where a picture comes from."""
COLOURS = 256
"""Colours of a picture, so that a pixel is a byte: a third of the size."""


def with_source(picture: bytes, digest: str) -> bytes:
    """Return a PNG of few colours, with the digest of the document that was drawn."""
    text, written = PngInfo(), BytesIO()
    text.add_text(KEYWORD, digest)
    with Image.open(BytesIO(picture)) as image:
        few = image.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(written, format="PNG", optimize=True, pnginfo=text)
    return written.getvalue()


def source_of(picture: bytes) -> str | None:
    """Return the digest of the document that was drawn, None if the picture does not tell."""
    with Image.open(BytesIO(picture), formats=["PNG"]) as image:
        assert isinstance(image, PngImageFile)
        return image.text.get(KEYWORD)
