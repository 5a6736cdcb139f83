"""What looks like a scheme to move a price."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.signals.domain.manipulation import LIMIT, Market, Suspicion, Voice, suspicion, wording
from apps.signals.training.corpus import corpus
from tradebot.contracts.values import Direction

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
YOUNG = Voice(NOON - timedelta(hours=2), posts=1)
OLD = Voice(NOON - timedelta(days=90), posts=400)
PLAIN = "PEPE breaks out, buying more"
PUMP = (
    "⏰ 10 minutes left! Coin name will be revealed here, have your USDT ready, everybody buys together, hold the line"
)


def suspect(text: str = PLAIN, direction: Direction = Direction.BULLISH, **known: Any) -> Suspicion:
    return suspicion(direction, text, now=NOON, **known)


def test_a_plain_post_of_a_plain_market_is_above_suspicion() -> None:
    calm = Market(run_up=0.01, depth=Decimal(500_000))
    assert suspect(market=calm, copiers=[OLD]) == Suspicion(0.0, ())


def test_what_is_unknown_counts_for_nothing() -> None:
    assert suspect(market=Market()) == suspect() == Suspicion(0.0, ())


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ({"market": Market(run_up=0.08)}, "rose 8.0%"),
        ({"market": Market(depth=Decimal(4_000))}, "4000 moves the price"),
        ({"copiers": [YOUNG] * 3}, "3 young accounts"),
        ({"text": "Countdown to the launch has begun"}, "countdown (“Countdown”)"),
    ],
)
def test_one_sign_is_named_and_is_not_enough(known: dict[str, Any], reason: str) -> None:
    found = suspect(**known)
    assert 0 < found.score < LIMIT
    assert reason in found.reasons[0]
    assert not found.shadow(LIMIT)


def test_signs_add_up() -> None:
    market = Market(run_up=0.08, depth=Decimal(4_000))
    found = suspect("Countdown to the launch has begun", market=market, copiers=[YOUNG] * 3)
    assert LIMIT < found.score < 1
    assert len(found.reasons) == 4
    assert found.shadow(LIMIT).startswith("looks manipulated")


@pytest.mark.parametrize("text", [PUMP, "今晚八点准时公布币种，全群一起拉盘，只买不卖，倒计时10分钟"])
def test_the_wording_of_a_pump_is_enough(text: str) -> None:
    assert suspect(text).shadow(LIMIT)


def test_a_steep_rise_before_the_post_is_enough() -> None:
    assert suspect(market=Market(run_up=0.4)).shadow(LIMIT)


def test_copies_by_accounts_that_are_known_are_no_sign() -> None:
    assert suspect(copiers=[OLD] * 9).score == 0


@pytest.mark.parametrize(
    ("voice", "young"),
    [
        (Voice(), True),
        (Voice(NOON - timedelta(hours=23), posts=400), True),
        (Voice(NOON - timedelta(days=90), posts=4), True),
        (OLD, False),
    ],
)
def test_an_account_is_young_until_it_was_heard_a_while(voice: Voice, young: bool) -> None:
    assert voice.young(NOON) is young


def test_a_sale_waits_only_for_copies() -> None:
    market = Market(run_up=0.4, depth=Decimal(1))
    assert suspect(PUMP, Direction.BEARISH, market=market).score == 0
    assert suspect(PUMP, Direction.BEARISH, copiers=[YOUNG] * 5).score > 0


def test_more_of_a_sign_never_lowers_the_score() -> None:
    rises = [suspect(market=Market(run_up=rise / 100)).score for rise in range(-10, 60)]
    depths = [suspect(market=Market(depth=Decimal(depth))).score for depth in range(100, 60_000, 500)]
    copies = [suspect(copiers=[YOUNG] * count).score for count in range(12)]
    assert rises == sorted(rises)
    assert depths == sorted(depths, reverse=True)
    assert copies == sorted(copies)


def test_honest_posts_of_the_corpus_are_not_taken_for_pumps() -> None:
    """On the posts that may be looked at; the words were written without them."""
    posts = [post for post in corpus() if not post.held]
    honest = [post for post in posts if not post.manipulates]
    assert len(honest) > 1_000
    assert not [post.text for post in honest if suspect(post.text).shadow(LIMIT)]


def test_a_long_text_takes_no_time() -> None:
    text = "everybody " * 2_000 + "coin " * 2_000 + "1 " * 5_000
    assert len(wording(text)) < 3
