"""Stops, profits, trailing stops and pairs: at the exchange where it offers them, watched by us where not, and never
two that sell the same coins."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from apps.trading import services
from apps.trading.models import Command, Order
from tests.apps.trading import fake_venue as faults
from tests.apps.trading.conftest import Trader
from tests.apps.trading.fake_venue import BTC, FakeVenue, Standing
from tradebot.contracts.errors import VenueRejected, VenueUnavailable
from tradebot.contracts.lanes import Lane, current
from tradebot.contracts.ports import Features, VenueOrder
from tradebot.contracts.values import ZERO, Action, OrderType

BARE = Features(stop_loss=False, take_profit=False)
BOTH = {"stop_loss": 5, "take_profit": 10}


THEIRS = Decimal(3)
"""Coins of the user's own, so that the exchange would take two stops for the bot's."""


class WatchfulVenue(FakeVenue):
    """Fails as soon as what stands could sell more than the bot holds."""

    def _accept(self, request: Any) -> VenueOrder:
        report = super()._accept(request)
        standing = sum((one.request.amount - one.filled for one in self.standing() if one.locks and _sells(one)), ZERO)
        assert standing <= self.free["BTC"] + self.used.get("BTC", ZERO) - THEIRS
        return report


def _sells(order: Standing) -> bool:
    return order.request.side == Action.SELL


@pytest.fixture
def trader(trader: Trader) -> Trader:
    trader.venue = WatchfulVenue(USDT="10000", BTC=str(THEIRS))
    trader.venue.clock = trader.clock
    return trader


def _offer(trader: Trader, **features: bool) -> None:
    trader.venue.features = Features(**features)


def _standing(trader: Trader) -> list[tuple[str, Decimal, Decimal | None]]:
    found = [(one.request.type.value, one.request.amount, one.request.stop_price) for one in trader.venue.standing()]
    return sorted(found, key=str)


def _rounds(trader: Trader, times: int = 1) -> None:
    for _ in range(times):
        trader.clock.forward(20)
        trader.reconcile()


def _watch(trader: Trader, price: str) -> bool:
    """The exchange moves to `price`, and the streams process hears of it."""
    trader.venue.move(price)
    return services.on_price(
        venue=trader.venue, credential_id=trader.credential.pk, ticker=trader.venue.ticker(BTC), now=trader.clock
    )


def _settled(trader: Trader) -> None:
    """Nothing is left: no coins, no orders, no reservation."""
    assert (trader.held(), trader.venue.standing()) == (Decimal(0), [])
    assert not Order.objects.exclude(reserved_base=0).exists()
    assert Command.objects.get(leg="protect").code == "triggered"


# --- pairs (OCO) ---


@pytest.fixture
def paired(trader: Trader) -> Trader:
    """0.1 BTC between a stop at 28500 and a profit at 33000, both at the exchange."""
    _offer(trader, oco=True)
    trader.buy(30, conditions=BOTH)
    assert _standing(trader) == [
        ("stop_loss", Decimal("0.1"), Decimal(28500)),
        ("take_profit", Decimal("0.1"), Decimal(33000)),
    ]
    return trader


def test_a_pair_is_two_rows_of_one_guard_that_reserve_the_coins_once(paired: Trader) -> None:
    stop, profit = Order.objects.filter(leg="protect").order_by("attempt")
    assert (stop.oco, profit.oco, stop.status, profit.status) == (stop.pk, stop.pk, "OPEN", "OPEN")
    assert (stop.reserved_base, profit.reserved_base) == (Decimal("0.1"), 0)


@pytest.mark.parametrize(("price", "ended"), [("33500", "stop_loss"), ("28000", "take_profit")])
def test_either_ends_the_other(paired: Trader, price: str, ended: str) -> None:
    paired.venue.move(price)
    _rounds(paired, 2)
    _settled(paired)
    assert Order.objects.get(leg="protect", type=ended).status == "CANCELED"


def test_a_pair_that_vanished_is_put_back(paired: Trader) -> None:
    paired.venue.cancel(BTC, paired.venue.standing()[0].request.client_id)
    _rounds(paired, 2)
    assert [kind for kind, *_ in _standing(paired)] == ["stop_loss", "take_profit"]
    assert Order.objects.filter(leg="protect", status="OPEN").count() == 2


def test_before_a_sale_a_pair_makes_room_and_then_guards_the_rest(paired: Trader) -> None:
    assert paired.execute(paired.sell(50)).status == "FILLED"
    assert _standing(paired) == [
        ("stop_loss", Decimal("0.05"), Decimal(28500)),
        ("take_profit", Decimal("0.05"), Decimal(33000)),
    ]


def test_selling_everything_takes_the_pair_away(paired: Trader) -> None:
    paired.execute(paired.sell(100))
    assert (paired.held(), paired.venue.standing()) == (Decimal(0), [])


def test_a_profit_that_filled_in_part_leaves_a_pair_for_the_rest(paired: Trader) -> None:
    profit = next(one for one in paired.venue.standing() if one.request.type == OrderType.TAKE_PROFIT)
    paired.venue.fill(profit, "0.04")
    _rounds(paired, 2)
    assert paired.held() == Decimal("0.06")
    assert _standing(paired) == [
        ("stop_loss", Decimal("0.06"), Decimal(28500)),
        ("take_profit", Decimal("0.06"), Decimal(33000)),
    ]


@pytest.mark.parametrize("fault", [faults.answer_lost, faults.lost_on_the_way, faults.unreachable])
def test_a_pair_whose_answer_was_lost_stands_once_in_the_end(
    trader: Trader, fault: Callable[[Callable[[], VenueOrder]], VenueOrder]
) -> None:
    _offer(trader, oco=True)
    trader.venue.faults.extend([lambda accept: accept(), fault])
    trader.buy(30, conditions=BOTH)
    _rounds(trader, 6)
    assert [amount for _, amount, _ in _standing(trader)] == [Decimal("0.1"), Decimal("0.1")]


@pytest.mark.parametrize("conditions", [BOTH, {"trailing_stop": 5}], ids=["pair", "trailing"])
def test_where_the_better_order_is_refused_a_plain_stop_stands_at_once(
    trader: Trader, conditions: dict[str, int]
) -> None:
    _offer(trader, oco=True, trailing_stop=True)
    trader.venue.faults.extend([lambda accept: accept(), faults.rejected])
    trader.buy(30, conditions=conditions)
    assert _standing(trader) == [("stop_loss", Decimal("0.1"), Decimal(28500))]
    _rounds(trader, 3)
    assert trader.venue.calls.count("cancel") == 0


def test_a_trailing_stop_in_a_pair_is_moved_by_us(trader: Trader) -> None:
    _offer(trader, oco=True, trailing_stop=True)
    trader.buy(30, conditions={"trailing_stop": 10, "take_profit": 20})
    assert _watch(trader, "33000")
    assert _standing(trader) == [
        ("stop_loss", Decimal("0.1"), Decimal(29700)),
        ("take_profit", Decimal("0.1"), Decimal(36000)),
    ]


# --- replacing in one step ---


def test_where_the_exchange_can_replace_a_stop_never_leaves_its_coins(trader: Trader) -> None:
    _offer(trader, replace=True)
    trader.buy(30, conditions={"stop_loss": 5})
    trader.execute(trader.sell(50))
    assert (trader.held(), _standing(trader)) == (
        Decimal("0.05"),
        [("stop_loss", Decimal("0.05"), Decimal(28500))],
    )
    assert trader.venue.calls.count("cancel") == 0
    old, new = Order.objects.filter(leg="protect").order_by("attempt")
    assert (old.status, new.status, new.replaces) == ("CANCELED", "OPEN", old.client_id)


def test_a_trailed_stop_is_replaced_too(trader: Trader) -> None:
    _offer(trader, replace=True)
    trader.buy(30, conditions={"trailing_stop": 10})
    assert _watch(trader, "33000")
    assert _standing(trader) == [("stop_loss", Decimal("0.1"), Decimal(29700))]
    assert trader.venue.calls.count("cancel") == 0


def test_a_replacement_that_is_refused_leaves_the_old_stop_and_no_sale_waiting(trader: Trader) -> None:
    _offer(trader, replace=True)
    trader.buy(30, conditions={"stop_loss": 5})
    trader.venue.faults.append(faults.rejected)
    assert trader.execute(trader.sell(50)).status == "FILLED"
    assert _standing(trader) == [("stop_loss", Decimal("0.05"), Decimal(28500))]


@pytest.mark.parametrize("fault", [faults.answer_lost, faults.lost_on_the_way, faults.killed_after_sending])
def test_a_replacement_in_doubt_ends_with_one_stop(
    trader: Trader, fault: Callable[[Callable[[], VenueOrder]], VenueOrder]
) -> None:
    _offer(trader, replace=True)
    trader.buy(30, conditions={"trailing_stop": 10})
    trader.venue.faults.append(fault)
    with suppress(faults.Killed):
        _watch(trader, "33000")
    _rounds(trader, 6)
    assert _standing(trader) == [("stop_loss", Decimal("0.1"), Decimal(29700))]
    assert Order.objects.filter(leg="protect", status="OPEN").count() == 1


def test_a_stop_that_filled_before_it_could_be_replaced_is_booked(trader: Trader) -> None:
    _offer(trader, replace=True)
    trader.buy(30, conditions={"trailing_stop": 10})

    def fired_first(accept):  # type: ignore[no-untyped-def]
        (stop,) = trader.venue.standing()
        trader.venue.fill(stop, "0.1")
        return accept()

    trader.venue.faults.append(fired_first)
    _watch(trader, "33000")
    _rounds(trader)
    _settled(trader)


def test_a_grown_position_is_covered_whole(trader: Trader) -> None:
    _offer(trader, replace=True)
    trader.buy(30, conditions={"stop_loss": 5, "order_type": "limit"})
    (entry,) = trader.venue.standing()
    for part in ("0.04", "0.06"):
        trader.venue.fill(entry, part)
        _rounds(trader)
    assert _standing(trader) == [("stop_loss", Decimal("0.1"), Decimal(28500))]


def test_what_was_added_is_covered_though_the_exchange_refuses_to_replace(trader: Trader) -> None:
    _offer(trader, replace=True)
    trader.buy(30, conditions={"stop_loss": 5, "order_type": "limit"})
    (entry,) = trader.venue.standing()
    trader.venue.fill(entry, "0.04")
    _rounds(trader)
    trader.venue.fill(entry, "0.06")
    trader.venue.faults.append(faults.rejected)
    _rounds(trader)
    assert _standing(trader) == [("stop_loss", Decimal("0.1"), Decimal(28500))]


# --- stops that the exchange trails ---


def test_a_trailing_stop_stands_at_an_exchange_that_trails(trader: Trader) -> None:
    _offer(trader, trailing_stop=True)
    trader.buy(30, conditions={"trailing_stop": 10})
    (stop,) = trader.venue.standing()
    assert (stop.request.type, stop.request.trail, stop.request.stop_price) == (
        OrderType.TRAILING_STOP,
        Decimal(10),
        None,
    )
    for price in ("33000", "31000", "36000"):
        assert not _watch(trader, price)
        _rounds(trader)
    assert trader.venue.standing() == [stop]
    trader.venue.move("32000")
    _rounds(trader)
    _settled(trader)


def test_a_trail_that_starts_anew_never_starts_lower(trader: Trader) -> None:
    """Half is sold under the peak: what the exchange would trail from here on lies under the stop that we had."""
    _offer(trader, trailing_stop=True)
    trader.buy(30, conditions={"trailing_stop": 10})
    trader.venue.move("36000")
    _rounds(trader)
    trader.venue.move("33000")
    trader.execute(trader.sell(50))
    assert _standing(trader) == [("stop_loss", Decimal("0.05"), Decimal(32400))]


# --- watched by us ---


@pytest.mark.parametrize(("price", "conditions"), [("28000", {"stop_loss": 5}), ("33500", {"take_profit": 10})])
def test_what_an_exchange_can_not_hold_is_sold_when_its_price_is_heard(
    trader: Trader, price: str, conditions: dict[str, int]
) -> None:
    trader.venue.features = BARE
    trader.buy(30, conditions=conditions)
    assert trader.venue.standing() == []
    assert not _watch(trader, "30100")
    assert _watch(trader, price)
    _settled(trader)


def test_what_is_watched_is_sold_by_the_reconciler_as_well(trader: Trader) -> None:
    trader.venue.features = BARE
    trader.buy(30, conditions=BOTH)
    trader.venue.move("28000")
    _rounds(trader)
    _settled(trader)


def test_a_profit_beside_a_stop_is_sold_as_soon_as_its_price_is_heard(trader: Trader) -> None:
    trader.buy(30, conditions=BOTH)
    assert not _watch(trader, "32000")
    assert _watch(trader, "33500")
    _settled(trader)


def test_a_stop_at_the_exchange_is_the_exchanges_to_trigger(trader: Trader) -> None:
    trader.buy(30, conditions={"stop_loss": 5})
    trader.venue.book = (Decimal(28000), Decimal(28001))
    ticker = trader.venue.ticker(BTC)
    assert not services.on_price(
        venue=trader.venue, credential_id=trader.credential.pk, ticker=ticker, now=trader.clock
    )


@pytest.mark.parametrize("bid", ["NaN", "0"])
def test_a_price_that_is_none_sells_nothing(trader: Trader, bid: str) -> None:
    trader.venue.features = BARE
    trader.buy(30, conditions={"stop_loss": 5})
    trader.venue.book = (Decimal(bid), Decimal(30000))
    ticker = trader.venue.ticker(BTC)
    assert not services.on_price(
        venue=trader.venue, credential_id=trader.credential.pk, ticker=ticker, now=trader.clock
    )


def test_a_refused_stop_is_watched_and_its_sale_does_not_wait(trader: Trader) -> None:
    trader.venue.faults.extend([lambda accept: accept(), faults.rejected])
    trader.buy(30, conditions={"stop_loss": 5})
    assert trader.venue.standing() == []
    assert _watch(trader, "28000")
    _settled(trader)


# --- lanes ---


def test_stops_go_before_entries_when_requests_are_scarce(trader: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, Lane]] = []
    for name in ("place", "cancel", "balances", "open_orders"):
        real = getattr(trader.venue, name)

        def noted(*given: Any, name: str = name, real: Any = real) -> Any:
            seen.append((name, current()))
            return real(*given)

        monkeypatch.setattr(trader.venue, name, noted)
    trader.buy(30, conditions={"stop_loss": 5})
    trader.execute(trader.sell(50))
    _rounds(trader)
    assert seen[:3] == [("balances", Lane.ENTRY), ("place", Lane.ENTRY), ("place", Lane.PROTECT)]
    assert {lane for name, lane in seen if name == "cancel"} == {Lane.PROTECT}
    assert ("place", Lane.EXIT) in seen
    assert ("open_orders", Lane.RECONCILE) in seen
    assert current() == Lane.MARKET


# --- failures on the way ---


def test_a_stop_that_can_not_be_cancelled_keeps_the_coins_from_a_second_one(trader: Trader) -> None:
    trader.buy(30, conditions={"trailing_stop": 10})

    def down(*_: object) -> None:
        raise VenueUnavailable("synthetic outage")

    trader.venue.cancel = down  # type: ignore[method-assign]
    with pytest.raises(VenueUnavailable):
        _watch(trader, "33000")
    assert _standing(trader) == [("stop_loss", Decimal("0.1"), Decimal(27000))]


def test_a_cancel_that_the_exchange_refuses_is_asked_about(trader: Trader) -> None:
    trader.buy(30, conditions={"trailing_stop": 10})
    cancel = trader.venue.cancel

    def gone(pair, client_id):  # type: ignore[no-untyped-def]
        cancel(pair, client_id)
        raise VenueRejected("Unknown order sent.", "-2011")

    trader.venue.cancel = gone  # type: ignore[method-assign]
    _watch(trader, "33000")
    assert _standing(trader) == [("stop_loss", Decimal("0.1"), Decimal(29700))]
