"""What is only a shadow: calls that look manipulated, contradict themselves or the market, or were read with doubt."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from pytest_django import Settings

from apps.exchanges.adapters import snapshots
from apps.exchanges.domain.wire import MARK_SECONDS, mark_keys, ticker_key
from apps.exchanges.models import Venue
from apps.signals.domain.manipulation import Market
from apps.signals.models import Signal
from apps.signals.models_accuracy import Demotion
from apps.signals.models_clusters import ClusterPost, Voice
from tests.apps.signals.conftest import NEWS, SAME_NEWS, judged, recorded, said
from tests.factories import ocr_result
from tradebot import valkey
from tradebot.contracts.messages import Box
from tradebot.contracts.ports import Depth, Level, Ticker
from tradebot.contracts.values import Direction, Pair
from workers import market
from workers.analyze import JOINED, SHADOWED, analyze
from workers.features import features_of_images

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("coins")]

PUMP = "⏰ 10 minutes left! Have your USDT ready, everybody buys $PEPE together, to the moon"


def known_for_long(*authors: str) -> None:
    long_ago = timezone.now() - timedelta(days=90)
    Voice.objects.bulk_create(Voice(name=f"twitter:{author}", first_seen=long_ago, posts=99) for author in authors)


class TestAShadow:
    def test_falls_on_what_is_worded_like_a_pump(self) -> None:
        signal = said(PUMP, "one")
        assert signal.type is Direction.BULLISH
        assert "looks manipulated" in signal.shadow

    def test_by_manipulation_falls_on_nothing_where_the_operator_says_so(self, settings: Settings) -> None:
        settings.MANIPULATION_LIMIT = "1"
        assert "looks manipulated" not in said(PUMP, "one").shadow

    def test_needs_more_than_copies_of_young_accounts(self) -> None:
        scores = []
        for number in range(5):
            signal = said(NEWS, f"young{number}")
            scores.append(Signal.objects.get(pk=signal.signal_id).versions["story"]["manipulation"]["score"])
            assert signal.shadow == ""
        assert scores == sorted(scores)
        assert scores[0] == 0 < scores[-1]

    def test_copies_of_accounts_that_are_known_are_no_sign(self) -> None:
        known_for_long("one", "two", "three")
        shown = [said(NEWS, author).signal_id for author in ("one", "two", "three")]
        assert [row.versions["story"]["manipulation"]["score"] for row in Signal.objects.filter(pk__in=shown)] == [
            0
        ] * 3

    def test_falls_on_a_demoted_source_and_supports_nobody(self) -> None:
        Demotion.objects.create(source="twitter:one", reason="it was wrong too often")
        first, second = said(NEWS, "one"), said(SAME_NEWS, "two")
        assert first.shadow == "twitter:one is demoted: it was wrong too often"
        assert second.shadow == ""
        assert second.confidence == ClusterPost.objects.get(signal=second.signal_id).confidence

    @pytest.mark.parametrize(
        "text",
        [
            "$PEPE long, entry 10 to 12, stop 14, target 20. Buy now",
            "$PEPE long, entry 10 to 12, stop 9, targets 8 and 20. Buy now",
        ],
        ids=["stop above the entry", "target below the entry"],
    )
    def test_or_nothing_comes_of_a_call_that_contradicts_itself(self, text: str) -> None:
        signal = said(text, "one")
        assert signal.type is Direction.NEUTRAL or "wrong side" in signal.shadow

    def test_is_counted(self) -> None:
        before = SHADOWED.labels("manipulation")._value.get(), JOINED._value.get()
        post = recorded(PUMP, author="one")
        judged(post, recorded(PUMP, author="two"))
        judged(post)
        after = SHADOWED.labels("manipulation")._value.get(), JOINED._value.get()
        assert (after[0] - before[0], after[1] - before[1]) == (2, 1)

    def test_falls_on_words_of_a_picture_that_were_read_with_doubt(self) -> None:
        post = recorded("buying more right now, to the moon")
        line = Box(text="$PEPE", confidence=0.4, points=[(0.0, 0.0)] * 4, unsure=True)
        (signal,) = analyze(features_of_images([ocr_result(post_id=post.post_id, text="$PEPE", boxes=[line])]))
        assert signal.coins == ["PEPE"]
        assert "read with doubt" in signal.shadow


def test_words_that_were_read_with_doubt_carry_no_trade() -> None:
    post = recorded("PEPE, look at this")
    line = Box(text="Binance will list it, buy now", confidence=0.4, points=[(0.0, 0.0)] * 4, unsure=True)
    picture = ocr_result(post_id=post.post_id, text=line.text, boxes=[line])
    (signal,) = analyze(features_of_images([picture]))
    assert not any(evidence.quote in line.text for evidence in signal.evidence)
    assert signal.type is Direction.NEUTRAL or "read with doubt" in signal.shadow


class TestTheMarket:
    """What the streams heard of prices and books, as the analyze stage sees it."""

    @pytest.fixture(autouse=True)
    def _one_venue(self) -> Iterator[None]:
        Venue.objects.get_or_create(name="paper")
        market.exchanges.forget()
        valkey.client().flushdb()
        snapshots._marked.clear()
        yield
        market.exchanges.forget()

    def listened(self, *prices: str) -> None:
        """Five minutes apart, the last one now."""
        for back, price in enumerate(reversed(prices)):
            (key,) = mark_keys("paper", "PEPE/USDT", timezone.now() - timedelta(seconds=back * MARK_SECONDS), 1)
            valkey.client().set(key, price)

    def test_is_unknown_where_nobody_listened(self) -> None:
        assert market.markets_of({"PEPE"}) == {}
        assert market.markets_of(()) == {}

    def test_remembers_the_first_price_of_each_five_minutes(self) -> None:
        now = timezone.now()
        for last in ("1.5", "1.6"):
            ticker = Ticker(Pair("PEPE", "USDT"), Decimal(1), Decimal(2), Decimal(last), now)
            snapshots.put_tickers("paper", [ticker])
        valkey.client().delete(ticker_key("paper", "PEPE/USDT"))
        assert market.markets_of({"PEPE"}) == {"PEPE": Market(run_up=None, depth=None, price=Decimal("1.5"))}

    def test_sees_a_rise_of_the_last_minute(self) -> None:
        self.listened("1.00")
        told = Ticker(Pair("PEPE", "USDT"), Decimal(1), Decimal(2), Decimal("1.25"), timezone.now())
        snapshots.put_tickers("paper", [told])
        assert market.markets_of({"PEPE"}) == {"PEPE": Market(run_up=0.25, price=Decimal("1.25"))}

    def test_takes_a_price_that_was_set_by_hand_for_no_rise(self) -> None:
        self.listened("1.00", "1.00")
        snapshots.forget_marks("paper", Pair("PEPE", "USDT"))
        told = Ticker(Pair("PEPE", "USDT"), Decimal(1), Decimal(2), Decimal("1.25"), timezone.now())
        snapshots.put_tickers("paper", [told])
        assert market.markets_of({"PEPE"})["PEPE"].run_up in (None, 0.0)

    def test_shadows_a_call_that_is_far_from_it(self) -> None:
        call = "$PEPE long, entry 10 to 12, stop 9, targets 15 and 20. Buy now"
        assert "far from the market" not in said(call, "one").shadow
        self.listened("40")
        assert "far from the market" in said(call, "two").shadow

    def test_shadows_a_call_after_a_steep_rise(self) -> None:
        self.listened("1.0", "1.1", "1.4")
        signal = said(NEWS, "one")
        assert "rose 40.0%" in signal.shadow

    def test_tells_a_thin_book(self) -> None:
        asks = (
            Level(Decimal(1), Decimal(300)),
            Level(Decimal("1.005"), Decimal(200)),
            Level(Decimal(2), Decimal(9999)),
        )
        snapshots.put_depth("paper", Depth(Pair("PEPE", "USDT"), (), asks, timezone.now()))
        assert market.markets_of({"PEPE"}) == {"PEPE": Market(depth=Decimal(501))}
