"""Whatever accounts and prices do, nothing is created or lost and no balance falls below zero."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from apps.exchanges.paper import depth
from apps.exchanges.paper.engine import Exchange
from apps.exchanges.paper.ledger import Ledger
from apps.exchanges.paper.listing import default_listings
from apps.exchanges.paper.trade import ZERO, Kind, NewOrder, Reason, Refused, Side, Status, Tif

SYMBOL = "BTCUSDT"


def exchange(path: Path) -> Exchange:
    ticks = iter(range(1_700_000_000_000, 1_800_000_000_000))
    return Exchange(Ledger(path), default_listings(), now=lambda: next(ticks))


def fund(paper: Exchange, key: str = "key-of-a-test", **deposits: str) -> int:
    account = paper.ledger.open_account(key, "secret-of-a-test").id
    for asset, amount in deposits.items():
        paper.ledger.deposit(account, asset, Decimal(amount), 1)
    return account


@pytest.fixture
def paper(tmp_path: Path) -> Exchange:
    return exchange(tmp_path / "ledger.db")


def order(side: Side, qty: str, kind: Kind = Kind.MARKET, client_id: str = "c", **more: str) -> NewOrder:
    tif = Tif(more.pop("tif", "gtc"))
    return NewOrder(
        SYMBOL, client_id, side, kind, tif, Decimal(qty), **{name: Decimal(it) for name, it in more.items()}
    )


def test_fee_comes_off_what_is_received(paper: Exchange) -> None:
    account = fund(paper, USDT="60000")
    paper.place(account, order(Side.BUY, "1"))
    paper.place(account, order(Side.SELL, "0.5"))
    held = paper.ledger.holdings(account)
    assert held["BTC"].free == Decimal("0.499")
    assert held["USDT"].free == 60000 - 30003 + Decimal("14998.5") * Decimal("0.999")


def test_refused_order_changes_nothing(paper: Exchange) -> None:
    account = fund(paper, USDT="100")
    with pytest.raises(Refused) as caught:
        paper.place(account, order(Side.BUY, "1"))
    assert caught.value.reason is Reason.INSUFFICIENT
    assert paper.ledger.dump()["orders"] == []
    assert paper.ledger.holding(account, "USDT").free == 100


def test_limit_order_takes_what_crosses_and_rests_the_remainder(paper: Exchange) -> None:
    account = fund(paper, USDT="200000")
    placed, fills = paper.place(account, order(Side.BUY, "3", Kind.LIMIT, price="30003"))
    assert placed.status is Status.PARTIALLY_FILLED
    assert placed.locked == placed.remaining * 30003 == paper.ledger.holding(account, "USDT").locked
    assert [fill.maker for fill in fills] == [False]
    paper.set_price(SYMBOL, Decimal(29000))
    done = paper.ledger.order(account, SYMBOL, client_id="c")
    assert done is not None
    assert (done.status, done.filled) == (Status.FILLED, 3)
    assert [fill.maker for fill in paper.ledger.order_fills(done.id)] == [False, True]
    assert paper.ledger.holding(account, "USDT").locked == 0


def test_market_order_larger_than_the_book_expires_with_what_it_got(paper: Exchange) -> None:
    account = fund(paper, BTC="8000")
    placed, fills = paper.place(account, order(Side.SELL, "8000"))
    assert placed.status is Status.EXPIRED
    assert len(fills) == 100
    assert paper.ledger.holding(account, "BTC").free == 8000 - placed.filled


def test_stop_purchase_spends_no_more_than_there_is(paper: Exchange) -> None:
    account = fund(paper, USDT="31000")
    paper.place(account, order(Side.BUY, "1", Kind.STOP_LOSS, stop_price="31000"))
    assert len(paper.set_price(SYMBOL, Decimal(35000))) == 1
    done = paper.ledger.order(account, SYMBOL, client_id="c")
    assert done is not None
    assert done.status is Status.EXPIRED
    assert Decimal("0.8") < done.filled < 1
    assert paper.ledger.holding(account, "USDT").free >= 0


def test_two_accounts_do_not_share_client_ids(paper: Exchange) -> None:
    for key in ("first-account", "second-account"):
        account = fund(paper, key, USDT="50000")
        assert paper.place(account, order(Side.BUY, "1", Kind.LIMIT, price="29000"))[0].open


def test_open_orders_of_a_market_are_limited(paper: Exchange) -> None:
    account = fund(paper, USDT="1000000")
    for number in range(200):
        paper.place(account, order(Side.BUY, "0.001", Kind.LIMIT, f"c{number}", price="29000"))
    with pytest.raises(Refused, match="MAX_NUM_ORDERS"):
        paper.place(account, order(Side.BUY, "0.001", Kind.LIMIT, "one more", price="29000"))


QUANTITIES = st.sampled_from(["0.001", "0.5", "2", "40"])
PRICES = st.sampled_from(["20000", "28000", "29990", "30000", "30010", "33000", "45000"])
STOPS = st.sampled_from([Kind.STOP_LOSS, Kind.TAKE_PROFIT])
ENTERING = st.sampled_from([Kind.MARKET, Kind.LIMIT])
STOP_LIMITS = st.sampled_from([Kind.STOP_LOSS_LIMIT, Kind.TAKE_PROFIT_LIMIT])


class Market(RuleBasedStateMachine):
    """Two accounts trade at random while the price jumps."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.paper = exchange(Path(self.folder.name) / "ledger.db")
        self.accounts = [fund(self.paper, f"account-{n}", USDT="500000", BTC="10") for n in range(2)]
        self.names = iter(range(1_000_000))

    def teardown(self) -> None:
        self.paper.ledger.close()
        self.folder.cleanup()

    def place(self, who: int, new: NewOrder) -> None:
        with suppress(Refused):
            self.paper.place(self.accounts[who], new)

    @rule(who=st.integers(0, 1), side=st.sampled_from(Side), qty=QUANTITIES)
    def market(self, who: int, side: Side, qty: str) -> None:
        self.place(who, order(side, qty, Kind.MARKET, f"c{next(self.names)}"))

    @rule(who=st.integers(0, 1), side=st.sampled_from(Side), qty=QUANTITIES, price=PRICES, tif=st.sampled_from(Tif))
    def limit(self, who: int, side: Side, qty: str, price: str, tif: Tif) -> None:
        self.place(who, order(side, qty, Kind.LIMIT, f"c{next(self.names)}", price=price, tif=tif))

    @rule(who=st.integers(0, 1), side=st.sampled_from(Side), qty=QUANTITIES, stop=PRICES, kind=STOPS)
    def stop(self, who: int, side: Side, qty: str, stop: str, kind: Kind) -> None:
        self.place(who, order(side, qty, kind, f"c{next(self.names)}", stop_price=stop))

    @rule(who=st.integers(0, 1), side=st.sampled_from(Side), stop=PRICES, price=PRICES, kind=STOP_LIMITS)
    def stop_limit(self, who: int, side: Side, stop: str, price: str, kind: Kind) -> None:
        self.place(who, order(side, "0.5", kind, f"c{next(self.names)}", stop_price=stop, price=price))

    @rule(who=st.integers(0, 1), side=st.sampled_from(Side), qty=QUANTITIES, trail=st.sampled_from([10, 500, 2000]))
    def trailing(self, who: int, side: Side, qty: str, trail: int) -> None:
        new = NewOrder(SYMBOL, f"c{next(self.names)}", side, Kind.STOP_LOSS, qty=Decimal(qty), trail=trail)
        self.place(who, new)

    @rule(who=st.integers(0, 1), side=st.sampled_from(Side), qty=QUANTITIES, low=PRICES, high=PRICES)
    def pair(self, who: int, side: Side, qty: str, low: str, high: str) -> None:
        resting, stop = (high, low) if side is Side.SELL else (low, high)
        legs = (
            order(side, qty, Kind.LIMIT_MAKER, f"c{next(self.names)}", price=resting),
            order(side, qty, Kind.STOP_LOSS, f"c{next(self.names)}", stop_price=stop),
        )
        with suppress(Refused):
            self.paper.place_pair(self.accounts[who], f"l{next(self.names)}", legs)

    @rule(
        who=st.integers(0, 1),
        side=st.sampled_from(Side),
        qty=QUANTITIES,
        kind=st.sampled_from([Kind.MARKET, Kind.LIMIT]),
    )
    def held(self, who: int, side: Side, qty: str, kind: Kind) -> None:
        price = {"price": "30000"} if kind is Kind.LIMIT else {}
        with self.paper.fills_held():
            self.place(who, order(side, qty, kind, f"c{next(self.names)}", **price))

    @rule()
    def release(self) -> None:
        self.paper.release()

    @rule(levels=st.lists(st.tuples(st.integers(29_000, 31_000), st.integers(1, 3)), max_size=6))
    def given_book(self, levels: list[tuple[int, int]]) -> None:
        rows = [[str(price), str(qty)] for price, qty in levels]
        self.paper.set_book(SYMBOL, depth.read({"bids": rows[::2], "asks": rows[1::2]}))

    @rule(who=st.integers(0, 1), newest=st.booleans())
    def cancel(self, who: int, newest: bool) -> None:
        if resting := self.paper.ledger.open_orders(account=self.accounts[who]):
            self.paper.cancel(self.accounts[who], SYMBOL, order_id=resting[-1 if newest else 0].id)

    @rule(price=PRICES)
    def move(self, price: str) -> None:
        self.paper.set_price(SYMBOL, Decimal(price))

    @invariant()
    def adds_up(self) -> None:
        owed: dict[tuple[int, str], Decimal] = defaultdict(Decimal)
        for account in self.accounts:
            owed[account, "USDT"] += 500000
            owed[account, "BTC"] += 10
            for fill in self.paper.ledger.fills(account, SYMBOL, {}, 10_000):
                sign = 1 if fill.side is Side.BUY else -1
                owed[account, "BTC"] += sign * fill.qty
                owed[account, "USDT"] -= sign * fill.quote_qty
                owed[account, fill.fee_asset] -= fill.fee
            held = self.paper.ledger.holdings(account)
            assert all(holding.free >= 0 <= holding.locked for holding in held.values())
            assert {asset: holding.free + holding.locked for asset, holding in held.items()} == {
                asset: amount for (owner, asset), amount in owed.items() if owner == account
            }

    @invariant()
    def locks_belong_to_open_orders(self) -> None:
        for account in self.accounts:
            resting = self.paper.ledger.open_orders(account=account)
            for asset, side in (("USDT", Side.BUY), ("BTC", Side.SELL)):
                locked = sum((one.locked for one in resting if one.side is side), ZERO)
                assert self.paper.ledger.holding(account, asset).locked == locked

    @invariant()
    def one_leg_ends_the_other(self) -> None:
        for account in self.accounts:
            for one in self.paper.ledger.lists(account):
                standing = [leg.status for leg in self.paper.ledger.legs(one.id) if leg.open]
                assert len(standing) in ((0, 1) if one.done else (2,))

    @invariant()
    def open_means_something_remains(self) -> None:
        assert all(one.remaining > 0 for one in self.paper.ledger.open_orders())


TestMarket = Market.TestCase
TestMarket.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
