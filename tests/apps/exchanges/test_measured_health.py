"""A venue's health comes from the real requests, is shared by all, and operators see it."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.exchanges import selectors
from apps.exchanges.adapters import connect, shared, snapshots
from apps.exchanges.adapters.budget import Gate
from apps.exchanges.adapters.health import EVERY_MS, Watch
from apps.exchanges.adapters.shared import Shared
from apps.exchanges.adapters.snapshots import depths, tickers
from apps.exchanges.domain.health import OPEN_AFTER, Breaker, Observation
from apps.exchanges.domain.wire import SNAPSHOT_MS, ticker_key
from apps.exchanges.models import Venue
from apps.exchanges.selectors import VenueInfo
from tests.apps.exchanges.paper_process import PaperProcess
from tradebot import valkey
from tradebot.contracts.errors import VenueUnavailable
from tradebot.contracts.ports import Ticker
from tradebot.contracts.values import Pair
from workers.probe import probe_all

BTC = Pair("BTC", "USDT")
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def enabled(db: None, paper_settings: PaperProcess) -> VenueInfo:
    Venue.objects.update_or_create(name="paper", defaults={"enabled": True})
    info = selectors.venue("paper")
    assert info is not None
    return info


def test_a_probe_measures_every_enabled_venue(enabled: VenueInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_known", {})  # as in a process that has told nothing yet
    assert probe_all() == 1

    health = selectors.venue_health([enabled])["paper"]
    assert health.breaker(valkey.now_ms()) is Breaker.CLOSED
    assert health.is_fresh(valkey.now_ms())
    assert health.observed >= 1


@pytest.mark.django_db
def test_a_venue_that_is_not_there_opens_its_breaker_and_the_admin_says_why(client: Client, settings: object) -> None:
    Venue.objects.update_or_create(name="gone", defaults={"base_url": NOWHERE, "enabled": True})
    info = VenueInfo("gone", "binance", NOWHERE)
    for _ in range(OPEN_AFTER):
        with pytest.raises(VenueUnavailable):
            connect(info, "", "").ticker(BTC)

    with pytest.raises(VenueUnavailable, match="circuit breaker is open"):
        connect(info, "", "").ticker(BTC)
    client.force_login(User.objects.create_superuser("root", password="not-a-secret-1"))
    page = client.get("/admin/exchanges/venue/gone/change/").content.decode()
    assert "NetworkError" in page or "ExchangeNotAvailable" in page
    assert "open" in client.get("/admin/exchanges/venue/").content.decode()


def test_successes_are_told_once_a_second_and_failures_at_once() -> None:
    watch, venue = Watch(VenueInfo("quiet", "binance")), VenueInfo("quiet", "binance")
    now = valkey.now_ms()
    watch.note(Observation(now, 40))
    watch.note(Observation(now + 1, 40))
    assert selectors.venue_health([venue])["quiet"].observed == 1

    watch.note(Observation(now + 2, 40, "HTTP 500"))
    assert selectors.venue_health([venue])["quiet"].observed == 3

    watch.note(Observation(now + 2 + EVERY_MS, 40))
    assert selectors.venue_health([venue])["quiet"].observed == 4


# --- snapshots --------------------------------------------------------------------------------------------------------


def a_ticker(last: str) -> Ticker:
    return Ticker(BTC, Decimal(last) - 1, Decimal(last) + 1, Decimal(last), datetime.now(UTC))


def test_what_one_process_was_told_the_others_need_not_ask(enabled: VenueInfo) -> None:
    mine, other = Shared(_client(enabled), Gate(enabled)), Shared(_client(enabled), Gate(enabled))
    told = mine.prices.get(BTC, 2, lambda: a_ticker("30000.123456789012345678"))
    mine.client.gate.enter("GET", "https://exchange.example/api/v3/ping")  # it travels with the next request

    def silent() -> Ticker:
        raise AssertionError("the venue was asked again")

    assert other.prices.get(BTC, 2, silent) == told
    assert selectors.recent_tickers([("paper", BTC), ("paper", Pair("ETH", "USDT"))]) == {("paper", BTC): told}


def _client(info: VenueInfo) -> object:
    return copy.copy(connect(info, "", "").client)


def test_a_price_is_gone_after_two_seconds() -> None:
    snapshots.put_ticker("paper", a_ticker("30000"))

    left = valkey.client().pttl(ticker_key("paper", "BTC/USDT"))
    assert isinstance(left, int)
    assert 0 < left <= SNAPSHOT_MS


def test_one_that_is_too_old_for_the_asker_is_not_used() -> None:
    snapshots.put_ticker("paper", a_ticker("30000"))
    valkey.client().pexpire(ticker_key("paper", "BTC/USDT"), SNAPSHOT_MS - 1_500)

    shelf = tickers(Gate(VenueInfo("paper", "binance")))

    assert shelf.get(BTC, 1_000) is None
    assert shelf.get(BTC, 2_000) is not None


def test_what_can_not_be_read_counts_as_absent() -> None:
    valkey.client().set(ticker_key("paper", "BTC/USDT"), b"{broken", px=SNAPSHOT_MS)

    assert tickers(Gate(VenueInfo("paper", "binance"))).get(BTC, 2_000) is None
    assert selectors.recent_tickers([("paper", BTC)]) == {}


def test_a_book_comes_back_exact(enabled: VenueInfo) -> None:
    depth = connect(enabled, "", "").depth(BTC)
    snapshots.put_depth("paper", depth)

    assert selectors.recent_depth([("paper", BTC)]) == {("paper", BTC): depth}
    found = depths(Gate(enabled)).get(BTC, 2_000)
    assert found is not None
    assert found[0] == depth
