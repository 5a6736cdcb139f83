"""Signals are marked by candles that the paper exchange tells, through the adapters and without any key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from apps.accounts.models import Credential
from apps.exchanges import services
from apps.exchanges.adapters import connect
from apps.exchanges.selectors import VenueInfo
from apps.signals.models import Analysis, Signal
from apps.signals.models_accuracy import SignalAccuracy
from apps.sources.models import Post
from tests.apps.exchanges.paper_process import PaperProcess
from tradebot.contracts.ports import Venue
from tradebot.contracts.values import Pair
from workers.accuracy import mark_due

BTC = Pair("BTC", "USDT")
MINUTE = timedelta(minutes=1)


def test_a_venue_tells_candles_of_the_minutes_asked_for(paper: PaperProcess) -> None:
    paper.price("BTC/USDT", "30500")
    venue: Venue = connect(VenueInfo("paper", "binance", paper.url), "", "")
    since = datetime.now(UTC) - 5 * MINUTE
    found = venue.candles(BTC, since, 10)
    assert found[-1].close == Decimal(30500)
    assert all(since <= candle.at < since + 10 * MINUTE for candle in found)
    assert venue.candles(BTC, since - timedelta(days=2), 10) == []


@pytest.mark.django_db
def test_a_signal_is_marked_by_an_exchange_that_nobody_has_an_account_at(paper_settings: PaperProcess) -> None:
    services.ensure_venues()
    row = _signal()
    try:
        for minutes in (59, 2):
            paper_settings.operator("POST", "clock", {"advance_ms": minutes * 60_000})
            paper_settings.price("BTC/USDT", "33000")
        assert mark_due(datetime.now(UTC) + 63 * MINUTE) == 1
    finally:
        paper_settings.operator("POST", "clock", {"advance_ms": -61 * 60_000})
    mark = SignalAccuracy.objects.get(signal=row)
    assert (mark.price, mark.price_after, mark.outcome, mark.venue) == (Decimal(30000), Decimal(33000), "up", "paper")
    assert mark.move_before is None
    assert not Credential.objects.exists()
    for analyzer in ("rules", "ensemble"):
        assert REGISTRY.get_sample_value("signal_accuracy", {"horizon": "1h", "analyzer": analyzer}) == 1.0
    assert REGISTRY.get_sample_value("signal_accuracy_baseline", {"horizon": "1h", "rule": "up"}) == 1.0


def _signal() -> Signal:
    now = datetime.now(UTC)
    post = Post.objects.create(
        id=uuid4(), story_id=uuid4(), source="twitter", author="ann", native_id="1", posted_at=now, seen_at=now,
        root_id="root",
    )  # fmt: skip
    Analysis.objects.create(post=post, analyzer="rules", model_version="1", direction="bullish", confidence=0.9)
    return Signal.objects.create(
        id=uuid4(), post=post, type="bullish", confidence=0.9, coins=["BTC"], sources=["twitter:ann"], timestamp=now
    )
