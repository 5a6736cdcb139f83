"""Only what stands in the post or its pictures counts as evidence."""

from __future__ import annotations

import pytest

from apps.signals.domain.evidence import checked, places, whole_text
from apps.signals.domain.verdict import Verdict
from tests.factories import ocr_result
from tradebot.contracts.messages import Box, Evidence
from tradebot.contracts.values import Direction

TEXT = "Buy BTC now. Buy!"


def quote(words: str, span: tuple[int, int] | None = None) -> Evidence:
    return Evidence(kind="phrase", quote=words, weight=1.0, model="synthetic", span=span)


def bullish(*evidence: Evidence) -> Verdict:
    return Verdict("synthetic", "1", 1.0, Direction.BULLISH, 0.9, evidence, "listing")


def test_a_right_quote_stays() -> None:
    assert checked(bullish(quote("Buy", (13, 16))), TEXT, []).evidence == (quote("Buy", (13, 16)),)


@pytest.mark.parametrize("span", [None, (5, 8), (-4, -1), (90, 99)])
def test_a_wrong_span_is_put_right(span: tuple[int, int] | None) -> None:
    assert checked(bullish(quote("Buy", span)), TEXT, []).evidence == (quote("Buy", (0, 3)),)


@pytest.mark.parametrize("words", ["Sell", "", "  ", "buy btc", TEXT * 50])
def test_an_invented_quote_silences_the_verdict(words: str) -> None:
    found = checked(bullish(quote(words)), TEXT, [])
    assert (found.direction, found.evidence, found.event) == (Direction.NEUTRAL, (), "")
    assert found.confidence < 0.5


def test_one_right_quote_is_enough() -> None:
    assert checked(bullish(quote("Sell"), quote("now")), TEXT, []).evidence == (quote("now", (8, 11)),)


def test_a_neutral_verdict_needs_no_quote() -> None:
    calm = Verdict("synthetic", "1", 1.0, Direction.NEUTRAL, 0.8)
    assert checked(calm, TEXT, []) == calm


def test_a_quote_in_a_picture_gets_the_box_of_its_line() -> None:
    corners = [[(float(row), 0.0)] * 4 for row in range(2)]
    lines = [Box(text=words, confidence=0.9, points=corners[row]) for row, words in enumerate(["Buy BTC", "SELL ETH"])]
    empty = ocr_result(text="", index=0)
    picture = ocr_result(text="Buy BTC\nSELL ETH", boxes=lines, index=1)
    text = whole_text("hello", [empty, picture])
    assert [(part.start, part.end) for part in places(text, [empty, picture])] == [(6, 22)]
    (found,) = checked(bullish(quote("SELL ETH")), text, [empty, picture]).evidence
    assert (found.kind, found.span, found.box) == ("ocr", None, corners[1])


def test_a_quote_across_post_and_picture_stands_in_neither() -> None:
    picture = ocr_result(text="now", boxes=[])
    text = whole_text("buy", [picture])
    assert checked(bullish(quote("buy\nnow")), text, [picture]).evidence == ()
