"""Marks of signals against a synthetic market, what is counted from them, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.core.checks import run_checks

from apps.accounts.models import User
from apps.exchanges import services as exchanges
from apps.exchanges.models import Venue
from apps.exchanges.selectors import VenueInfo
from apps.signals import accuracy_selectors as selectors
from apps.signals import accuracy_services as services
from apps.signals.adapters.weighing import Weighing
from apps.signals.domain.accuracy import Tally
from apps.signals.models import Analysis, Signal
from apps.signals.models_accuracy import AccuracyScore, Demotion, SignalAccuracy
from apps.signals.models_clusters import Cluster
from apps.sources.models import Post
from tradebot.contracts.errors import VenueUnavailable
from tradebot.contracts.ports import Candle, Market
from tradebot.contracts.values import Direction, Pair
from workers import accuracy
from workers.accuracy import mark_due

pytestmark = pytest.mark.django_db

START = datetime(2026, 3, 1, 12, 0, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
Price = Callable[[datetime], str]


def rising(at: datetime) -> str:
    """One percent an hour, for ever."""
    return f"{100 * 1.01 ** ((at - START) / HOUR):.8f}"


def falling(at: datetime) -> str:
    return f"{100 * 0.99 ** ((at - START) / HOUR):.8f}"


@dataclass
class SyntheticMarket:
    """Candles of any minute, and who asked for which."""

    prices: dict[str, Price] = field(default_factory=dict)
    asked: list[tuple[str, str, datetime, int]] = field(default_factory=list)
    down: set[str] = field(default_factory=set)

    def __call__(self, venue: VenueInfo, pair: Pair, since: datetime, minutes: int) -> Sequence[Candle]:
        self.asked.append((venue.name, str(pair), since, minutes))
        if venue.name in self.down:
            raise VenueUnavailable(f"{venue.name} does not answer")
        price = self.prices.get(pair.base)
        if price is None:
            return []
        moments = [since + timedelta(minutes=number) for number in range(minutes)]
        return [Candle(at, *[Decimal(price(at))] * 4) for at in moments]


@pytest.fixture
def market() -> SyntheticMarket:
    """A paper exchange and a binance that list BTC and DOGE; BTC rises, DOGE falls."""
    exchanges.ensure_venues()
    Venue.objects.filter(name="binance").update(enabled=True)
    rules = [Market(Pair(coin, "USDT"), *[Decimal("0.01")] * 3, None, Decimal(5)) for coin in ("BTC", "DOGE")]
    for venue in ("paper", "binance"):
        exchanges.sync_markets(venue=venue, markets=rules)
    return SyntheticMarket({"BTC": rising, "DOGE": falling})


def made(direction: str = "bullish", *coins: str, author: str = "twitter:ann", **changes: Any) -> Signal:
    """A signal of START (or `at`) whose analyzers `said` something."""
    at = changes.pop("at", START)
    said = changes.pop("said", {"rules": direction})
    post = Post.objects.create(
        id=uuid4(), story_id=uuid4(), source="twitter", author="ann", native_id=uuid4().hex, posted_at=at,
        seen_at=at, root_id=str(uuid4()),
    )  # fmt: skip
    for analyzer, view in said.items():
        Analysis.objects.create(post=post, analyzer=analyzer, model_version="1", direction=view, confidence=0.9)
    given = {"confidence": 0.9, "event": "listing", "timestamp": at, **changes}
    row = Signal.objects.create(
        id=uuid4(), post=post, type=direction, coins=list(coins or ("BTC",)), sources=[author], **given
    )
    Signal.objects.filter(id=row.id).update(created_at=changes.get("created_at", at))
    return row


def marks(**where: Any) -> list[SignalAccuracy]:
    return list(SignalAccuracy.objects.filter(**where).order_by("coin", "horizon"))


class TestMarks:
    def test_a_signal_is_marked_when_each_horizon_has_passed_and_once(self, market: SyntheticMarket) -> None:
        made("bullish", "BTC")
        assert mark_due(START + HOUR, market) == 0
        assert mark_due(START + timedelta(hours=1, minutes=3), market) == 1
        assert mark_due(START + timedelta(hours=1, minutes=3), market) == 0
        assert mark_due(START + timedelta(hours=30), market) == 2
        assert [(row.horizon, row.outcome) for row in marks()] == [(60, "up"), (240, "up"), (1440, "up")]
        first = marks()[0]
        assert first.move == pytest.approx(0.01, abs=1e-4)
        assert first.move_before == pytest.approx(0.01, abs=1e-4)
        assert (first.venue, first.pair, first.state) == ("binance", "BTC/USDT", "marked")

    def test_an_outage_is_caught_up_with_in_one_go_and_few_requests(self, market: SyntheticMarket) -> None:
        for minutes in range(30):
            made("bullish", "BTC", at=START + timedelta(minutes=minutes))
        assert mark_due(START + timedelta(days=3), market) == 90
        assert len(market.asked) <= 6
        assert all(minutes <= 100 for _, _, _, minutes in market.asked)

    def test_a_later_horizon_asks_only_for_what_is_not_known(self, market: SyntheticMarket) -> None:
        made()
        mark_due(START + timedelta(hours=2), market)
        market.asked.clear()
        mark_due(START + timedelta(hours=5), market)
        ((_, _, since, minutes),) = market.asked
        assert since > START + timedelta(hours=3)
        assert minutes < 15
        assert {row.price for row in marks(state="marked")} == {marks()[0].price}

    def test_every_coin_is_marked_and_the_first_is_the_primary(self, market: SyntheticMarket) -> None:
        made("bullish", "BTC", "DOGE")
        mark_due(START + timedelta(hours=2), market)
        assert [(row.coin, row.is_primary, row.outcome) for row in marks()] == [
            ("BTC", True, "up"),
            ("DOGE", False, "down"),
        ]

    def test_who_dates_a_post_back_gets_no_mark(self, market: SyntheticMarket) -> None:
        made(timestamp=START - HOUR)
        made(timestamp=START + HOUR)
        mark_due(START + timedelta(days=2), market)
        assert marks() == []

    def test_requests_are_bounded_and_the_rest_waits(self, market: SyntheticMarket) -> None:
        for hours in range(80):
            made("bullish", "BTC", at=START + timedelta(hours=3 * hours))
        now = START + timedelta(hours=3 * 80)
        first = mark_due(now, market)
        assert len(market.asked) <= 60
        assert 0 < first < len(marks())
        assert all(row.attempts == 0 for row in marks(state="waiting"))
        assert mark_due(now, market) > 0

    def test_a_run_ends_in_time_and_keeps_what_it_has(
        self, market: SyntheticMarket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for hours in range(20):
            made("bullish", "BTC", at=START + timedelta(hours=3 * hours))
        seconds = iter(range(10**6))
        monkeypatch.setattr(accuracy, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
        now = START + timedelta(hours=3 * 20)
        assert 0 < mark_due(now, market) < len(marks())
        assert 40 <= len(market.asked) <= 46
        assert {row.attempts for row in marks()} == {0}
        assert mark_due(now, market) > 0


class TestNoPrice:
    def test_another_venue_is_asked_next_and_no_price_is_mixed(self, market: SyntheticMarket) -> None:
        made()
        market.down.add("binance")
        now = START + timedelta(hours=2)
        assert mark_due(now, market) == 0
        (row,) = marks()
        assert (row.state, row.reason, row.attempts) == ("waiting", "binance does not answer", 1)
        assert mark_due(now, market) == 0
        assert mark_due(now + timedelta(minutes=6), market) == 1
        assert marks()[0].venue == "paper"

    def test_what_has_no_price_is_given_up_with_its_reason(self, market: SyntheticMarket) -> None:
        made("bullish", "BTC")
        made("bullish", "NOSUCH")
        market.prices.clear()
        now = START + timedelta(days=3)
        for _ in range(3):
            mark_due(now, market)
            now += timedelta(hours=7)
        reasons = {(row.coin, row.state): row.reason for row in marks(horizon=60)}
        assert "has no price of BTC/USDT when the signal was made" in reasons["BTC", "given_up"]
        assert "no enabled venue lists NOSUCH" in reasons["NOSUCH", "given_up"]
        market.asked.clear()
        mark_due(now + timedelta(days=1), market)
        assert market.asked == []

    def test_an_operator_says_where_prices_come_from(self, market: SyntheticMarket, settings: Any) -> None:
        settings.ACCURACY_VENUES = ["paper"]
        made()
        mark_due(START + timedelta(hours=2), market)
        assert {venue for venue, *_ in market.asked} == {"paper"}


class TestScores:
    def test_calls_are_counted_by_author_analyzer_event_and_coin(self, market: SyntheticMarket) -> None:
        made("bullish", "BTC", said={"rules": "bullish", "minilm": "bearish", "mute": "neutral"})
        made("bearish", "BTC", author="twitter:bob", said={"rules": "bearish"})
        made("neutral", "BTC", said={"rules": "neutral", "minilm": "bullish"})
        mark_due(START + timedelta(hours=2), market)
        found = {(score.kind, score.name): score.tally for score in selectors.scores()}
        assert found["all", ""] == Tally(2, 1, 0, 2, 2, 2)
        assert found["author", "twitter:ann"] == Tally(1, 1, 0, 1, 1, 1)
        assert found["author", "twitter:bob"] == Tally(1, 0, 0, 1, 1, 1)
        assert found["analyzer", "rules"] == Tally(2, 1, 0, 2, 2, 2)
        assert found["analyzer", "minilm"] == Tally(2, 1, 0, 2, 2, 2)
        assert found["event", "listing"].calls == found["coin", "BTC"].calls == 2
        assert ("analyzer", "mute") not in found

    def test_the_statement_counts_as_the_rule_does(self, market: SyntheticMarket) -> None:
        for direction, coin in (("bullish", "BTC"), ("bearish", "DOGE"), ("bullish", "DOGE"), ("bearish", "BTC")):
            made(direction, coin)
        mark_due(START + timedelta(hours=2), market)
        tally = Tally()
        for row in SignalAccuracy.objects.select_related("signal"):
            tally = tally.plus(Direction(row.signal.type), row.outcome, row.move_before)
        assert selectors.tallies("all", 60)[""] == tally == Tally(4, 2, 0, 4, 4, 2)

    def test_coins_named_along_prove_nothing_about_the_author(self, market: SyntheticMarket) -> None:
        made("bullish", "BTC", "DOGE")
        mark_due(START + timedelta(hours=2), market)
        assert selectors.tallies("author", 60) == {"twitter:ann": Tally(1, 1, 0, 1, 1, 1)}
        assert selectors.tallies("coin", 60).keys() == {"BTC", "DOGE"}

    def test_a_story_counts_once_and_once_for_each_who_tells_it(self, market: SyntheticMarket) -> None:
        story = Cluster.objects.create(id=uuid4(), type="bullish", coins=["BTC"], opened_at=START)
        for author in ("twitter:ann", "twitter:ann", "twitter:bob"):
            made(author=author, cluster=story)
        assert mark_due(START + timedelta(hours=2), market) == 3
        assert selectors.tallies("author", 60).keys() == {"twitter:ann", "twitter:bob"}
        for kind in ("all", "author", "analyzer", "event", "coin"):
            assert {tally.calls for tally in selectors.tallies(kind, 60).values()} == {1}, kind

    def test_users_own_posts_write_nobodys_record(self, market: SyntheticMarket, alice: User) -> None:
        made(owner=alice, author="push:alice")
        assert mark_due(START + timedelta(hours=2), market) == 1
        assert selectors.scores() == []

    def test_what_is_older_than_the_window_no_longer_counts(self, market: SyntheticMarket) -> None:
        made()
        mark_due(START + timedelta(hours=2), market)
        services.rescore(now=START + timedelta(days=31))
        assert selectors.scores() == []


def record_of(calls: int, hits: int, *, kind: str = "analyzer", name: str = "rules") -> None:
    AccuracyScore.objects.create(kind=kind, name=name, horizon=240, calls=calls, hits=hits)


class TestWhatFollows:
    def test_measured_accuracy_changes_what_a_vote_weighs(self) -> None:
        record_of(1000, 620)
        record_of(1000, 380, name="minilm")
        record_of(5, 5, name="lucky")
        factors = Weighing()().measured
        assert factors["rules"] > 1.2
        assert factors["minilm"] < 0.8
        assert factors["lucky"] == 1.0

    def test_a_source_that_is_worse_than_prices_is_demoted_once(self) -> None:
        record_of(80, 20, kind="author", name="twitter:wrong")
        record_of(80, 40, kind="author", name="twitter:coin")
        assert services.demote_drifted(now=START) == ["twitter:wrong"]
        assert services.demote_drifted(now=START + HOUR) == []
        (reason,) = selectors.demoted(["twitter:wrong", "twitter:coin"]).values()
        assert "right in 20 of 80 calls after 4h" in reason
        assert selectors.demoted([]) == {}

    def test_a_lifted_source_begins_anew(self, market: SyntheticMarket, alice: User) -> None:
        for minutes in range(60):
            made("bearish", at=START + timedelta(minutes=minutes))
        now = START + timedelta(hours=12)
        mark_due(now, market)
        assert selectors.demoted(["twitter:ann"])
        assert services.lift(demotion_id=Demotion.objects.get().id, by=alice.id, now=now)
        assert not services.lift(demotion_id=Demotion.objects.get().id, by=alice.id, now=now)
        mark_due(now + HOUR, market)
        assert selectors.demoted(["twitter:ann"]) == {}
        assert Demotion.objects.get().lifted_by == alice
        assert selectors.tallies("all", 240)[""].calls == 60


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ACCURACY_HORIZONS", "soon"),
        ("ACCURACY_DECISIVE", "2h"),
        ("ACCURACY_BAND", "-1"),
        ("ACCURACY_WINDOW_DAYS", 0),
        ("ACCURACY_LEAST_CALLS", 3),
        ("ANALYZER_WEIGHTS", "rules=0"),
    ],
)
def test_a_wrong_setting_is_told_before_anything_starts(settings: Any, name: str, value: object) -> None:
    setattr(settings, name, value)
    assert [found.id for found in run_checks() if name in found.msg] == ["signals.E001"]
