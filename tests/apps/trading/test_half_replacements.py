"""The old stop is gone and the new one refused: protection is made anew at once, by another form if need be."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from apps.exchanges.adapters import connect
from apps.exchanges.selectors import VenueInfo
from apps.trading import services
from apps.trading.models import Command, Order
from tests.apps.exchanges.paper_process import PaperProcess
from tests.apps.trading import fake_venue as faults
from tests.apps.trading.conftest import Trader
from tests.apps.trading.fake_venue import BTC
from tradebot.contracts.errors import VenueRejected, VenueUnavailable
from tradebot.contracts.ports import Features, Ticker, VenueOrder

GONE = "the old order is cancelled, the new one was refused"


@pytest.fixture
def guarded(trader: Trader) -> Trader:
    """0.1 BTC with a stop at 28500, at an exchange that replaces orders in one step."""
    trader.venue.features = Features(replace=True)
    trader.buy(30, conditions={"stop_loss": 5})
    return trader


def _half(trader: Trader, error: Exception) -> None:
    """The next order that is replaced goes, and what was to take its place is refused."""

    def fault(accept: Any) -> VenueOrder:
        (stop,) = trader.venue.standing()
        trader.venue.cancel(BTC, stop.request.client_id)
        raise error

    trader.venue.faults.append(fault)


def _standing(trader: Trader) -> list[tuple[str, Decimal, Decimal | None]]:
    return [(str(one.request.type), one.request.amount, one.request.stop_price) for one in trader.venue.standing()]


@pytest.mark.parametrize(
    "error",
    [VenueRejected(f"{GONE}: Filter failure", "-1013"), VenueUnavailable(f"{GONE}: Too many new orders.", "-1015")],
    ids=["refused", "limited"],
)
def test_a_plain_stop_takes_the_place_of_both_in_the_same_call(guarded: Trader, error: Exception) -> None:
    _half(guarded, error)
    assert guarded.execute(guarded.sell(50)).status == "FILLED"
    assert _standing(guarded) == [("stop_loss", guarded.held(), Decimal(28500))]
    assert guarded.held() == Decimal("0.05")
    assert sum(order.reserved_base for order in Order.objects.all()) == Decimal("0.05")


def test_the_rows_say_that_the_old_stop_is_gone_and_why_the_new_one_never_came(guarded: Trader) -> None:
    _half(guarded, VenueRejected(f"{GONE}: Filter failure", "-1013"))
    guarded.execute(guarded.sell(50))
    old, refused, new = Order.objects.filter(leg="protect").order_by("attempt")
    assert (old.status, refused.status, new.status) == ("CANCELED", "REJECTED", "OPEN")
    assert GONE in refused.reason


def test_a_first_stop_that_the_exchange_would_trigger_at_once_is_sold_at_once(trader: Trader) -> None:
    """The price fell between our look and the order."""

    def refused(accept: Any) -> VenueOrder:
        trader.venue.price = Decimal(28000)
        raise VenueRejected("Stop price would trigger immediately.", "-2010")

    trader.venue.faults.extend([lambda accept: accept(), refused])
    trader.buy(30, conditions={"stop_loss": 5})
    assert (trader.held(), trader.venue.standing()) == (Decimal(0), [])
    assert Command.objects.get(leg="protect").code == "triggered"


def test_a_stop_refused_for_another_reason_is_watched_by_us_and_sells_when_its_price_comes(guarded: Trader) -> None:
    _half(guarded, VenueRejected(f"{GONE}: Filter failure", "-1013"))
    guarded.venue.faults.append(faults.rejected)
    assert guarded.execute(guarded.sell(50)).status == "FILLED"
    assert (guarded.held(), _standing(guarded)) == (Decimal("0.05"), [])
    guarded.venue.price = Decimal(28400)
    told = guarded.venue.ticker(BTC)
    services.on_price(venue=guarded.venue, credential_id=guarded.credential.pk, ticker=told, now=guarded.clock)
    assert guarded.held() == 0


# --- over the wire ---


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    process = PaperProcess(tmp_path_factory.mktemp("paper") / "ledger.db")
    yield process
    process.stop()


@pytest.fixture
def wired(trader: Trader, paper: PaperProcess) -> Trader:
    """An account at the paper exchange, its coins under a stop that we trail."""
    paper.price("BTC/USDT", "30000")
    keys = paper.account({"USDT": "10000"})
    venue: Any = connect(VenueInfo(f"paper-{keys[0]}", "binance", paper.url), *keys)
    venue.features = Features(replace=True)
    trader.venue = venue
    trader.buy(30, conditions={"stop_loss": 5, "trailing_stop": 10})
    assert [order.type for order in venue.open_orders(BTC)] == ["stop_loss"]
    return trader


def test_a_trailed_stop_that_the_exchange_would_trigger_at_once_is_sold_in_the_same_call(wired: Trader) -> None:
    seen = wired.venue.ticker(BTC)
    ahead = Ticker(BTC, Decimal(36000), Decimal(36001), Decimal(36000), seen.at)
    assert services.on_price(venue=wired.venue, credential_id=wired.credential.pk, ticker=ahead, now=wired.clock)
    assert wired.venue.open_orders(BTC) == []
    assert wired.held() < Decimal("0.00001")
    kinds = Order.objects.filter(leg="protect").order_by("attempt").values_list("type", "status")
    assert list(kinds) == [("stop_loss", "CANCELED"), ("stop_loss", "REJECTED"), ("market", "FILLED")]
