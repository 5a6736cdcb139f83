"""Was it right: prices at a moment, intervals, factors and drift."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.signals.domain import accuracy
from apps.signals.domain.accuracy import LEAST, PAGE, Tally
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.ports import Candle
from tradebot.contracts.values import Direction

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def candle(minutes: int, price: str, close: str = "") -> Candle:
    first, last = Decimal(price), Decimal(close or price)
    return Candle(NOON + minutes * MINUTE, first, max(first, last), min(first, last), last)


class TestSettings:
    def test_horizons_are_read_in_minutes(self) -> None:
        assert accuracy.horizons("24h, 1h,15m", "X") == (15, 60, 1440)
        assert [accuracy.spoken(each) for each in (15, 60, 1440, 90)] == ["15m", "1h", "24h", "90m"]

    @pytest.mark.parametrize("text", ["", "1", "h", "-1h", "1y", "1m", "8d", "1h,²h", "1h,2h,3h,4h,5h,6h,7h"])
    def test_a_wrong_horizon_names_the_setting(self, text: str) -> None:
        with pytest.raises(InvalidField, match="ACCURACY_HORIZONS"):
            accuracy.horizons(text, "ACCURACY_HORIZONS")

    @pytest.mark.parametrize("text", ["nan", "inf", "-0.1", "11", "much"])
    def test_a_wrong_band_names_the_setting(self, text: str) -> None:
        assert accuracy.band("0.2", "X") == pytest.approx(0.002)
        with pytest.raises(InvalidField, match="ACCURACY_BAND"):
            accuracy.band(text, "ACCURACY_BAND")


class TestPrices:
    def test_the_price_is_what_the_next_whole_minute_opens_with(self) -> None:
        candles = [candle(0, "10", "99"), candle(1, "11"), candle(2, "12")]
        assert accuracy.price_at(candles, NOON) == 10
        assert accuracy.price_at(candles, NOON + timedelta(seconds=1)) == 11

    def test_a_thin_market_gives_the_nearest_price_and_no_other(self) -> None:
        candles = [candle(-4, "7", "8"), candle(4, "9")]
        assert accuracy.price_at(candles, NOON) == 9
        assert accuracy.price_at(candles[:1], NOON) == 8
        assert accuracy.price_at(candles, NOON - 20 * MINUTE) is None
        assert accuracy.price_at([candle(0, "0")], NOON) is None
        assert accuracy.price_at([], NOON) is None

    @given(st.lists(st.integers(0, 60 * 24 * 90).map(lambda second: NOON + timedelta(seconds=second)), min_size=1))
    def test_pages_cover_every_moment_and_are_short(self, moments: list[datetime]) -> None:
        pages = list(accuracy.pages(moments))
        assert all(0 < minutes <= PAGE for _, minutes in pages)
        for moment in map(accuracy.minute, moments):
            assert any(
                start <= moment - accuracy.NEAR and moment + accuracy.NEAR < start + minutes * MINUTE
                for start, minutes in pages
            )

    def test_what_is_near_is_asked_together(self) -> None:
        assert len(list(accuracy.pages([NOON, NOON + 60 * MINUTE]))) == 1
        assert len(list(accuracy.pages([NOON, NOON + 240 * MINUTE]))) == 2

    def test_a_small_move_says_nothing(self) -> None:
        moves = [accuracy.move(Decimal(100), Decimal(after)) for after in ("100.1", "101", "99")]
        assert [accuracy.outcome(each, 0.002) for each in moves] == ["flat", "up", "down"]


class TestFigures:
    def test_wilson_agrees_with_the_textbook(self) -> None:
        # Newcombe 1998, table I: 81/263, 15/148 and 0/20.
        for hits, calls, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
            assert accuracy.wilson(hits, calls) == pytest.approx((low, high), abs=1e-4)

    def test_nothing_counted_says_nothing(self) -> None:
        assert accuracy.wilson(0, 0) == (0.0, 1.0)
        assert (Tally().rate, Tally().momentum, Tally().up) == (None, None, None)

    def test_calls_are_counted_beside_what_prices_alone_would_have_said(self) -> None:
        tally = Tally()
        for said, told, before in (
            (Direction.BULLISH, "up", 0.01),
            (Direction.BEARISH, "down", 0.01),
            (Direction.BULLISH, "down", None),
            (Direction.BULLISH, "flat", 0.01),
            (Direction.NEUTRAL, "up", 0.01),
        ):
            tally = tally.plus(said, told, before)
        assert tally == Tally(calls=3, hits=2, flat=1, momentum_calls=2, momentum_hits=1, up_hits=1)

    def test_a_baseline_is_never_less_than_a_coin(self) -> None:
        assert accuracy.baseline(Tally()) == 0.5
        assert accuracy.baseline(Tally(calls=100, up_hits=30, momentum_calls=100, momentum_hits=45)) == 0.5
        assert accuracy.baseline(Tally(calls=100, up_hits=70)) == 0.7
        assert accuracy.baseline(Tally(calls=LEAST - 1, up_hits=LEAST - 1)) == 0.5


class TestWorth:
    def test_five_lucky_calls_change_nothing(self) -> None:
        assert accuracy.factor(Tally(calls=5, hits=5), 0.5) == 1.0
        assert accuracy.factor(Tally(calls=LEAST - 1, hits=0), 0.5) == 1.0

    def test_what_chance_can_do_changes_nothing(self) -> None:
        assert accuracy.factor(Tally(calls=100, hits=55), 0.5) == 1.0

    def test_proof_makes_a_vote_heavier_or_lighter_within_bounds(self) -> None:
        assert accuracy.factor(Tally(calls=1000, hits=580), 0.5) == pytest.approx(1.24, abs=0.02)
        assert accuracy.factor(Tally(calls=1000, hits=420), 0.5) == pytest.approx(0.76, abs=0.02)
        assert accuracy.factor(Tally(calls=9999, hits=9999), 0.5) == 1.5
        assert accuracy.factor(Tally(calls=9999, hits=0), 0.5) == 0.5

    @given(st.integers(0, 5000), st.integers(0, 5000), st.floats(0.5, 0.9))
    def test_it_is_always_within_bounds(self, calls: int, missed: int, base: float) -> None:
        assert 0.5 <= accuracy.factor(Tally(calls=calls, hits=max(0, calls - missed)), base) <= 1.5

    def test_a_source_drifts_when_it_is_worse_than_prices_beyond_doubt(self) -> None:
        assert "right in 15 of 60 calls after 4h" in accuracy.drifted(Tally(calls=60, hits=15), 0.5, 50, 240)
        assert accuracy.drifted(Tally(calls=60, hits=25), 0.5, 50, 240) == ""
        assert accuracy.drifted(Tally(calls=49, hits=0), 0.5, 50, 240) == ""
        assert accuracy.drifted(Tally(), 0.5, 0, 240) == ""
