"""Decodes pictures of strangers: type by content, size by header, and only then the pixels."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from tradebot.contracts.errors import PermanentError

PIXEL_LIMIT = 40_000_000
SIDE_LIMIT = 30_000
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
_DECODER_ERRORS = (OSError, ValueError, SyntaxError, EOFError, MemoryError, Image.DecompressionBombError)


@dataclass(frozen=True, slots=True)
class Picture:
    """Decoded pixels: uint8 RGB, shape (height, width, 3)."""

    pixels: Any
    content_type: str

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


def sniff(data: bytes) -> str | None:
    """Content type by the first bytes, for the four kinds that are read; None for anything else."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def decode(data: bytes) -> Picture:
    """Decode the first frame. Raises PermanentError for anything but a sound PNG, JPEG, GIF or WebP within limits."""
    content_type = sniff(data)
    if content_type is None:
        raise PermanentError("is no PNG, JPEG, GIF or WebP picture")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _check_size(image.width, image.height)
            return Picture(_pixels(image), content_type)
    except _DECODER_ERRORS as error:
        raise PermanentError(f"is a broken picture ({type(error).__name__})") from None


def _check_size(width: int, height: int) -> None:
    if width * height > PIXEL_LIMIT or max(width, height) > SIDE_LIMIT:
        raise PermanentError(f"has {width} x {height} pixels; at most {PIXEL_LIMIT // 1_000_000} million are read")


def _pixels(image: Image.Image) -> Any:
    upright = ImageOps.exif_transpose(image)
    if "transparency" in upright.info or upright.mode in {"RGBA", "LA", "PA"}:
        layer = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return np.asarray(upright.convert("RGB"))
