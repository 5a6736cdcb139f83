"""Direction and event by lexicon and rules, in English and Chinese, every verdict with the words that carry it."""

from __future__ import annotations

import math
import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from apps.signals.domain import calls, events, meant, mood
from apps.signals.domain.beliefs import EVENTS, NO_EVENT
from apps.signals.domain.coins import catalogue
from apps.signals.domain.han import simplified
from apps.signals.domain.links import unlinked
from apps.signals.domain.mood import CALM, MUTED, Mood, Sentence
from apps.signals.domain.phrases import Phrases
from tradebot.contracts.messages import Beliefs, Evidence, TradeCall
from tradebot.contracts.values import Direction

VERSION = "rules-2"
NAME = "rules"
REST = 0.6
"""Log-odds of neutral when nothing is said."""
FLIP = -0.65
"""A negated phrase says the opposite, less loudly."""
QUOTED = 0.3
CALLED = 3.0
"""Log-odds of a sound trade call for its side."""
UNSOUND = 5.0
"""Log-odds of neutral where the numbers of a call cannot be meant."""
SHOWN = 160
"""Characters of a call that are quoted."""
NAMED = 0.1
"""Weight of a quote that shows the event and no direction."""
ASKED = {"question": 1.2, "report": 1.6}
"""Log-odds of neutral for a post that is meant so, times how sure that is."""
OUTRIGHT = 1.0
ASIDE = 0.3
_FADING = (1.0, 0.6, 0.4, 0.3, 0.2)
"""The n-th phrase of one direction counts this much: ten exclamations are not ten reasons."""
READ = 50_000
"""Characters of a text that are judged: a post of the longest kind and its pictures."""
_FILE = Path(__file__).with_name("lexicon.toml")
_NOT_ZH = re.compile(r"(?:不(?!断|错|过|止|少|仅)|没有?|别|勿|未|并非|千万别|不要|不会|不再)[^，。！？；,]{0,3}$")
_CHINESE = re.compile("[\u4e00-\u9fff]")
_STOP = re.compile(r"[.!?]\s")
_BREAK = re.compile(r"[,;:，、()\n]|\b(?:but|and|because|while|although|yet)\b")


NAMED_SURE = 0.62
SURE = {"trade_call": 0.84, NO_EVENT: 0.61}
"""How often an event that words name is the right one, and how often there is none where they name none: counted on
4,669 posts written after the words were chosen."""
NOTHING = Beliefs()


