"""Trailing stops, order lists, held orders and given books, on the engine itself."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from apps.exchanges.paper import depth
from apps.exchanges.paper.engine import Exchange
from apps.exchanges.paper.events import Event, Executed, Execution, Listed
from apps.exchanges.paper.ledger import Ledger
from apps.exchanges.paper.trade import Kind, NewOrder, Order, Reason, Refused, Side, Status
from tests.unit.exchanges.test_engine import SYMBOL, exchange, fund, order


@pytest.fixture
def paper(tmp_path: Path) -> Exchange:
    return exchange(tmp_path / "ledger.db")


def now(paper: Exchange, known: Order) -> Order:
    found = paper.ledger.order(known.account, known.symbol, order_id=known.id)
    assert found
    return found


def trailing(side: Side, kind: Kind = Kind.STOP_LOSS, stop: str | None = None, trail: int = 100) -> NewOrder:
    stop_price = Decimal(stop) if stop else None
    return NewOrder(SYMBOL, "trailing", side, kind, qty=Decimal("0.1"), stop_price=stop_price, trail=trail)


@pytest.mark.parametrize(
    ("new", "moves", "fires_at"),
    [
        (trailing(Side.SELL), ["31000", "32000", "31681", "31680"], "31680"),
        (trailing(Side.BUY), ["29000", "28000", "28279", "28280"], "28280"),
        (trailing(Side.SELL, Kind.TAKE_PROFIT, "31000"), ["29000", "31000", "30691", "30690"], "30690"),
        (trailing(Side.BUY, Kind.TAKE_PROFIT, "29000"), ["30900", "29000", "29289", "29290"], "29290"),
    ],
)
def test_trailing_order_follows_the_price_and_fires_when_it_turns(
    paper: Exchange, new: NewOrder, moves: list[str], fires_at: str
) -> None:
    account = fund(paper, USDT="10000", BTC="1")
    placed, _ = paper.place(account, new)
    assert [price for price in moves if paper.set_price(SYMBOL, Decimal(price))] == [fires_at]
    assert now(paper, placed).status is Status.FILLED


def test_trailing_order_keeps_its_extreme_over_a_restart(tmp_path: Path) -> None:
    paper = exchange(tmp_path / "ledger.db")
    account = fund(paper, BTC="1")
    placed, _ = paper.place(account, trailing(Side.SELL))
    paper.set_price(SYMBOL, Decimal(40000))
    paper.ledger.close()
    again = exchange(tmp_path / "ledger.db")
    assert len(again.set_price(SYMBOL, Decimal(39600))) == 1
    assert now(again, placed).status is Status.FILLED


@pytest.mark.parametrize("trail", [9, 2001])
def test_trailing_delta_has_bounds(paper: Exchange, trail: int) -> None:
    account = fund(paper, BTC="1")
    with pytest.raises(Refused, match="TRAILING_DELTA"):
        paper.place(account, trailing(Side.SELL, trail=trail))


def legs(qty: str = "1") -> tuple[NewOrder, NewOrder]:
    return (
        order(Side.SELL, qty, Kind.LIMIT_MAKER, "target", price="32000"),
        order(Side.SELL, qty, Kind.STOP_LOSS, "stop", stop_price="28000"),
    )


@pytest.mark.parametrize(("price", "filled", "ended"), [("33000", "target", "stop"), ("27000", "stop", "target")])
def test_one_leg_fills_and_the_other_ends(paper: Exchange, price: str, filled: str, ended: str) -> None:
    account = fund(paper, BTC="1")
    paper.place_pair(account, "pair", legs())
    assert paper.ledger.holding(account, "BTC").locked == 1
    paper.set_price(SYMBOL, Decimal(price))
    done = {one.client_id: one.status for one in paper.ledger.orders(account, SYMBOL, {}, 10)}
    assert done == {filled: Status.FILLED, ended: Status.EXPIRED}
    assert (paper.ledger.holding(account, "BTC").locked, paper.ledger.lists(account)[0].done) == (0, True)


def test_cancelling_one_leg_cancels_both_and_frees_the_coin(paper: Exchange) -> None:
    account = fund(paper, BTC="1")
    paper.place_pair(account, "pair", legs())
    paper.cancel(account, SYMBOL, client_id="stop")
    assert [one.status for one in paper.ledger.orders(account, SYMBOL, {}, 10)] == [Status.CANCELED] * 2
    assert paper.ledger.holding(account, "BTC").free == 1


def test_a_pair_that_is_refused_leaves_nothing(paper: Exchange) -> None:
    account = fund(paper, BTC="1")
    with pytest.raises(Refused) as caught:
        paper.place_pair(account, "pair", legs("2"))
    assert caught.value.reason is Reason.INSUFFICIENT
    assert paper.ledger.lists(account) == []
    assert paper.ledger.open_orders(account=account) == []


def book(*, bids: list[list[Any]] | None = None, asks: list[list[Any]] | None = None) -> Any:
    return depth.read({"bids": bids or [], "asks": asks or []})


def test_market_order_walks_the_given_book_and_uses_it_up(paper: Exchange) -> None:
    account = fund(paper, USDT="200000")
    paper.set_book(SYMBOL, book(asks=[["30010", "1"], ["30020", "2"]]))
    _, fills = paper.place(account, order(Side.BUY, "1.5"))
    assert [(fill.price, fill.qty) for fill in fills] == [
        (Decimal(30010), Decimal(1)),
        (Decimal(30020), Decimal("0.5")),
    ]
    assert [(level.price, level.qty) for level in paper.book(SYMBOL).asks] == [(Decimal(30020), Decimal("1.5"))]
    partly, _ = paper.place(account, order(Side.BUY, "2"))
    assert (partly.status, partly.filled) == (Status.EXPIRED, Decimal("1.5"))
    with pytest.raises(Refused) as caught:
        paper.place(account, order(Side.BUY, "1"))
    assert caught.value.reason is Reason.NO_LIQUIDITY


def test_limit_order_fills_in_parts_as_the_book_offers(paper: Exchange) -> None:
    account = fund(paper, USDT="200000")
    paper.set_book(SYMBOL, book(asks=[["30000", "1"]]))
    placed, _ = paper.place(account, order(Side.BUY, "3", Kind.LIMIT, price="30000"))
    assert (placed.status, placed.filled) == (Status.PARTIALLY_FILLED, Decimal(1))
    paper.set_book(SYMBOL, book(asks=[["29990", "0.5"]]))
    assert (now(paper, placed).status, now(paper, placed).filled) == (Status.PARTIALLY_FILLED, Decimal("1.5"))
    paper.set_book(SYMBOL, None)
    assert now(paper, placed).status is Status.PARTIALLY_FILLED
    paper.set_price(SYMBOL, Decimal(29000))
    assert now(paper, placed).status is Status.FILLED
    assert {fill.price for fill in paper.ledger.order_fills(placed.id)} == {30000}


def test_given_book_moves_with_the_price_and_is_whole_again(paper: Exchange) -> None:
    account = fund(paper, BTC="2")
    paper.set_book(SYMBOL, book(bids=[["29990", "1"]]))
    paper.place(account, order(Side.SELL, "1"))
    paper.set_price(SYMBOL, Decimal(31000))
    assert [(level.price, level.qty) for level in paper.book(SYMBOL).bids] == [(Decimal(30990), Decimal(1))]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"bids": []}, "asks"),
        ({"bids": [["1"]], "asks": []}, "bids"),
        ({"bids": [], "asks": [["0", "1"]]}, "asks"),
        ({"bids": [], "asks": [["NaN", "1"]]}, "asks"),
        ({"bids": "all", "asks": []}, "bids"),
    ],
)
def test_a_book_that_is_none_is_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises(depth.BadDepth, match=words):
        depth.read(given)


def test_depth_files_are_read_by_symbol(tmp_path: Path) -> None:
    (tmp_path / "BTC_USDT.json").write_text('{"lastUpdateId": 1, "bids": [["1", "2"]], "asks": []}')
    assert [level.qty for level in depth.files(tmp_path, [SYMBOL])[SYMBOL].bids] == [2]
    (tmp_path / "NOPE.json").write_text("{}")
    with pytest.raises(depth.BadDepth, match=r"NOPE\.json"):
        depth.files(tmp_path, [SYMBOL])


def test_a_held_order_can_be_cancelled_and_frees_its_funds(paper: Exchange) -> None:
    account = fund(paper, USDT="40000")
    with paper.fills_held() as held:
        placed, fills = paper.place(account, order(Side.BUY, "1"))
    assert (held, fills, placed.status) == ([placed.id], [], Status.NEW)
    assert paper.ledger.holding(account, "USDT").locked == 30003
    paper.cancel(account, SYMBOL, order_id=placed.id)
    assert paper.release() == []
    assert paper.ledger.holding(account, "USDT").free == 40000


def test_a_held_order_fills_when_the_exchange_starts_again(tmp_path: Path) -> None:
    paper = exchange(tmp_path / "ledger.db")
    with paper.fills_held():
        placed, _ = paper.place(fund(paper, USDT="40000"), order(Side.BUY, "1"))
    paper.ledger.close()
    assert now(exchange(tmp_path / "ledger.db"), placed).status is Status.FILLED


def test_watchers_hear_each_step_after_it_is_committed(paper: Exchange) -> None:
    account = fund(paper, USDT="200000", BTC="1")
    heard: list[Event] = []
    paper.watchers.append(heard.append)
    paper.set_book(SYMBOL, book(asks=[["30010", "1"], ["30020", "1"]], bids=[["29990", "5"]]))
    paper.place(account, order(Side.BUY, "1.5"))
    paper.place_pair(account, "pair", legs())
    paper.cancel(account, SYMBOL, client_id="stop")
    told = [(it.what, it.order.filled, it.order.status) for it in heard if isinstance(it, Executed)]
    assert told == [
        (Execution.NEW, 0, Status.NEW),
        (Execution.TRADE, 1, Status.PARTIALLY_FILLED),
        (Execution.TRADE, Decimal("1.5"), Status.FILLED),
        (Execution.NEW, 0, Status.NEW),
        (Execution.NEW, 0, Status.NEW),
        (Execution.CANCELED, 0, Status.CANCELED),
        (Execution.CANCELED, 0, Status.CANCELED),
    ]
    assert [it.list.done for it in heard if isinstance(it, Listed)] == [False, True]


def test_watchers_hear_nothing_of_what_was_refused(paper: Exchange) -> None:
    heard: list[Event] = []
    paper.watchers.append(heard.append)
    with pytest.raises(Refused):
        paper.place(fund(paper, USDT="1"), order(Side.BUY, "1"))
    assert heard == []


def test_a_ledger_of_an_earlier_version_is_opened(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.db").close()
    old = sqlite3.connect(tmp_path / "ledger.db")
    old.execute("DROP INDEX orders_by_list")
    for column in ("list_id", "extreme", "trail"):
        old.execute(f"ALTER TABLE orders DROP COLUMN {column}")
    old.commit()
    old.close()
    paper = exchange(tmp_path / "ledger.db")
    placed, _ = paper.place(fund(paper, BTC="1"), trailing(Side.SELL))
    assert now(paper, placed).trail == 100
