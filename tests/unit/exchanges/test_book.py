"""The made book: ordered, uncrossed, on the tick, and walked level by level."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.exchanges.paper.book import around, take_qty, take_quote
from apps.exchanges.paper.listing import default_listings
from apps.exchanges.paper.trade import Listing, Side

LISTINGS = default_listings()
BTC = LISTINGS["BTCUSDT"]


@given(st.sampled_from(sorted(LISTINGS)), st.integers(min_value=1, max_value=10**7))
def test_book_is_ordered_uncrossed_and_on_the_tick(symbol: str, ticks: int) -> None:
    listing = LISTINGS[symbol]
    book = around(listing, ticks * listing.tick)
    assert all(low.price < high.price for low, high in pairwise(book.asks))
    assert all(high.price > low.price > 0 for high, low in pairwise(book.bids))
    assert not book.bids or book.bids[0].price < ticks * listing.tick < book.asks[0].price
    assert all(level.price % listing.tick == 0 and level.qty % listing.step == 0 for level in book.asks + book.bids)
    assert all(level.qty > 0 for level in book.asks + book.bids)


@pytest.mark.parametrize("listing", LISTINGS.values(), ids=lambda listing: listing.symbol)
def test_listed_prices_lie_on_their_tick_and_spread_is_small(listing: Listing) -> None:
    book = around(listing, listing.price)
    assert listing.price % listing.tick == 0
    assert book.asks[0].price / listing.price < Decimal("1.03")
    assert listing.min_notional < listing.depth


@given(st.decimals(min_value="0.00001", max_value=500, places=5), st.sampled_from(Side))
def test_walk_takes_what_is_asked_at_rising_cost(qty: Decimal, side: Side) -> None:
    qty = qty.quantize(Decimal("0.00001"))
    levels = around(BTC, Decimal(30000)).facing(side)
    taken = take_qty(levels, qty, side)
    assert taken.qty == min(qty, sum(level.qty for level in levels))
    assert taken.takes == tuple(sorted(taken.takes, key=lambda take: take.price, reverse=side is Side.SELL))


@given(st.decimals(min_value=5, max_value=10**6, places=2))
def test_walk_by_quote_never_overspends_and_leaves_less_than_a_step(budget: Decimal) -> None:
    taken = take_quote(around(BTC, Decimal(30000)).asks, budget, BTC.step)
    assert taken.cost <= budget
    assert budget - taken.cost < BTC.step * taken.takes[-1].price


def test_limit_price_stops_the_walk() -> None:
    asks = around(BTC, Decimal(30000)).asks
    assert take_qty(asks, Decimal(100), Side.BUY, asks[1].price).takes == asks[:2]
    assert take_qty(asks, Decimal(100), Side.BUY, Decimal(29999)).takes == ()
