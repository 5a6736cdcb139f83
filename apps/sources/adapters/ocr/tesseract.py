"""Tesseract behind OpenCV preprocessing: gray, dark pictures inverted, small ones enlarged."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import groupby
from typing import Any

import cv2
import numpy as np
import pytesseract

from apps.sources.adapters.images import Picture
from apps.sources.domain.clean import visible
from apps.sources.domain.picture import Reading, join_words, reading_of
from tradebot.contracts.errors import NotConfigured, PermanentError
from tradebot.contracts.messages import Box

_WANTED = ("eng", "chi_sim")
_SECONDS = 30
_SCALE = 2
_LARGEST = 4_000
"""Pixels a side up to which a picture is enlarged."""
_SEPARATE_PAGE = "--psm 3"


class TesseractEngine:
    """Tesseract 4 or 5, one process a picture."""

    name = "tesseract"

    def __init__(self) -> None:
        # Tesseract's own threads fight over the cores: three times slower (docs/models.md).
        os.environ.setdefault("OMP_THREAD_LIMIT", "1")
        self._languages = "+".join(_installed())
        self.provider = f"tesseract {pytesseract.get_tesseract_version()} ({self._languages})"

    def read(self, picture: Picture) -> Reading:
        """Text, confidence and boxes of the picture. Raises PermanentError when Tesseract fails or takes too long."""
        scale = _SCALE if max(picture.width, picture.height) * _SCALE <= _LARGEST else 1
        try:
            words = pytesseract.image_to_data(
                _prepared(picture.pixels, scale),
                lang=self._languages,
                config=_SEPARATE_PAGE,
                timeout=_SECONDS,
                output_type=pytesseract.Output.DICT,
            )
        except (pytesseract.TesseractError, RuntimeError) as error:
            raise PermanentError(f"Tesseract could not read it: {str(error)[:200]}") from None
        return reading_of(list(_lines(words, scale)), self.name)


def _installed() -> list[str]:
    try:
        present = set(pytesseract.get_languages())
    except (pytesseract.TesseractNotFoundError, OSError):
        raise NotConfigured("tesseract is not installed; install it or set OCR_ENGINE=rapidocr") from None
    found = [name for name in _WANTED if name in present]
    if not found:
        raise NotConfigured(f"tesseract has none of the languages {', '.join(_WANTED)}; install its data files")
    return found


def _prepared(pixels: Any, scale: int) -> Any:
    gray = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    if float(np.median(gray)) < 128:
        gray = cv2.bitwise_not(gray)
    return gray if scale == 1 else cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)


def _lines(words: dict[str, list[Any]], scale: int) -> Iterable[Box]:
    places = [place for place, text in enumerate(words["text"]) if text.strip() and float(words["conf"][place]) >= 0]

    def line_of(place: int) -> tuple[int, int, int]:
        return words["block_num"][place], words["par_num"][place], words["line_num"][place]

    for _, group in groupby(places, key=line_of):
        yield _line(words, list(group), scale)


def _line(words: dict[str, list[Any]], places: list[int], scale: int) -> Box:
    left = min(words["left"][place] for place in places) / scale
    top = min(words["top"][place] for place in places) / scale
    right = max(words["left"][place] + words["width"][place] for place in places) / scale
    bottom = max(words["top"][place] + words["height"][place] for place in places) / scale
    confidence = sum(float(words["conf"][place]) for place in places) / len(places) / 100
    text = visible(join_words([words["text"][place] for place in places]))
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return Box(text=text, confidence=round(min(1.0, confidence), 4), points=corners)
