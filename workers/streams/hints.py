"""What a stream said about one account's orders and is not booked yet: order events and trades, put together."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tradebot.contracts.ports import VenueFill, VenueOrder
from tradebot.contracts.values import ZERO

MOST = 1000
"""Orders remembered: enough for the trades of one to find it again, and no more than that."""

_GOING = frozenset({"open", "partially_filled"})

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Taken:
    """`reports`: what can be booked. `unexplained`: trades of orders that the stream said nothing else about, so that
    the exchange has to be asked."""

    reports: tuple[VenueOrder, ...] = ()
    unexplained: bool = False


class Hints:
    """Events may come twice, late and in any order, and several quick ones as one: an order is remembered as far as it
    ever was, with every trade that was told of it. Not for several threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._orders: OrderedDict[Key, VenueOrder] = OrderedDict()
        self._fills: OrderedDict[Key, dict[str, VenueFill]] = OrderedDict()
        self._new: dict[Key, None] = {}

    def __bool__(self) -> bool:
        """Whether there is something to take."""
        return bool(self._new)

    def order(self, told: VenueOrder) -> None:
        """An order event. One that tells nothing new leaves nothing to take."""
        key = (str(told.pair), told.venue_order_id)
        known = self._orders.get(key)
        if known is None or _further(known, told):
            self._orders[key] = told
            self._new[key] = None
        self._orders.move_to_end(key)
        self._forget()

    def fill(self, told: VenueFill) -> None:
        """A trade of ours."""
        key = (str(told.pair), told.venue_order_id)
        fills = self._fills.setdefault(key, {})
        if told.trade_id not in fills:
            fills[told.trade_id] = told
            self._new[key] = None
        self._fills.move_to_end(key)
        self._forget()

    def again(self, reports: Iterable[VenueOrder]) -> None:
        """Give back what could not be booked now."""
        self._new.update(dict.fromkeys((str(report.pair), report.venue_order_id) for report in reports))

    def take(self) -> Taken:
        """Everything new since the last time, each order with all of its trades that are known."""
        keys, self._new = self._new, {}
        known = [key for key in keys if key in self._orders]
        return Taken(tuple(map(self._report, known)), unexplained=len(known) < len(keys))

    def _report(self, key: Key) -> VenueOrder:
        order = self._orders[key]
        fills = sorted(self._fills.get(key, {}).values(), key=lambda fill: (fill.at, fill.trade_id))
        filled = max(order.filled, sum((fill.amount for fill in fills), ZERO))
        return replace(order, filled=filled, fills=tuple(fills))

    def _forget(self) -> None:
        for memory in (self._orders, self._fills):
            while len(memory) > self._most:
                memory.popitem(last=False)


def _further(known: VenueOrder, told: VenueOrder) -> bool:
    """Whether `told` is later in an order's life than what is `known` of it."""
    if told.filled != known.filled:
        return told.filled > known.filled
    return known.status in _GOING and told.status != known.status
