"""No quote, no verdict: evidence counts only where its words stand in the post or in one of its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from apps.signals.domain.verdict import Verdict
from tradebot.contracts.messages import Box, Evidence, OCRResult
from tradebot.contracts.values import Direction

JOIN = "\n"
OCR_KIND = "ocr"
MAX_QUOTE = 500


def whole_text(post: str, images: Sequence[OCRResult]) -> str:
    """What analyzers read: the post, then the text of each picture, one below the other."""
    return JOIN.join([post, *(image.text for image in images if image.text)])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a picture's text stands in the whole text."""

    start: int
    end: int
    image: OCRResult


def places(text: str, images: Sequence[OCRResult]) -> list[Place]:
    """The part of each picture in `text`, which `whole_text` made: they are its tail."""
    found: list[Place] = []
    end = len(text)
    for image in reversed([each for each in images if each.text]):
        start = end - len(image.text)
        if start < 0 or text[start:end] != image.text:
            return []
        found.append(Place(start, end, image))
        end = start - len(JOIN)
    return found[::-1]


def checked(verdict: Verdict, text: str, images: Sequence[OCRResult]) -> Verdict:
    """The verdict with only the quotes that can be found, each with its span in the post or its picture's box.

    A bullish or bearish verdict left without any quote becomes an unsure neutral one.
    """
    parts = places(text, images)
    kept = tuple(found for each in verdict.evidence if (found := located(each, text, parts)) is not None)
    if not kept and verdict.direction is not Direction.NEUTRAL:
        return verdict.silenced()
    return replace(verdict, evidence=kept)


def located(evidence: Evidence, text: str, parts: Sequence[Place]) -> Evidence | None:
    """The evidence at its place, or None where its quote is absent or read with doubt. A wrong span is put right."""
    span = _span(evidence, text)
    if span is None:
        return None
    part = next((each for each in parts if each.start <= span[0] and span[1] <= each.end), None)
    if part is None and any(each.start < span[1] and span[0] < each.end for each in parts):
        return None
    if part is None:
        return msgspec.structs.replace(evidence, span=span, box=None)
    line = _line(part.image, span[0] - part.start, span[1] - part.start)
    if line is not None and line.unsure:
        return None
    return msgspec.structs.replace(evidence, kind=OCR_KIND, span=None, box=list(line.points) if line else None)


def _span(evidence: Evidence, text: str) -> tuple[int, int] | None:
    quote = evidence.quote
    if not quote.strip() or len(quote) > MAX_QUOTE:
        return None
    if evidence.span is not None and text[slice(*evidence.span)] == quote and evidence.span[0] >= 0:
        return evidence.span
    start = text.find(quote)
    return (start, start + len(quote)) if start >= 0 else None


def _line(image: OCRResult, start: int, end: int) -> Box | None:
    """The recognised line with most of `image.text[start:end]`, or the one of its lines that was read with doubt."""
    best, covered, cursor = None, 0, 0
    for box in image.boxes:
        begin = image.text.find(box.text, cursor)
        if begin < 0:
            continue
        cursor = begin + len(box.text)
        overlap = min(end, cursor) - max(start, begin)
        if overlap > 0 and box.unsure:
            return box
        if overlap > covered:
            best, covered = box, overlap
    return best
