"""Tesseract behind OpenCV preprocessing: gray, dark pictures inverted, small words enlarged; whole or line by line."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np

from apps.sources.adapters.images import Picture
from apps.sources.domain.clean import visible
from apps.sources.domain.picture import Reading, join_words, reading_of
from apps.sources.domain.second_look import Traits, marked
from tradebot.contracts.errors import NotConfigured, PermanentError
from tradebot.contracts.messages import Box

_ENGLISH, _CHINESE = "eng", "chi_sim"
_LIST = ("tesseract", "--list-langs")
_SECONDS = 30
_SCALE = 2
_LARGEST = 4_000
"""Pixels a side up to which a picture is enlarged."""
_PAGE, _LINE, _STREWN = 3, 7, 11
"""Page segmentation modes of tesseract(1): a page, one line, words strewn about."""
_WIDE = 1_000
"""Pixels of width from which the words of a picture that nobody has read yet are taken to be large enough."""
_MARGIN = 0.2
"""Of its height: what is cut out around a line."""


class Word(NamedTuple):
    """A word, the line it stands in, confidence 0 to 100, and its rectangle in pixels."""

    line: tuple[int, ...]
    text: str
    confidence: float
    left: int
    top: int
    right: int
    bottom: int


class Backend(Protocol):
    """A way to run Tesseract. `words` takes uint8 gray pixels and must raise PermanentError when Tesseract fails."""

    told: str

    def words(self, gray: Any, languages: str, mode: int) -> list[Word]: ...


class TesseractEngine:
    """Tesseract 4 or 5: inside this process where tesserocr is installed, else one process a picture."""

    name = "tesseract"

    def __init__(self, backend: Backend | None = None) -> None:
        # Tesseract's own threads fight over the cores: three times slower (docs/models.md).
        os.environ.setdefault("OMP_THREAD_LIMIT", "1")
        folder, self._installed = _languages()
        self._backend = backend or _backend(folder)
        self.provider = f"{self._backend.told} ({'+'.join(self._installed)})"

    def read(self, picture: Picture, known: Traits | None = None) -> Reading:
        """Text, confidence and boxes of the picture. `known`: what another engine found out about it.

        Raises PermanentError when Tesseract fails or takes too long.
        """
        look = known or _look(picture)
        scale = _scale(picture.pixels.shape, look)
        mode = _STREWN if look.chart else _PAGE
        words = self._backend.words(_prepared(picture.pixels, look, scale), self._for(look), mode)
        return reading_of([marked(box) for box in _lines(words, scale)], self.name)

    def line(self, picture: Picture, box: Box, look: Traits) -> str:
        """What stands in one line of the picture."""
        cut = _cut(picture.pixels, box)
        if not cut.size:
            return ""
        scale = _scale(cut.shape, look)
        words = self._backend.words(_prepared(cut, look, scale), self._for(look), _LINE)
        return visible(join_words([word.text for word in words]))

    def _for(self, look: Traits) -> str:
        wanted = (_ENGLISH, _CHINESE) if look.chinese else (_ENGLISH,)
        return "+".join([name for name in wanted if name in self._installed] or self._installed)


class InProcess:
    """tesserocr: the library with its models loaded once for each set of languages."""

    def __init__(self, folder: str) -> None:
        import tesserocr

        self._library = tesserocr
        self._folder = folder
        self._open: dict[str, Any] = {}
        self.told = " ".join(tesserocr.tesseract_version().split()[:2]) + " in process"

    def words(self, gray: Any, languages: str, mode: int) -> list[Word]:
        api = self._of(languages)
        api.SetPageSegMode(mode)
        height, width = gray.shape
        api.SetImageBytes(np.ascontiguousarray(gray).tobytes(), width, height, 1, width)
        if not api.Recognize(_SECONDS * 1000):
            raise PermanentError(f"Tesseract could not read it within {_SECONDS} s")
        return list(self._found(api))

    def _of(self, languages: str) -> Any:
        if languages not in self._open:
            self._open[languages] = self._library.PyTessBaseAPI(path=self._folder, lang=languages)
        return self._open[languages]

    def _found(self, api: Any) -> Iterable[Word]:
        level, line = self._library.RIL, 0
        found = api.GetIterator()
        for place in self._library.iterate_level(found, level.WORD) if found else ():
            line += place.IsAtBeginningOf(level.TEXTLINE)
            if not place.Empty(level.WORD) and (text := place.GetUTF8Text(level.WORD)).strip():
                yield Word((line,), text, place.Confidence(level.WORD), *place.BoundingBox(level.WORD))


class ByProgram:
    """pytesseract: one process of the program for each picture."""

    def __init__(self) -> None:
        import pytesseract

        self._library = pytesseract
        self.told = f"tesseract {pytesseract.get_tesseract_version()}"

    def words(self, gray: Any, languages: str, mode: int) -> list[Word]:
        try:
            table = self._library.image_to_data(
                gray,
                lang=languages,
                config=f"--psm {mode}",
                timeout=_SECONDS,
                output_type=self._library.Output.DICT,
            )
        except (self._library.TesseractError, RuntimeError) as error:
            raise PermanentError(f"Tesseract could not read it: {str(error)[:200]}") from None
        return [_row(table, place) for place, text in enumerate(table["text"]) if text.strip()]


def _row(table: dict[str, list[Any]], place: int) -> Word:
    left, top = table["left"][place], table["top"][place]
    line = (table["block_num"][place], table["par_num"][place], table["line_num"][place])
    right, bottom = left + table["width"][place], top + table["height"][place]
    return Word(line, table["text"][place], max(0.0, float(table["conf"][place])), left, top, right, bottom)


def _backend(folder: str) -> Backend:
    try:
        return InProcess(folder)
    except ImportError:
        return ByProgram()


def _languages() -> tuple[str, list[str]]:
    """Where the installed program has its language data, and which of the wanted languages are there."""
    try:
        told = subprocess.run(_LIST, capture_output=True, text=True, check=True, timeout=_SECONDS)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        raise NotConfigured("tesseract is not installed; install it or set OCR_ENGINE=rapidocr") from None
    head, *present = (told.stdout or told.stderr).splitlines() or [""]
    found = [name for name in (_ENGLISH, _CHINESE) if name in present]
    if not found:
        raise NotConfigured(f"tesseract has none of the languages {_ENGLISH}, {_CHINESE}; install its data files")
    return str(Path(head.split('"')[1])) if head.count('"') == 2 else "", found


def _look(picture: Picture) -> Traits:
    # Nobody has read it yet: any language, and small words where the picture is small.
    dark = brightness_of(picture) < 128
    return Traits(dark=dark, chinese=True, chart=False, small=picture.width < _WIDE)


def brightness_of(picture: Picture) -> float:
    """Median brightness of the picture, 0 to 255, from a few of its pixels."""
    step = max(1, picture.height // 200), max(1, picture.width // 200)
    return float(np.median(picture.pixels[:: step[0], :: step[1]]))


def _scale(shape: Sequence[int], look: Traits) -> int:
    return _SCALE if look.small and max(shape[:2]) * _SCALE <= _LARGEST else 1


def _prepared(pixels: Any, look: Traits, scale: int) -> Any:
    gray = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    if look.dark:
        gray = cv2.bitwise_not(gray)
    return gray if scale == 1 else cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)


def _cut(pixels: Any, box: Box) -> Any:
    across, down = [x for x, _ in box.points], [y for _, y in box.points]
    margin = _MARGIN * (max(down) - min(down))
    top, bottom = max(0, int(min(down) - margin)), int(max(down) + margin) + 1
    return pixels[top:bottom, max(0, int(min(across) - margin)) : int(max(across) + margin) + 1]


def _lines(words: Sequence[Word], scale: int) -> Iterable[Box]:
    for _, group in groupby(words, key=lambda word: word.line):
        yield _line(list(group), scale)


def _line(words: Sequence[Word], scale: int) -> Box:
    left, top = min(word.left for word in words) / scale, min(word.top for word in words) / scale
    right, bottom = max(word.right for word in words) / scale, max(word.bottom for word in words) / scale
    confidence = sum(word.confidence for word in words) / len(words) / 100
    text = visible(join_words([word.text for word in words]))
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return Box(text=text, confidence=round(min(1.0, confidence), 4), points=corners)
