"""Synthetic pictures."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from apps.sources.domain.picture import Seen

PLAIN = Seen("image/png", 20, 10)
"""What is found out about `plain()`."""


def screenshot(lines: Sequence[str], *, dark: bool = False, kind: str = "PNG") -> bytes:
    """Lines of text on a plain ground, as in a screenshot of a post."""
    ground, ink = ((18, 24, 32), "white") if dark else ("white", "black")
    image = Image.new("RGB", (900, 60 + 60 * len(lines)), ground)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size=34)
    for place, line in enumerate(lines):
        pen.text((30, 30 + 60 * place), line, fill=ink, font=font)
    return encoded(image, kind)


def plain(width: int = 20, height: int = 10, kind: str = "PNG") -> bytes:
    return encoded(Image.new("RGB", (width, height), "gray"), kind)


def encoded(image: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [
        b"\x89PNG\r\n\x1a\n",
        _chunk(b"IHDR", header),
        _chunk(b"IDAT", zlib.compress(b"\x00" * 100)),
        _chunk(b"IEND", b""),
    ]
    return b"".join(parts)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
