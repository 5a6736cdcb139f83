"""How a sentence is meant: a statement of now, a question, a report of the past, a condition, a joke, or an attempt to
talk to the machine that reads it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Mood(StrEnum):
    CLAIM = "claim"
    CONDITION = "condition"
    QUESTION = "question"
    REPORT = "report"
    RETRACTION = "retraction"
    SARCASM = "sarcasm"
    MANIPULATION = "manipulation"


MUTED = {
    Mood.CLAIM: 1.0,
    Mood.CONDITION: 0.5,
    Mood.QUESTION: 0.1,
    Mood.REPORT: 0.0,
    Mood.RETRACTION: 0.0,
    Mood.SARCASM: 0.0,
    Mood.MANIPULATION: 0.0,
}
"""What is left of a phrase's weight in a sentence of that mood."""
CALM = {
    Mood.QUESTION: 1.2,
    Mood.REPORT: 2.0,
    Mood.RETRACTION: 2.5,
    Mood.SARCASM: 2.0,
    Mood.MANIPULATION: 4.0,
    Mood.CONDITION: 0.2,
}
"""What the mood itself adds to a neutral verdict, in log-odds."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """`text[start:end]` and how it is meant; `sign` is the span of the words that show it, where there are any."""

    start: int
    end: int
    mood: Mood
    sign: tuple[int, int] | None = None


_END = re.compile(r"[.!?]+(?=\s|$)|[。！？；;\n]+|,(?= (?:but|now|today|so now)\b)|，(?=但|现在|今天|如今)")


def _signs() -> dict[str, re.Pattern[str]]:
    lists = tomllib.loads(Path(__file__).with_name("moods.toml").read_text(encoding="utf-8"))
    return {name: re.compile("|".join(patterns)) for name, patterns in lists.items()}


_SIGN = _signs()
_QUESTION_START = re.compile(rf"^\W*(?:{_SIGN['question_start'].pattern})\b")
_QUOTED = re.compile(r"[\"“「『]([^\"”」』]{6,})[\"”」』]")


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of `text` (lower case) with their moods."""
    start = 0
    for end in (*(hit.end() for hit in _END.finditer(text)), len(text)):
        if text[start:end].strip():
            yield _sentence(text, start, end)
        start = end


def spoiled(text: str) -> Sentence | None:
    """The first sign that the whole text is not to be taken at its word."""
    for mood, pattern in (
        (Mood.MANIPULATION, _SIGN["manipulation"]),
        (Mood.RETRACTION, _SIGN["retraction"]),
        (Mood.SARCASM, _SIGN["sarcasm"]),
    ):
        if hit := pattern.search(text):
            return Sentence(0, len(text), mood, hit.span())
    return None


def negated(words: str) -> bool:
    """Whether `words`, those right before an English phrase, turn it round."""
    return bool(_SIGN["not"].search(_SIGN["not_really"].sub("", words)))


def quoted(text: str) -> list[tuple[int, int]]:
    """Spans between quotation marks that hold somebody else's words."""
    return [hit.span(1) for hit in _QUOTED.finditer(text) if hit[1].count(" ") >= 2 or not hit[1].isascii()]


def _sentence(text: str, start: int, end: int) -> Sentence:
    part = text[start:end]
    for mood, hit in (
        (Mood.QUESTION, _question(part)),
        (Mood.REPORT, _report(part)),
        (Mood.CONDITION, _condition(part)),
    ):
        if hit:
            return Sentence(start, end, mood, (start + hit.start(), start + hit.end()))
    return Sentence(start, end, Mood.CLAIM)


def _question(part: str) -> re.Match[str] | None:
    hit = _SIGN["question"].search(part)
    if hit or part.rstrip().endswith((".", "!", "。", "！")):
        return hit
    return _QUESTION_START.search(part)


def _report(part: str) -> re.Match[str] | None:
    if (past := _SIGN["past_time"].search(part)) and not _SIGN["future"].search(part):
        return past
    return _SIGN["past_act"].search(part) if not _SIGN["now"].search(part) else None


def _condition(part: str) -> re.Match[str] | None:
    return _SIGN["condition"].search(part)
