"""A book told as changes: whoever applies them in order has the book."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from apps.exchanges.paper.binance.events import Diff
from apps.exchanges.paper.book import Book, Level

PRICES = st.integers(1, 20)
SIDES = st.dictionaries(PRICES, st.integers(1, 5), max_size=6)


def a_book(bids: dict[int, int], asks: dict[int, int]) -> Book:
    return Book(_side(bids, high_first=True), _side({price + 20: qty for price, qty in asks.items()}))


def _side(levels: dict[int, int], *, high_first: bool = False) -> tuple[Level, ...]:
    return tuple(Level(Decimal(price), Decimal(levels[price])) for price in sorted(levels, reverse=high_first))


def apply(held: dict[str, dict[Decimal, Decimal]], event: dict[str, Any]) -> None:
    for side, levels in held.items():
        for price, qty in event[side]:
            levels[Decimal(price)] = Decimal(qty)
            if not Decimal(qty):
                del levels[Decimal(price)]


@given(st.lists(st.tuples(SIDES, SIDES, st.integers(0, 3)), min_size=1, max_size=8))
def test_who_applies_every_change_has_the_book(moves: list[tuple[dict[int, int], dict[int, int], int]]) -> None:
    diff, held, now = Diff(), {"b": {}, "a": {}}, 1_000  # type: ignore[var-annotated]
    for bids, asks, later in moves:
        now += later
        book = a_book(bids, asks)
        event = diff.next("BTCUSDT", book, now)
        if event is not None:
            apply(held, event)
        assert held == {
            "b": {level.price: level.qty for level in book.bids},
            "a": {level.price: level.qty for level in book.asks},
        }


def test_ids_follow_on_one_another_even_within_a_millisecond() -> None:
    diff = Diff()
    first = diff.next("BTCUSDT", a_book({5: 1}, {1: 1}), 1_000)
    second = diff.next("BTCUSDT", a_book({5: 2}, {1: 1}), 1_000)
    third = diff.next("BTCUSDT", a_book({5: 3}, {1: 1}), 1_500)
    assert first
    assert second
    assert third
    assert (first["u"], second["U"], second["u"], third["U"], third["u"]) == (1_000, 1_001, 1_001, 1_002, 1_500)


def test_what_did_not_change_is_not_told() -> None:
    diff = Diff()
    diff.next("BTCUSDT", a_book({5: 1}, {1: 1}), 1_000)
    assert diff.next("BTCUSDT", a_book({5: 1}, {1: 1}), 2_000) is None
