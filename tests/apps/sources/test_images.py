"""Pictures of strangers are decoded within limits or refused with a reason."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from apps.sources.adapters.images import FRAME_LIMIT, decode
from apps.sources.adapters.sniffing import sniff
from tests.apps.sources.pictures import encoded, plain, png_that_claims
from tradebot.contracts.errors import PermanentError


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_the_four_kinds_are_decoded_to_rgb(kind: str) -> None:
    picture = decode(plain(20, 10, kind))

    assert picture.pixels.shape == (10, 20, 3)
    assert picture.pixels.dtype == np.uint8
    assert picture.content_type == f"image/{kind.lower()}"


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"

    assert decode(encoded(Image.new(mode, (8, 8)), kind)).pixels.shape == (8, 8, 3)


def test_what_is_transparent_is_white() -> None:
    assert decode(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), "PNG")).pixels.min() == 255


def test_of_a_moving_picture_only_the_first_frame_is_read() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])

    red, green, blue = decode(stream.getvalue()).pixels[0, 0]

    assert red > 200 > green + blue


def test_a_film_of_thousands_of_frames_is_refused() -> None:
    frames = [Image.new("1", (2, 2), number % 2) for number in range(FRAME_LIMIT + 1)]
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])

    with pytest.raises(PermanentError, match=f"has {FRAME_LIMIT + 1} frames; at most"):
        decode(stream.getvalue())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is no picture; only PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG drawing"),
        (b"<?xml version='1.0'?>\n<!-- drawn --><svg width='9'>", "SVG drawing"),
        (b"<html>not found</html>", "web page"),
        (b"%PDF-1.7", "PDF"),
        (b"BM\x00\x00", "BMP"),
        (b"\x00\x00\x00\x18ftypmp42", "video"),
        (b"\x89PNG\r\n\x1a\n", "broken"),
        (b"\xff\xd8\xff\xe0", "broken"),
        (b"GIF89a", "broken"),
        (plain()[:40], "broken"),
        (plain(400, 400, "JPEG")[:500], "broken"),
        (png_that_claims(50_000, 50_000), "pixels"),
        (png_that_claims(8_000, 8_000), "pixels"),
        (png_that_claims(40_000, 2), "pixels"),
    ],
)
def test_anything_else_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(PermanentError, match=reason):
        decode(data)


def test_a_name_or_a_header_does_not_make_a_picture() -> None:
    assert sniff(b"image/png") is None
    assert sniff(b"RIFF\x00\x00\x00\x00WAVE") is None
