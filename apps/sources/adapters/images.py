"""Decodes pictures of strangers: type by content, size by header, and only then the pixels."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from apps.sources.adapters.sniffing import other, sniff
from tradebot.contracts.errors import PermanentError

PIXEL_LIMIT = 40_000_000
SIDE_LIMIT = 30_000
FRAME_LIMIT = 1_000
_MOST = f"the {PIXEL_LIMIT // 1_000_000} million, {SIDE_LIMIT} a side, that are read"
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
_DECODER_ERRORS = (OSError, ValueError, SyntaxError, EOFError)


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


def decode(data: bytes) -> Picture:
    """Decode the first frame. Raises PermanentError for anything but a sound PNG, JPEG, GIF or WebP within limits."""
    content_type = sniff(data)
    if content_type is None:
        raise PermanentError(f"is {other(data)}; only PNG, JPEG, GIF and WebP pictures are read")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _check_size(image.width, image.height)
            _check_frames(getattr(image, "n_frames", 1))
            return Picture(_pixels(image), content_type)
    except Image.DecompressionBombError:
        raise PermanentError(f"has more pixels than {_MOST}") from None
    except _DECODER_ERRORS as error:
        raise PermanentError(f"is a broken picture or cut short ({type(error).__name__})") from None


def _check_size(width: int, height: int) -> None:
    if width * height > PIXEL_LIMIT or max(width, height) > SIDE_LIMIT:
        raise PermanentError(f"has {width} x {height} pixels, more than {_MOST}")


def _check_frames(count: int) -> None:
    if count > FRAME_LIMIT:
        raise PermanentError(f"has {count} frames; at most {FRAME_LIMIT} are taken, of which the first is read")


def _pixels(image: Image.Image) -> Any:
    upright = ImageOps.exif_transpose(image)
    if "transparency" in upright.info or upright.mode in {"RGBA", "LA", "PA"}:
        layer = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return np.asarray(upright.convert("RGB"))
