"""Limits hold for entries, and only for entries."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.trading.domain.risk import Limits, Numbers, assess, day_start, first_failed
from tradebot.contracts.values import KillSwitch, Leg

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
FREE = Limits("user")
STRICT = Limits(
    "user",
    max_daily_loss=Decimal(0),
    position_limit=Decimal(0),
    cooling=timedelta(days=1),
    blacklist=frozenset({"BTC"}),
    kill_switch=KillSwitch.HALTED,
    order_rate=1,
    depth_share=Decimal("0.01"),
    price_move=Decimal("0.01"),
)
ENTRY = Numbers(Leg.ENTRY, "BTC", NOW, NOW + timedelta(minutes=5), cost=Decimal(100))

money = st.decimals(0, 10000, places=2)


def failed(policy: Limits, numbers: Numbers = ENTRY) -> str | None:
    check = first_failed(assess([policy], numbers))
    return check.name if check else None


@pytest.mark.parametrize(
    ("policy", "numbers", "name"),
    [
        (replace(FREE, kill_switch=KillSwitch.HALTED), ENTRY, "kill_switch"),
        (replace(FREE, kill_switch=KillSwitch.REDUCING), ENTRY, "kill_switch"),
        (replace(FREE, blacklist=frozenset({"BTC"})), ENTRY, "blacklist"),
        (replace(FREE, max_daily_loss=Decimal(50)), replace(ENTRY, loss_today=Decimal(50)), "max_daily_loss"),
        (replace(FREE, position_limit=Decimal(150)), replace(ENTRY, exposure=Decimal(51)), "position_limit"),
        (replace(FREE, cooling=timedelta(minutes=10)), replace(ENTRY, last_entry_at=NOW - timedelta(minutes=9)),
         "cooling_period"),
        (FREE, replace(ENTRY, expires_at=NOW - timedelta(seconds=1)), "stale"),
        (replace(FREE, order_rate=3), replace(ENTRY, orders_lately=3), "max_order_rate"),
        (replace(FREE, depth_share=Decimal(10)), replace(ENTRY, depth=Decimal(999)), "max_depth_share"),
        (replace(FREE, depth_share=Decimal(10)), ENTRY, "max_depth_share"),
        (replace(FREE, price_move=Decimal(2)), replace(ENTRY, signal_price=Decimal(100), price=Decimal("102.01")),
         "max_price_move"),
        (replace(FREE, price_move=Decimal(2)), replace(ENTRY, signal_price=Decimal(100), price=Decimal("97.99")),
         "max_price_move"),
        (replace(FREE, price_move=Decimal(2)), replace(ENTRY, price=Decimal(100)), "max_price_move"),
    ],
)  # fmt: skip
def test_each_limit_stops_an_entry_and_says_so(policy: Limits, numbers: Numbers, name: str) -> None:
    assert failed(policy, numbers) == name
    check = first_failed(assess([policy], numbers))
    assert check is not None
    assert check.reason
    assert check.numbers


@pytest.mark.parametrize("leg", [Leg.EXIT, Leg.PROTECT])
def test_no_entry_limit_stops_an_exit_or_a_guard(leg: Leg) -> None:
    numbers = replace(ENTRY, leg=leg, loss_today=Decimal(10**6), exposure=Decimal(10**6), last_entry_at=NOW)
    assert failed(STRICT, numbers) is None


def test_a_guard_is_never_stale_and_an_exit_is() -> None:
    old = replace(ENTRY, expires_at=NOW - timedelta(hours=1))
    assert failed(FREE, replace(old, leg=Leg.PROTECT)) is None
    assert failed(FREE, replace(old, leg=Leg.EXIT)) == "stale"


@given(money, money, money)
def test_what_passes_never_leaves_more_than_the_limit(limit: Decimal, held: Decimal, cost: Decimal) -> None:
    passed = failed(replace(FREE, position_limit=limit), replace(ENTRY, exposure=held, cost=cost)) is None
    assert passed == (held + cost <= limit)


@given(money, st.decimals(-10000, 10000, places=2))
def test_a_profit_never_stops_anybody(limit: Decimal, loss: Decimal) -> None:
    stopped = failed(replace(FREE, max_daily_loss=limit), replace(ENTRY, loss_today=loss)) is not None
    assert stopped == (loss > 0 and loss >= limit)


def test_the_stricter_of_two_policies_decides() -> None:
    platform = replace(FREE, scope="platform", position_limit=Decimal(10))
    check = first_failed(assess([replace(FREE, position_limit=Decimal(1000)), platform], ENTRY))
    assert check is not None
    assert check.numbers["scope"] == "platform"


def test_the_day_starts_at_the_users_own_midnight() -> None:
    assert day_start(NOW, "Asia/Tokyo") == datetime(2025, 12, 31, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("policy", "numbers"),
    [
        (replace(FREE, order_rate=3), replace(ENTRY, orders_lately=2)),
        (replace(FREE, depth_share=Decimal(10)), replace(ENTRY, depth=Decimal(1000))),
        (replace(FREE, price_move=Decimal(2)), replace(ENTRY, signal_price=Decimal(100), price=Decimal(102))),
        (replace(FREE, price_move=Decimal(2)), replace(ENTRY, signal_price=Decimal(100), price=Decimal(98))),
    ],
)  # fmt: skip
def test_what_is_just_within_a_limit_passes(policy: Limits, numbers: Numbers) -> None:
    assert failed(policy, numbers) is None