@dataclass(frozen=True, slots=True)
class Entry:
    """One lexicon entry, compiled; `needs` must occur somewhere in the text for it to count."""

    pattern: Phrases
    weight: float
    kind: str
    event: str
    chinese: bool
    needs: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A phrase at `text[start:end]` with the weight it has there, after mood, negation and quotation."""

    start: int
    end: int
    weight: float
    kind: str
    event: str

    @property
    def length(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Reading:
    """What the rules make of a text. `confidence` is the probability of `direction`; `mood` what spoils or softens it,
    `meant` how the post as a whole is meant: instruction, claim, report or question; `note` why a call is not followed.
    """

    direction: Direction
    confidence: float
    event: str
    mood: Mood
    evidence: tuple[Evidence, ...]
    meant: str = ""
    call: TradeCall | None = None
    note: str = ""
    beliefs: Beliefs = NOTHING


def read(text: str) -> Reading:
    """Judge `text`, which may be in English or Chinese or both; what stands in a web address says nothing."""
    text = unlinked(text[:READ])
    plain = simplified(_lowered(text))
    found = calls.parse(text)
    note = calls.kept_back(text) or calls.doubted(found)
    whole = meant.meaning(plain, found is not None)
    parts, hits = list(mood.sentences(plain)), _apart([*_phrases(plain), *_called(found, note, whole.mood)])
    spoiler = mood.spoiled(plain)
    others = mood.quoted(plain)
    weighed = [_weighed(hit, parts, spoiler, others) for hit in hits]
    signs = [spoiler] if spoiler else [part for part in parts if part.sign]
    calm = ASKED.get(whole.mood, 0.0) * whole.confidence
    chances = _chances(weighed, signs, calm, UNSOUND if note else 0.0)
    direction = max(chances, key=lambda each: chances[each])
    about = events.about(plain, (found.start, found.end) if found else None) or _told(weighed)
    return Reading(
        direction=direction,
        confidence=round(chances[direction], 4),
        event=about.event if about else "",
        mood=_mood(weighed, parts, spoiler),
        evidence=(*_evidence(text, weighed, signs, direction), *_shown(text, about)),
        meant=whole.mood,
        call=found.call if found and not note else None,
        note=note,
        beliefs=Beliefs(
            direction={each.value: chance for each, chance in chances.items()},
            event=_events(about.event if about else NO_EVENT),
            mood=dict(whole.chances),
        ),
    )


def _events(named: str) -> dict[str, float]:
    """Words name one event; how often they are right was measured on posts that the words were not chosen by."""
    sure = SURE.get(named, NAMED_SURE)
    return {each: sure if each == named else (1 - sure) / (len(EVENTS) - 1) for each in EVENTS}


# --- phrases ---------------------------------------------------------------------------------------------------------


def _phrases(plain: str) -> Iterable[Hit]:
    has_chinese = bool(_CHINESE.search(plain))
    for entry in lexicon():
        if (entry.chinese and not has_chinese) or (entry.needs and not entry.needs.search(plain)):
            continue
        for found in entry.pattern.finditer(plain):
            weight = entry.weight * (FLIP if _negated(plain, found.start(), entry.chinese) else 1.0)
            yield Hit(found.start(), found.end(), weight, entry.kind, entry.event if weight * entry.weight > 0 else "")


def _called(found: calls.Found | None, note: str, meaning: str) -> Iterable[Hit]:
    """A sound call as a phrase of its own; a done trade that is told of calls for nothing."""
    if found is None or note or meaning in ("report", "question"):
        return
    weight = CALLED if found.call.side == "long" else -CALLED
    yield Hit(found.start, min(found.end, found.start + SHOWN), weight, "instruction", "trade_call")


def _apart(hits: Iterable[Hit]) -> list[Hit]:
    """Hits that do not overlap: a phrase beats what it contains, else the heavier one wins."""
    whole = list(_uncontained(hits))
    taken = bytearray(max((hit.end for hit in whole), default=0))
    kept: list[Hit] = []
    for hit in sorted(whole, key=lambda each: (-abs(each.weight), each.start)):
        if not any(taken[hit.start : hit.end]):
            taken[hit.start : hit.end] = b"\1" * hit.length
            kept.append(hit)
    return sorted(kept, key=lambda each: each.start)


def _uncontained(hits: Iterable[Hit]) -> Iterable[Hit]:
    widest = (0, 0)
    for hit in sorted(hits, key=lambda each: (each.start, -each.end)):
        if hit.end > widest[1] or (hit.start, hit.end) == widest:
            widest = (hit.start, hit.end)
            yield hit


def _negated(plain: str, start: int, chinese: bool) -> bool:
    before = plain[max(0, start - 40) : start]
    if chinese:
        return bool(_NOT_ZH.search(before[-8:]))
    near = " ".join(_STOP.split(_BREAK.split(before)[-1])[-1].split()[-5:])
    return mood.negated(near)


def _weighed(hit: Hit, parts: Sequence[Sentence], spoiler: Sentence | None, others: Sequence[tuple[int, int]]) -> Hit:
    meant = spoiler.mood if spoiler else parts[bisect_right(parts, hit.start, key=lambda part: part.start) - 1].mood
    factor = MUTED[meant]
    if any(start <= hit.start and hit.end <= end for start, end in others):
        factor *= QUOTED
    return replace(hit, weight=hit.weight * factor)


# --- verdict ---------------------------------------------------------------------------------------------------------


def _chances(hits: Sequence[Hit], signs: Sequence[Sentence], calm: float, unsound: float) -> dict[Direction, float]:
    scores = {
        Direction.BEARISH: _sum(-hit.weight for hit in hits if hit.weight < 0),
        Direction.NEUTRAL: REST + _calm(hits, signs, calm) + unsound,
        Direction.BULLISH: _sum(hit.weight for hit in hits if hit.weight > 0),
    }
    total = sum(math.exp(score) for score in scores.values())
    return {direction: math.exp(score) / total for direction, score in scores.items()}


def _calm(hits: Sequence[Hit], signs: Sequence[Sentence], calm: float) -> float:
    """What questions and reports add to neutral: little where another sentence says something outright."""
    outright = any(abs(hit.weight) >= OUTRIGHT for hit in hits)
    return max(calm, max((CALM[sign.mood] for sign in signs), default=0.0)) * (ASIDE if outright else 1.0)


def _sum(weights: Iterable[float]) -> float:
    ranked = sorted(weights, reverse=True)[: len(_FADING)]
    return sum(weight * fade for weight, fade in zip(ranked, _FADING, strict=False))


def _mood(hits: Sequence[Hit], parts: Sequence[Sentence], spoiler: Sentence | None) -> Mood:
    if spoiler:
        return spoiler.mood
    moods = {part.mood for part in parts}
    if any(hit.weight for hit in hits if abs(hit.weight) >= 0.5):
        return Mood.CLAIM
    return next((each for each in (Mood.QUESTION, Mood.REPORT, Mood.CONDITION) if each in moods), Mood.CLAIM)


def _evidence(text: str, hits: Sequence[Hit], signs: Sequence[Sentence], direction: Direction) -> tuple[Evidence, ...]:
    if direction is Direction.NEUTRAL:
        return tuple(_quote(text, sign.sign, sign.mood.value, CALM[sign.mood]) for sign in signs if sign.sign)
    said = [hit for hit in hits if _direction(hit) is direction]
    return tuple(_quote(text, (hit.start, hit.end), hit.event or hit.kind, hit.weight) for hit in said)


def _told(hits: Sequence[Hit]) -> events.About | None:
    """The event of the heaviest phrase that names one, where the words of events say nothing."""
    best = max((hit for hit in hits if hit.event), key=lambda hit: abs(hit.weight), default=None)
    return events.About(best.event, (best.start, best.end), abs(best.weight)) if best else None


def _shown(text: str, about: events.About | None) -> tuple[Evidence, ...]:
    """The words by which the event is known: an event that no words carry is none."""
    return (_quote(text, about.span, about.event, NAMED),) if about else ()


def _quote(text: str, span: tuple[int, int], kind: str, weight: float) -> Evidence:
    return Evidence(kind=kind, quote=text[slice(*span)], weight=round(weight, 3), model=VERSION, span=span)


def _direction(hit: Hit) -> Direction:
    if hit.weight == 0:
        return Direction.NEUTRAL
    return Direction.BULLISH if hit.weight > 0 else Direction.BEARISH


# --- lexicon ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def lexicon() -> tuple[Entry, ...]:
    """The shipped lexicon, compiled once."""
    groups = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    coins = "|".join(sorted(_coin_words(), key=len, reverse=True))
    return tuple(_entry(raw, coins, language == "zh") for language in ("en", "zh") for raw in groups[language])


def _coin_words() -> set[str]:
    """Lower-case symbols and English names, escaped: what `{coin}` stands for in the lexicon."""
    return {re.escape(word.lower()) for coin in catalogue() for word in (coin.symbol, *coin.names)}


def _entry(raw: dict[str, Any], coins: str, chinese: bool) -> Entry:
    said = [_lowered(say).replace("{coin}", coins) for say in raw["say"]]
    bare = chinese or raw.get("bare", False)
    return Entry(
        pattern=Phrases(said, "{}" if bare else r"(?<![\w$#]){}(?!\w)"),
        weight=float(raw["weight"]),
        kind=raw.get("kind", "phrase"),
        event=raw.get("event", ""),
        chinese=chinese,
        needs=re.compile(raw["needs"]) if "needs" in raw else None,
    )


def _lowered(text: str) -> str:
    """Lower case and plain apostrophes, but never of another length: spans must fit the original."""
    lowered = text.lower().replace("’", "'")
    return lowered if len(lowered) == len(text) else "".join(_one_lower(letter) for letter in text.replace("’", "'"))


def _one_lower(letter: str) -> str:
    lowered = letter.lower()
    return lowered if len(lowered) == 1 else letter
