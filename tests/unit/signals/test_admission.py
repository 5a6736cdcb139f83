"""What may call for a trade."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from apps.signals.domain.admission import admitted, misread, unsaid
from apps.signals.domain.ensemble import Judgement
from apps.signals.domain.verdict import Verdict
from tests.factories import ocr_result
from tradebot.contracts.messages import Box, OCRResult, TradeCall
from tradebot.contracts.values import Direction

CALL = TradeCall(side="long", entry=[Decimal(45_000)], stop=Decimal(44_000))


def judgement(mood: str, direction: Direction = Direction.BULLISH, **changes: Any) -> Judgement:
    return Judgement(direction, 0.9, "listing", (), {}, mood=mood, call=CALL, **changes)


@pytest.mark.parametrize("mood", ["report", "question"])
@pytest.mark.parametrize("direction", [Direction.BULLISH, Direction.BEARISH])
def test_a_report_or_a_question_orders_nothing_and_says_so(mood: str, direction: Direction) -> None:
    after = admitted(judgement(mood, direction))
    assert (after.direction, after.call) == (Direction.NEUTRAL, None)
    assert after.confidence < 0.5
    assert mood in after.notes[-1]
    assert after.mood == mood


@pytest.mark.parametrize("mood", ["instruction", "claim", ""])
def test_a_statement_of_now_stays_as_it_is(mood: str) -> None:
    before = judgement(mood)
    assert admitted(before) is before


def test_a_neutral_report_stays_as_it_is() -> None:
    before = judgement("report", Direction.NEUTRAL)
    assert admitted(before) is before


def picture(*lines: tuple[str, bool]) -> OCRResult:
    boxes = [Box(text=text, confidence=0.9, points=[(0.0, 0.0)] * 4, unsure=unsure) for text, unsure in lines]
    return ocr_result(text="\n".join(text for text, _ in lines), boxes=boxes)


def doubts(post: str, *lines: tuple[str, bool], call: TradeCall | None = None, quotes: tuple[str, ...] = ()) -> str:
    image = picture(*lines)
    return misread(f"{post}\n{image.text}", [image], ["BTC"], call, quotes)


def test_words_that_were_read_well_are_trusted() -> None:
    assert not doubts("", ("Buy BTC at 45,000, stop 44,000", False), call=CALL, quotes=("Buy BTC",))
    assert not misread("Buy BTC", [], ["BTC"], None, ["Buy BTC"])


def test_a_coin_that_stands_in_doubtful_words_alone_is_not_traded() -> None:
    assert "BTC" in doubts("buy now", ("BTC", True))
    assert not doubts("buy BTC now", ("BTC", True))


def test_numbers_that_stand_in_doubtful_words_alone_are_not_traded() -> None:
    assert "numbers" in doubts("BTC long", ("entry 45000", False), ("stop 44000", True), call=CALL)
    assert not doubts("BTC long", ("entry 45,000", False), ("stop 44000.00", False), ("gm", True), call=CALL)


def test_what_was_quoted_from_doubtful_words_alone_is_not_traded() -> None:
    assert "will list" in doubts("BTC, look", ("they will list it", True), quotes=("will list",))
    assert not doubts("BTC, they will list it", ("they will list it", True), quotes=("will list",))


def words(direction: Direction, confidence: float = 0.5, weight: float = 1.0) -> Verdict:
    return Verdict("rules", "1", weight, direction, confidence)


def panel(confidence: float) -> Judgement:
    return Judgement(Direction.BULLISH, confidence, "", (), {})


def test_a_direction_that_words_carry_needs_no_more() -> None:
    assert not unsaid(panel(0.5), words(Direction.BULLISH))


@pytest.mark.parametrize("direction", [Direction.NEUTRAL, Direction.BEARISH])
def test_a_direction_of_models_alone_must_be_sure(direction: Direction) -> None:
    assert "not sure enough" in unsaid(panel(0.7), words(direction))
    assert not unsaid(panel(0.85), words(direction))


def test_what_the_words_surely_deny_is_not_acted_on() -> None:
    assert "nothing in it" in unsaid(panel(0.95), words(Direction.NEUTRAL, 0.9))


def test_where_no_rules_were_asked_the_models_decide() -> None:
    assert not unsaid(panel(0.5), None)
    assert not unsaid(panel(0.5), words(Direction.NEUTRAL, weight=0.0))
