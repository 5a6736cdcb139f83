"""Whether a judged post may call for a trade: a statement or an instruction of now, with words that were read well."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from apps.signals.domain.coins import catalogue
from apps.signals.domain.ensemble import Judgement
from apps.signals.domain.verdict import UNSURE, Verdict
from tradebot.contracts.messages import OCRResult, TradeCall
from tradebot.contracts.values import Direction

NOT_OF_NOW = {"report": "a report of the past", "question": "a question"}
"""Moods that order nothing, in words."""
SURE_WITHOUT_WORDS = 0.8
"""How sure the whole panel must be of a direction that no known phrase carries."""
SURELY_NOTHING = 0.85
"""So sure the rules are of neutral only where a phrase says so: a question, a report, a rumour that is denied."""
_FIGURE = re.compile(r"[0-9]{1,15}(?:,[0-9]{1,15}){0,5}(?:\.[0-9]{1,15})?")


def admitted(judgement: Judgement) -> Judgement:
    """The judgement as it may act: a report or a question is neutral, whatever its words weigh, with a note why."""
    told = NOT_OF_NOW.get(judgement.mood)
    if told is None or judgement.direction is Direction.NEUTRAL:
        return judgement
    note = f"{judgement.direction.value} {judgement.confidence:.2f}, but {told}: no signal to trade"
    return replace(
        judgement,
        direction=Direction.NEUTRAL,
        confidence=round(UNSURE, 4),
        call=None,
        notes=(*judgement.notes, note),
    )


def unsaid(judgement: Judgement, words: Verdict | None) -> str:
    """Why a direction that rests on models alone must not be acted on: `words` is the verdict of the rules, who know
    phrases and no more. Empty where they say the same, where the others are sure, or where the rules were not asked."""
    if words is None or not words.counts or judgement.direction in (words.direction, Direction.NEUTRAL):
        return ""
    if words.direction is Direction.NEUTRAL and words.confidence >= SURELY_NOTHING:
        return f"the words say that there is nothing in it ({words.confidence:.2f})"
    if judgement.confidence >= SURE_WITHOUT_WORDS:
        return ""
    says = "nothing of it" if words.direction is Direction.NEUTRAL else words.direction.value
    return f"the words say {says}, and the models are not sure enough ({judgement.confidence:.2f})"


def misread(
    text: str, images: Sequence[OCRResult], coins: Iterable[str], call: TradeCall | None, quotes: Iterable[str] = ()
) -> str:
    """Why a trade would rest on words of a picture that were read with doubt; empty where it does not.

    `text` is that of the post and its pictures, as `whole_text` made it. `quotes`: all that analyzers quoted for the
    direction, found or not.
    """
    doubted = [box.text for image in images for box in image.boxes if box.unsure and box.text]
    if not doubted:
        return ""
    sure = text
    for line in doubted:
        sure = sure.replace(line, " ", 1)
    lost = [coin for coin in coins if coin in catalogue().symbols(text) and coin not in catalogue().symbols(sure)]
    if lost:
        return f"{', '.join(lost)} stands only in words of the picture that were read with doubt"
    if unsure := [quote for quote in quotes if quote.strip() and quote in text and quote not in sure]:
        return f"“{unsure[0][:60]}” stands only in words of the picture that were read with doubt"
    if call is not None and not _numbers(call) <= _figures(sure):
        return "numbers of the call stand only in words of the picture that were read with doubt"
    return ""


def _numbers(call: TradeCall) -> set[Decimal]:
    return {each for each in (*call.entry, call.stop, *call.targets) if each is not None}


def _figures(text: str) -> set[Decimal]:
    """Every number in a text; a comma may part thousands or decimals, so both are read."""
    found = _FIGURE.findall(text)
    return {Decimal(each.replace(",", "")) for each in found} | {
        Decimal(each.replace(",", ".")) for each in found if each.count(",") == 1 and "." not in each
    }
