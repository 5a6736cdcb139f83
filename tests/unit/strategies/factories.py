"""Obvious made-up strategies, signals and posts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from apps.strategies.domain.matching import Account, ActiveStrategy, PostView, Surroundings
from apps.strategies.domain.spec import parse_spec
from tradebot.contracts.messages import AnalysisSignal
from tradebot.contracts.values import Direction

NOON = datetime(2023, 7, 3, 12, 0, tzinfo=UTC)  # a Monday
ALICE = UUID("00000000-0000-0000-0000-00000000a11c")
BOB = UUID("00000000-0000-0000-0000-000000000b0b")
STRATEGY = UUID("00000000-0000-0000-0000-000000000001")
SIGNAL = "00000000-0000-0000-0000-000000000002"
ACCOUNT = UUID("00000000-0000-0000-0000-000000000003")

DESIGN_EXAMPLE: dict[str, Any] = {
    "watch_list": {
        "twitter_users": ["elonmusk"],
        "telegram_groups": ["cryptosignals"],
        "keywords": ["merge", "halving"],
    },
    "actions": {"bullish": {"percentage": 30, "max_amount": 5000}, "bearish": {"percentage": 50, "stop_loss": 10}},
}
ANYTHING: dict[str, Any] = {"actions": {"bullish": {"percentage": 30}, "bearish": {"percentage": 50}}}


def a_strategy(
    raw: Mapping[str, Any] = ANYTHING, *, user_id: UUID = ALICE, strategy_id: UUID = STRATEGY, **changes: Any
) -> ActiveStrategy:
    return ActiveStrategy(strategy_id, user_id, 1, parse_spec({**raw, **changes}))


def a_signal(**changes: Any) -> AnalysisSignal:
    given: dict[str, Any] = {
        "id": SIGNAL,
        "root_id": "root",
        "seen_at": NOON,
        "signal_id": SIGNAL,
        "type": Direction.BULLISH,
        "confidence": 0.92,
        "coins": ["BTC"],
        "evidence": [],
        "sources": ["twitter:elonmusk"],
        "timestamp": NOON,
    }
    return AnalysisSignal(**{**given, **changes})


def a_post(**changes: Any) -> PostView:
    given: dict[str, Any] = {
        "source": "twitter",
        "author": "elonmusk",
        "channel": "",
        "text": "The merge is done.",
        "timestamp": NOON,
    }
    return PostView.of(**{**given, **changes})


def surroundings(
    *,
    after: float = 1,
    account: Account | None = Account(ACCOUNT, "paper", paper=True),  # noqa: B008 - frozen
    markets: tuple[str, ...] = ("BTC/USDT", "ETH/USDT"),
) -> Surroundings:
    """The world `after` seconds past noon."""
    return Surroundings(
        now=NOON + timedelta(seconds=after),
        account=lambda user_id, credential_id: account,
        tradable=lambda venue, base, quote: f"{base}/{quote}" in markets,
    )
