"""What kind of file some bytes are, by their beginning: kept apart, so that only the OCR process loads decoders."""

from __future__ import annotations

import re

_OTHERS = (
    (
        re.compile(rb"^\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?(?:<!DOCTYPE svg[^>]*>\s*)?<svg[\s/>]", re.I | re.S),
        "an SVG drawing",
    ),
    (re.compile(rb"^\s*<(?:!doctype html|html|head|body)[\s>]", re.I), "a web page"),
    (re.compile(rb"^%PDF-"), "a PDF document"),
    (re.compile(rb"^BM|^II\*\x00|^MM\x00\*"), "a BMP or TIFF picture"),
    (re.compile(rb"^.{4}ftyp", re.S), "a video, HEIC or AVIF file"),
)
"""What else is sent as a picture."""


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


def other(data: bytes) -> str:
    """What it is instead of a picture that can be read."""
    head = data[:1_000]
    return next((name for pattern, name in _OTHERS if pattern.search(head)), "no picture")
