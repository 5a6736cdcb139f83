"""The streams process, whole: what an exchange tells becomes rows, whatever is cut or killed meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from apps.exchanges.domain.wire import read_ticker, ticker_key
from apps.trading.models import Fill, Order
from tests.apps.exchanges.paper_process import PaperProcess
from tests.workers.streams.conftest import Account, Listener, status, until
from tests.workers.streams.proxy import Wire
from tradebot import valkey
from tradebot.contracts.values import Pair

BTC = Pair("BTC", "USDT")
ABOUT_ORDERS = re.compile(r"/api/v3/(order|openOrders|myTrades)\b")
pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[[str], Account]
Start = Callable[[], Listener]


def test_a_fill_arrives_within_a_second_and_nobody_had_to_ask(
    exchange: PaperProcess, account: Make, listen: Start, wire: Wire
) -> None:
    ann = account("ann")
    order = ann.buy("29000")
    listener = listen()
    until(lambda: listener.hears(1))
    until(lambda: wire.asked("/api/v3/allOrders"))
    asked = len(wire.requests)
    exchange.price("BTC/USDT", "28900")
    assert until(lambda: status(order) == "FILLED") < 1
    assert ann.held() > 0
    assert Fill.objects.get().fee > 0
    assert [request for request in wire.requests[asked:] if ABOUT_ORDERS.search(request)] == []


def test_a_cut_socket_comes_back_and_nothing_is_missed(
    exchange: PaperProcess, account: Make, listen: Start, wire: Wire
) -> None:
    ann = account("ann")
    first, second = ann.buy("29000"), ann.buy("28000")
    listener = listen()
    until(lambda: listener.hears(1))
    wire.broken = True
    assert wire.cut() > 0
    exchange.price("BTC/USDT", "28900")
    until(lambda: not listener.hears(1))
    assert status(first) == "OPEN"
    wire.broken = False
    until(lambda: status(first) == "FILLED")
    until(lambda: listener.hears(1))
    exchange.price("BTC/USDT", "27900")
    assert until(lambda: status(second) == "FILLED") < 1
    assert Fill.objects.count() == 2


def test_one_process_holds_an_account_and_another_takes_over(
    exchange: PaperProcess, account: Make, listen: Start
) -> None:
    ann = account("ann")
    first_order, second_order = ann.buy("29000"), ann.buy("28000")
    first = listen()
    until(lambda: first.hears(1))
    second = listen()
    until(lambda: second.said)
    assert second.hears(0, 0)
    exchange.price("BTC/USDT", "28900")
    until(lambda: status(first_order) == "FILLED")
    assert second.hears(0, 0)
    first.kill()
    until(lambda: second.hears(1))
    exchange.price("BTC/USDT", "27900")
    assert until(lambda: status(second_order) == "FILLED") < 1
    assert Fill.objects.count() == 2


def test_accounts_come_and_go_while_it_runs(exchange: PaperProcess, account: Make, listen: Start) -> None:
    listener = listen()
    until(lambda: listener.hears(0, 0))
    orders = [account(name).buy("29000") for name in ("ann", "bob", "cleo")]
    until(lambda: listener.hears(3))
    exchange.price("BTC/USDT", "28900")
    assert until(lambda: [status(order) for order in orders] == ["FILLED"] * 3) < 2


def test_an_order_that_its_owner_cancels_elsewhere_is_cancelled_here(
    exchange: PaperProcess, account: Make, listen: Start
) -> None:
    ann = account("ann")
    order = ann.buy("29000")
    listener = listen()
    until(lambda: listener.hears(1))
    ann.venue.cancel(BTC, order.client_id)
    assert until(lambda: status(order) == "CANCELED") < 1
    assert Order.objects.get().reserved_quote == 0


def test_what_a_limit_order_buys_is_guarded_at_once(exchange: PaperProcess, account: Make, listen: Start) -> None:
    ann = account("ann")
    ann.buy("29000", stop_loss="10")
    listener = listen()
    until(lambda: listener.hears(1))
    exchange.price("BTC/USDT", "28900")
    until(lambda: Order.objects.filter(leg="protect", status="OPEN").exists(), 3)


def test_it_stops_within_five_seconds_and_lets_go(exchange: PaperProcess, account: Make, listen: Start) -> None:
    account("ann").buy("29000")
    listener = listen()
    until(lambda: listener.hears(1))
    code, seconds = listener.stop()
    assert code == 0
    assert seconds < 5
    assert listener.said is None


def test_no_secret_is_ever_written_down(exchange: PaperProcess, account: Make, listen: Start, wire: Wire) -> None:
    ann = account("ann")
    ann.buy("29000")
    listener = listen()
    until(lambda: listener.hears(1))
    wire.cut()
    until(lambda: "stream_lost" in listener.log.read_text())
    listener.stop()
    said = listener.log.read_text()
    assert "stream_up" in said
    assert not [key for key in ann.keys if key in said]
    assert "signature" not in said


def snapshot() -> Any:
    key = ticker_key("paper", "BTC/USDT")
    return read_ticker(BTC, valkey.client().get(key))


def test_prices_of_what_is_ordered_are_shared(exchange: PaperProcess, account: Make, listen: Start) -> None:
    account("ann").buy("29000")
    listener = listen()
    until(lambda: listener.hears(1))
    exchange.price("BTC/USDT", "31000")
    until(lambda: (told := snapshot()) is not None and 30_900 < told.bid < 31_100, 2)
