"""When a second OCR engine looks at a picture or a line, how, and what it means when the two disagree."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from tradebot.contracts.messages import Box

UNSURE = 0.8
"""Confidence below which a line is not believed."""
SURE = 0.97
"""Confidence from which a line with tickers or numbers needs no second look."""
LOOKS = 6
"""Lines of one picture that a second engine looks at; further ones stay unsure, so that its time is bounded."""
FAINT = 0.7
"""Mean confidence below which the second engine reads the whole picture too, and nothing in it is believed."""

_CRITICAL = re.compile(
    r"\$[A-Za-z][A-Za-z0-9]{1,9}(?![A-Za-z0-9])"
    r"|(?<![A-Za-z0-9])[A-Z][A-Z0-9]{1,11}(?![A-Za-z0-9])"
    r"|\d+(?:[.,:]\d+)*"
)
_HAN = re.compile("[\u3400-\u9fff]")
_CHART_LINES = 6
_CHART_SHARE = 0.6
_SHORT = 12


@dataclass(frozen=True, slots=True)
class Traits:
    """What the second engine has to know of a picture: light words on a dark ground, Chinese, labels strewn over a
    chart, words too small for it."""

    dark: bool
    chinese: bool
    chart: bool
    small: bool


def traits(boxes: Sequence[Box], *, brightness: float, height: int) -> Traits:
    """Of a picture `height` pixels high whose median pixel has this brightness (0 to 255)."""
    text = "".join(box.text for box in boxes)
    heights = sorted(_height(box) for box in boxes)
    typical = heights[len(heights) // 2] if heights else float(height)
    return Traits(brightness < 128, bool(_HAN.search(text)), _is_chart(boxes), typical < 30)


def critical(text: str) -> Counter[str]:
    """Tickers and numbers of a line, with how often each stands there."""
    return Counter(_CRITICAL.findall(text))


def doubtful(boxes: Sequence[Box]) -> list[int]:
    """Places of the lines that need a second look, the least sure first: their tickers or numbers are not beyond
    doubt."""
    found = [place for place, box in enumerate(boxes) if UNSURE <= box.confidence < SURE and critical(box.text)]
    return sorted(found, key=lambda place: boxes[place].confidence)


def marked(box: Box, second: str | None = None) -> Box:
    """The line, unsure when its confidence is low or `second` (the other engine's reading, None for not asked) holds
    other tickers or numbers."""
    disagree = second is not None and critical(second) != critical(box.text)
    return msgspec.structs.replace(box, unsure=True) if disagree or box.confidence < UNSURE else box


def _is_chart(boxes: Sequence[Box]) -> bool:
    labels = sum(len(box.text) <= _SHORT and any(map(str.isdigit, box.text)) for box in boxes)
    return len(boxes) >= _CHART_LINES and labels >= _CHART_SHARE * len(boxes)


def _height(box: Box) -> float:
    heights = [y for _, y in box.points]
    return max(heights) - min(heights)
