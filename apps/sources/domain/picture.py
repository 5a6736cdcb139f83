"""What is known of a picture: where it is stored, and what was read in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from tradebot.contracts.messages import Box

MEDIA_PREFIX = "media:"
MEDIA_ID = re.compile(r"^media:([0-9a-f]{64})$")

_CJK_END = re.compile("[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]$")


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """A picture in the media storage; `path` is relative to its root, sizes are pixels and bytes."""

    sha256: str
    content_type: str
    width: int
    height: int
    bytes: int
    path: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What an OCR engine read: lines top to bottom, confidence 0 to 1."""

    text: str = ""
    confidence: float = 0.0
    boxes: tuple[Box, ...] = ()
    engine: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of a picture's bytes. Without a `content_type` they are no sound picture; `error` says what is wrong,
    sizes are in pixels, `seconds` is what it took."""

    content_type: str = ""
    width: int = 0
    height: int = 0
    reading: Reading = field(default_factory=Reading)
    error: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ImageRead:
    """The outcome for the picture at `index` of a post; `error` says why it could not be read."""

    post_id: UUID
    index: int
    url: str
    media: StoredMedia | None = None
    reading: Reading = field(default_factory=Reading)
    language: str = "und"
    error: str = ""


def reading_of(boxes: Sequence[Box], engine: str) -> Reading:
    """Boxes as one text: rows top to bottom, pieces of a row left to right; confidence weighs each by its length."""
    rows = _rows(boxes)
    ordered = tuple(box for row in rows for box in row)
    letters = sum(len(box.text) for box in ordered)
    confidence = sum(box.confidence * len(box.text) for box in ordered) / letters if letters else 0.0
    return Reading("\n".join(map(_row_text, rows)), min(1.0, confidence), ordered, engine)


def join_words(words: Sequence[str]) -> str:
    """Words as a line: with blanks, but none after a Chinese or Japanese character."""
    line = ""
    for word in words:
        line += word if not line or _CJK_END.search(line) else f" {word}"
    return line


def _rows(boxes: Sequence[Box]) -> list[list[Box]]:
    rows: list[list[Box]] = []
    for box in sorted(boxes, key=_middle):
        if rows and _middle(box) - _middle(rows[-1][-1]) < 0.5 * min(_height(box), _height(rows[-1][-1])):
            rows[-1].append(box)
        else:
            rows.append([box])
    return [sorted(row, key=lambda box: min(x for x, _ in box.points)) for row in rows]


def _row_text(row: Sequence[Box]) -> str:
    return " ".join(box.text for box in row)


def _middle(box: Box) -> float:
    return sum(y for _, y in box.points) / len(box.points)


def _height(box: Box) -> float:
    heights = [y for _, y in box.points]
    return max(heights) - min(heights)
