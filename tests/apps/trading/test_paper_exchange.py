"""The same flow over the wire: ccxt, a real paper exchange, and its ledger against our rows."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from apps.exchanges.adapters import connect
from apps.exchanges.selectors import VenueInfo
from apps.trading.models import Alert, Command, Fill, Order, Position
from tests.apps.exchanges.paper_process import PaperProcess
from tests.apps.trading.conftest import Trader
from tradebot.contracts.ports import OrderRequest
from tradebot.contracts.values import Action, OrderType, Pair

BTC = Pair("BTC", "USDT")


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    process = PaperProcess(tmp_path_factory.mktemp("paper") / "ledger.db")
    yield process
    process.stop()


@pytest.fixture
def wired(trader: Trader, paper: PaperProcess) -> Trader:
    paper.price("BTC/USDT", "30000")
    venue: Any = connect(VenueInfo("paper", "binance", paper.url), *paper.account({"USDT": "10000"}))
    for asked in (venue.ticker, venue.depth):  # the last test's prices are known to this process for a second
        asked(BTC)
    trader.venue = venue
    return trader


def _agree(trader: Trader) -> None:
    """What the exchange says the account has is what our fills say it has."""
    balances = trader.venue.balances()
    assert balances["BTC"].total == trader.held() if "BTC" in balances else trader.held() == 0
    paid = sum(
        (fill.amount * fill.price * (1 if fill.side == "buy" else -1) for fill in Fill.objects.all()), Decimal(0)
    )
    fees = sum((fill.fee for fill in Fill.objects.filter(fee_currency="USDT")), Decimal(0))
    assert balances["USDT"].total == 10000 - paid - fees


def test_a_buy_is_filled_and_its_fee_taken_from_the_coins(wired: Trader) -> None:
    order = wired.order(wired.buy(30).order_id)
    assert (order.status, order.fee["BTC"]) == ("FILLED", "0.00009999")
    assert order.venue_order_id
    _agree(wired)


def test_a_stop_stands_is_resized_for_a_sale_and_triggers(wired: Trader, paper: PaperProcess) -> None:
    wired.buy(30, conditions={"stop_loss": 5})
    wired.execute(wired.sell(50, conditions={"stop_loss": 10}))
    (stop,) = wired.venue.open_orders(BTC)
    assert stop.type == "stop_loss"
    assert 0 <= wired.held() - stop.amount < Decimal("0.00001")
    assert Order.objects.get(status="OPEN").stop_price == Decimal(27000)
    paper.price("BTC/USDT", "26000")
    wired.clock.forward(30)
    wired.reconcile()
    assert wired.held() < Decimal("0.00001")
    assert Position.objects.get().realised_quote < 0
    assert set(Command.objects.values_list("state", flat=True)) == {"DONE"}
    _agree(wired)


def test_the_exchanges_refusal_is_kept_in_its_own_words(wired: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
    look = wired.venue.balances

    def rich() -> Any:
        return {coin: type(known)(known.free * 100, known.used) for coin, known in look().items()}

    monkeypatch.setattr(wired.venue, "balances", rich)
    outcome = wired.buy(90)
    order = wired.order(outcome.order_id)
    assert (order.status, outcome.code) == ("REJECTED", "rejected")
    assert "-2010" in order.reason
    monkeypatch.undo()
    _agree(wired)


def test_an_order_in_doubt_is_found_by_its_client_id(wired: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
    place = wired.venue.place

    def deaf(request: Any) -> Any:
        place(request)
        raise TimeoutError

    monkeypatch.setattr(wired.venue, "place", deaf)
    assert wired.order(wired.buy(30).order_id).status == "FILLED"
    assert Order.objects.count() == 1
    _agree(wired)


def test_a_wrong_secret_is_rejected_and_nothing_placed(wired: Trader, paper: PaperProcess) -> None:
    key, _ = paper.account({"USDT": "10000"})
    good = wired.venue.balances
    venue: Any = connect(VenueInfo("paper", "binance", paper.url), key, "not-the-secret")
    venue.balances = good
    wired.venue = venue
    order = wired.order(wired.buy(30).order_id)
    assert (order.status, order.reserved_quote) == ("REJECTED", 0)
    assert "-1022" in order.reason


def test_an_order_that_left_too_late_is_refused_by_the_exchange(wired: Trader) -> None:
    wired.clock.forward(-12)
    outcome = wired.buy(30)
    assert (outcome.code, wired.held()) == ("rejected", 0)
    assert "-1021" in Order.objects.get().reason
    _agree(wired)


def _standing(trader: Trader) -> list[tuple[str, Decimal]]:
    return sorted((order.type, order.amount) for order in trader.venue.open_orders(BTC))


def _guards(trader: Trader) -> list[tuple[str, str]]:
    rows = Order.objects.filter(credential=trader.credential, leg="protect").order_by("attempt")
    return [(row.type, row.status) for row in rows]


def test_a_pair_stands_at_the_exchange_and_its_profit_ends_its_stop(wired: Trader, paper: PaperProcess) -> None:
    wired.buy(30, conditions={"stop_loss": 5, "take_profit": 10})
    assert [kind for kind, _ in _standing(wired)] == ["stop_loss", "take_profit"]
    assert _guards(wired) == [("stop_loss", "OPEN"), ("take_profit", "OPEN")]
    paper.price("BTC/USDT", "33500")
    for _ in range(2):
        wired.clock.forward(8)
        wired.reconcile()
    assert _standing(wired) == []
    assert sorted(status for _, status in _guards(wired)) == ["EXPIRED", "FILLED"]
    assert wired.held() < Decimal("0.00001")
    _agree(wired)


def test_a_pair_makes_room_for_a_sale(wired: Trader) -> None:
    wired.buy(30, conditions={"stop_loss": 5, "take_profit": 10})
    assert wired.execute(wired.sell(50)).status == "FILLED"
    (_, first), (_, second) = _standing(wired)
    assert first == second
    assert 0 <= wired.held() - first < Decimal("0.00002")
    _agree(wired)


def test_a_stop_is_replaced_in_one_step(wired: Trader) -> None:
    wired.buy(30, conditions={"stop_loss": 5})
    assert wired.execute(wired.sell(50)).status == "FILLED"
    ((kind, amount),) = _standing(wired)
    assert kind == "stop_loss"
    assert 0 <= wired.held() - amount < Decimal("0.00002")
    assert _guards(wired) == [("stop_loss", "CANCELED"), ("stop_loss", "OPEN")]
    assert Order.objects.exclude(replaces="").get().status == "OPEN"
    _agree(wired)


def test_a_trailing_stop_is_the_exchanges_own(wired: Trader, paper: PaperProcess) -> None:
    wired.buy(30, conditions={"trailing_stop": 10})
    assert [kind for kind, _ in _standing(wired)] == ["trailing_stop"]
    for price in ("33000", "36000", "32000"):
        paper.price("BTC/USDT", price)
    wired.clock.forward(8)
    wired.reconcile()
    assert _guards(wired) == [("trailing_stop", "FILLED")]
    assert Decimal(31900) < (Order.objects.get(leg="protect").average or 0) <= Decimal(32000)
    _agree(wired)


def test_an_order_made_by_hand_is_told_once(wired: Trader) -> None:
    wired.buy(10)
    by_hand = OrderRequest("web-1", BTC, Action.BUY, OrderType.LIMIT, Decimal("0.01"), Decimal(20000))
    report = wired.venue.place(by_hand)
    wired.reconcile()
    alert = Alert.objects.get()
    assert (alert.kind, alert.key) == ("orphan", report.venue_order_id)
    assert wired.venue.open_orders(BTC)[0].client_id == "web-1"
