"""The judge: one account where all is well, and each thing that may be wrong with it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.chaos.judge import BROKEN, DOUBLED, LOST, UNPROTECTED, Account, judge

EXPECTED = {
    "credential": "account-1",
    "base": "DOGE",
    "price": "0.08",
    "step": "1",
    "least": "5",
    "limit": "250",
    "jump": "1",
    "guards": ["stop"],
    "roots": ["post-1"],
}


_FREE = {"amount": Decimal(999), "take": None}


def _command(**changes: Any) -> dict[str, Any]:
    return {
        "id": "c1",
        "leg": "entry",
        "state": "DONE",
        "code": "filled",
        "reason": "",
        "root_id": "post-1",
        **_FREE,
        **changes,
    }


def _order(**changes: Any) -> dict[str, Any]:
    same = {"reason": "", "reserved_quote": Decimal(0), "reserved_base": Decimal(0)}
    return {"id": "o1", "command_id": "c1", "client_id": "k1", "leg": "entry", "status": "FILLED", **same, **changes}


def _fill(**changes: Any) -> dict[str, Any]:
    return {"trade_id": "7", "amount": Decimal(1000), "price": Decimal("0.08"), "fee": Decimal(1), **changes}


def _there(**changes: Any) -> dict[str, Any]:
    return {
        "client_id": "k1",
        "kind": "market",
        "status": "filled",
        "qty": "1000",
        "filled": "1000",
        "list_id": 0,
        **changes,
    }


def _traded(**changes: Any) -> dict[str, Any]:
    return {"id": 7, "side": "buy", "price": "0.08", "qty": "1000", "fee": "1", "fee_asset": "DOGE", **changes}


STOP = _order(id="o2", command_id="c2", client_id="k2", leg="protect", status="OPEN", reserved_base=Decimal(999))
STOP_THERE = _there(client_id="k2", kind="stop_loss", status="new", qty="999", filled="0")
HEALTHY = Account(
    EXPECTED,
    commands=(_command(), _command(id="c2", leg="protect", state="ORDERED")),
    orders=(_order(), STOP),
    fills=(_fill(),),
    position=Decimal(999),
    ledger_orders=(_there(), STOP_THERE),
    ledger_fills=(_traded(),),
)


def _kinds(account: Account) -> set[str]:
    return {finding.kind for finding in judge([account], [], []).findings}


def test_a_healthy_account_gives_no_finding() -> None:
    assert judge([HEALTHY], [], []).findings == []


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"commands": ()}, LOST),
        ({"commands": (_command(), _command(id="c3"))}, DOUBLED),
        ({"commands": (_command(state="ORDERED"),)}, LOST),
        ({"commands": (_command(state="DENIED", code="stale"),)}, LOST),
        ({"orders": (_order(status="UNKNOWN"), STOP)}, LOST),
        ({"orders": (_order(status="NOT_PLACED"), STOP)}, DOUBLED),
        ({"orders": (_order(status="REJECTED"), STOP), "ledger_orders": (STOP_THERE,)}, LOST),
        ({"orders": (STOP,)}, DOUBLED),
        ({"orders": (_order(reserved_quote=Decimal(80)), STOP)}, BROKEN),
        ({"ledger_orders": (STOP_THERE,)}, LOST),
        ({"ledger_orders": (_there(), _there(), STOP_THERE)}, DOUBLED),
        ({"ledger_orders": (_there(),)}, UNPROTECTED),
        ({"ledger_orders": (_there(), {**STOP_THERE, "status": "canceled"})}, UNPROTECTED),
        ({"ledger_orders": (_there(), {**STOP_THERE, "qty": "500"})}, UNPROTECTED),
        ({"ledger_orders": (_there(), {**STOP_THERE, "qty": "1500"})}, BROKEN),
        ({"fills": ()}, LOST),
        ({"fills": (_fill(), _fill(trade_id="8"))}, DOUBLED),
        ({"fills": (_fill(amount=Decimal(999)),)}, BROKEN),
        ({"position": Decimal(998)}, LOST),
        ({"position": Decimal(1998)}, DOUBLED),
        ({"alerts": ({"kind": "orphan", "message": "a stranger", "key": "9"},)}, BROKEN),
    ],
)
def test_each_thing_that_is_wrong_is_found(wrong: dict[str, Any], kind: str) -> None:
    assert kind in _kinds(replace(HEALTHY, **wrong))


def test_two_orders_of_one_command_that_both_traded_are_a_double() -> None:
    second = _order(id="o3", client_id="k3")

    found = _kinds(
        replace(
            HEALTHY, orders=(*HEALTHY.orders, second), ledger_orders=(*HEALTHY.ledger_orders, _there(client_id="k3"))
        )
    )

    assert DOUBLED in found


def test_a_limit_that_was_passed_for_a_moment_is_found() -> None:
    fills = (
        _traded(),
        _traded(id=8, qty="3000", fee="0"),
        _traded(id=9, side="sell", qty="3000", fee="0", fee_asset="USDT"),
    )

    assert BROKEN in _kinds(replace(HEALTHY, ledger_fills=fills))


def test_dust_under_the_least_order_needs_no_stop() -> None:
    dust = replace(HEALTHY, ledger_orders=(_there(qty="10", filled="10"),), orders=(_order(),), position=Decimal(9))
    small = replace(dust, ledger_fills=(_traded(qty="10"),), fills=(_fill(amount=Decimal(10)),))

    assert _kinds(small) == set()


def test_a_dead_letter_is_a_loss_unless_it_is_poison() -> None:
    dead = [{"id": "d1", "stage": "clean", "reason": "unreadable", "root_ids": ["p1"]}]

    assert [finding.kind for finding in judge([], dead, ["p1"]).findings] == []
    assert [finding.kind for finding in judge([], dead, []).findings] == [LOST]
    assert [finding.kind for finding in judge([], [], ["p1"]).findings] == [BROKEN]


PAIR = replace(
    HEALTHY,
    expected={**EXPECTED, "guards": ["stop", "profit"]},
    orders=(*HEALTHY.orders, _order(id="o3", command_id="c2", client_id="k3", leg="protect", status="OPEN")),
    ledger_orders=(
        _there(),
        {**STOP_THERE, "list_id": 4},
        {**STOP_THERE, "client_id": "k3", "kind": "take_profit", "list_id": 4},
    ),
)


def test_both_legs_of_a_pair_guard_the_same_coins() -> None:
    assert judge([PAIR], [], []).findings == []


def test_two_guards_of_the_same_coins_that_are_no_pair_could_sell_them_twice() -> None:
    loose = tuple({**row, "list_id": 0} for row in PAIR.ledger_orders)

    assert _kinds(replace(PAIR, ledger_orders=loose)) == {BROKEN}


@pytest.mark.parametrize("gone", ["stop_loss", "take_profit"])
def test_a_pair_without_one_of_its_legs_leaves_a_side_bare(gone: str) -> None:
    left = tuple({**row, "status": "canceled"} if row["kind"] == gone else row for row in PAIR.ledger_orders)

    assert UNPROTECTED in _kinds(replace(PAIR, ledger_orders=left))


def test_a_triggered_stop_is_a_right_end() -> None:
    sale = _traded(id=8, side="sell", qty="999", fee="0", fee_asset="USDT")
    sold = replace(
        HEALTHY,
        orders=(_order(), {**STOP, "status": "FILLED", "reserved_base": Decimal(0)}),
        fills=(_fill(), _fill(trade_id="8", amount=Decimal(999), fee=Decimal(0))),
        position=Decimal(0),
        ledger_orders=(_there(), {**STOP_THERE, "status": "filled", "filled": "999"}),
        ledger_fills=(_traded(), sale),
    )
    refused = _order(id="o4", client_id="k4", command_id="c4", leg="exit", status="REJECTED")

    assert _kinds(sold) == set()
    assert _kinds(replace(sold, orders=(*sold.orders, refused))) == set()
    assert LOST in _kinds(replace(HEALTHY, orders=(*HEALTHY.orders, refused)))


@pytest.mark.parametrize(
    ("guard", "kinds"),
    [
        ({"take": "0.09"}, set()),
        ({"take": "0.09", "state": "DONE"}, {UNPROTECTED}),
        ({"take": "0.09", "amount": Decimal(500)}, {UNPROTECTED}),
        ({"take": None}, {UNPROTECTED}),
    ],
)
def test_a_profit_beside_a_stop_may_be_watched_by_a_guard_at_work(guard: dict[str, Any], kinds: set[str]) -> None:
    commands = (_command(), _command(**{"id": "c2", "leg": "protect", "state": "ORDERED", **guard}))
    both = replace(HEALTHY, expected={**EXPECTED, "guards": ["stop", "profit"]}, commands=commands)

    assert _kinds(both) == kinds


def test_a_stop_is_never_only_watched() -> None:
    watched = _command(id="c2", leg="protect", state="ORDERED", take="0.09")
    bare = replace(HEALTHY, expected={**EXPECTED, "guards": ["stop"]}, commands=(_command(), watched))

    assert UNPROTECTED in _kinds(replace(bare, ledger_orders=(_there(),)))
