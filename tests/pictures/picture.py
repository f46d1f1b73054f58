"""The pictures in docs/, each with the digest of the document that it shows."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEYWORD = b"Source\0"
"""Keyword of PNG's text about where a picture comes from, and the byte that ends it."""


def with_source(picture: bytes, digest: str) -> bytes:
    """Return a PNG with the digest of the document that was drawn, in a chunk before its end."""
    text = _chunk(b"tEXt", KEYWORD + digest.encode())
    parts = [_chunk(kind, content) for kind, content in _chunks(picture)]
    return SIGNATURE + b"".join([*parts[:-1], text, parts[-1]])


def source_of(picture: bytes) -> str | None:
    """Return the digest of the document that was drawn, None if the picture does not tell."""
    for kind, content in _chunks(picture):
        if kind == b"tEXt" and content.startswith(KEYWORD):
            return content.removeprefix(KEYWORD).decode()
    return None


def _chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give kind and content of each chunk of a PNG."""
    if not picture.startswith(SIGNATURE):
        raise ValueError("not a PNG")
    at = len(SIGNATURE)
    while at < len(picture):
        length, kind = struct.unpack_from(">I4s", picture, at)
        yield kind, picture[at + 8 : at + 8 + length]
        at += 12 + length


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
