"""How old a price may be says who asks for it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count

import pytest

from apps.exchanges.adapters.shared import Prices
from tradebot.contracts.errors import VenueUnavailable
from tradebot.contracts.ports import Ticker
from tradebot.contracts.values import Pair

BTC, ETH = Pair("BTC", "USDT"), Pair("ETH", "USDT")


class World:
    """A clock that stands still until it is moved, and a venue whose price is how often it was asked."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.prices = Prices(lambda: self.now)
        self._asked = count(1)

    def last(self, max_age: float, pair: Pair = BTC) -> int:
        return int(self.prices.get(pair, max_age, lambda: self._told(pair)).last)

    def _told(self, pair: Pair) -> Ticker:
        price = Decimal(next(self._asked))
        return Ticker(pair, price, price, price, datetime.now(UTC))


@pytest.fixture
def world() -> World:
    return World()


def test_a_young_price_is_given_again(world: World) -> None:
    assert [world.last(1.0), world.last(1.0)] == [1, 1]


def test_an_old_one_is_asked_for_anew(world: World) -> None:
    world.last(1.0)
    world.now += 1.0
    assert world.last(1.0) == 2


def test_whoever_wants_it_of_now_gets_it_of_now(world: World) -> None:
    assert [world.last(0), world.last(0)] == [1, 2]


def test_each_pair_has_its_own(world: World) -> None:
    assert [world.last(1.0, BTC), world.last(1.0, ETH), world.last(1.0, BTC)] == [1, 2, 1]


def test_a_venue_that_does_not_answer_leaves_no_price(world: World) -> None:
    def silent() -> Ticker:
        raise VenueUnavailable("no answer")

    with pytest.raises(VenueUnavailable):
        world.prices.get(BTC, 1.0, silent)
    assert world.last(1.0) == 1
