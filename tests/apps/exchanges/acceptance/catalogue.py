"""All cases, in the order of the page, and which of them can't be played everywhere."""

from __future__ import annotations

from collections.abc import Callable

from tests.apps.exchanges.acceptance import cases, failing
from tests.apps.exchanges.acceptance.worlds import World

Case = Callable[[World], None]
CASES: dict[str, Case] = {
    case.__name__: case
    for case in (
        cases.markets,
        cases.ticker,
        cases.depth,
        cases.shared_book,
        cases.fees,
        cases.balances,
        cases.market_order,
        cases.market_order_wire,
        cases.limit_order,
        cases.limit_order_wire,
        cases.order_carries_its_moment,
        cases.stop_loss,
        cases.take_profit,
        cases.trailing_stop,
        cases.oco,
        cases.replace_order,
        cases.replace_of_nothing,
        cases.half_replaced,
        cases.find,
        cases.find_nothing,
        cases.cancel,
        cases.cancel_filled,
        cases.open_orders,
        cases.orders_since,
        cases.fills_since,
        cases.duplicate,
        cases.no_funds,
        failing.misfits,
        failing.answer_never_comes,
        failing.answer_is_cut,
        failing.lost_answer,
        failing.server_error,
        failing.senseless_answer,
        failing.rate_limited,
        failing.nobody_listens,
        failing.clock_off,
        failing.wrong_secret,
        failing.trade_only_key,
        failing.withdraw_key,
    )
}
OPTIONAL = {
    "trailing_stop": "trailing_stop",
    "oco": "oco",
    "replace_order": "replace",
    "replace_of_nothing": "replace",
    "half_replaced": "replace",
}
"""Cases of what not every venue has, by the field of Features that says so."""
