"""Several workers on one account at the same moment, each with its own connection to a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import connection

from apps.trading.models import Command, Fill, Order, RiskPolicy
from apps.trading.services import Outcome
from tests.apps.trading.conftest import Trader, make_trader
from tradebot.contracts.messages import TradeCommand
from tradebot.contracts.values import AmountType

AT_ONCE = 4


@pytest.fixture
def shared(transactional_db: None) -> Trader:
    """A trader whose balances everybody reads before anybody decides."""
    trader = make_trader()
    gate = threading.Barrier(AT_ONCE)
    trader.venue.on_balances = lambda: _pass(gate)
    return trader


def _pass(gate: threading.Barrier) -> None:
    try:
        gate.wait(timeout=2)
    except threading.BrokenBarrierError:
        return


def _at_once(trader: Trader, commands: list[TradeCommand]) -> list[Outcome]:
    def run(command: TradeCommand) -> Outcome:
        try:
            return trader.execute(command)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(commands)) as pool:
        futures: list[Callable[[], Outcome]] = [pool.submit(run, command).result for command in commands]
        return [result() for result in futures]


def test_commands_that_saw_the_same_balance_never_overspend_it(shared: Trader) -> None:
    outcomes = _at_once(shared, [shared.command(amount=Decimal(60)) for _ in range(AT_ONCE)])
    assert [outcome.status for outcome in outcomes] == ["FILLED"] * AT_ONCE
    spent = sum(order.filled * (order.average or 0) for order in Order.objects.all())
    assert spent == Decimal(10000) - shared.venue.free["USDT"]
    assert shared.venue.free["USDT"] > 0


def test_commands_of_a_fixed_amount_are_denied_when_the_money_is_promised(shared: Trader) -> None:
    fixed = [shared.command(amount_type=AmountType.FIXED, amount=Decimal(4000)) for _ in range(AT_ONCE)]
    outcomes = _at_once(shared, fixed)
    assert sorted(outcome.code for outcome in outcomes) == ["filled", "filled", *["insufficient_balance"] * 2]


def test_the_position_limit_holds_for_all_of_them_together(shared: Trader) -> None:
    RiskPolicy.objects.create(user=shared.user, position_limit=Decimal(2500))
    _at_once(shared, [shared.command(amount=Decimal(10)) for _ in range(AT_ONCE)])
    assert shared.held() * 30000 <= 2500
    assert Command.objects.filter(code="position_limit").exists()


def test_one_command_delivered_to_all_of_them_is_one_order(shared: Trader) -> None:
    command = shared.command()
    _at_once(shared, [command] * AT_ONCE)
    assert len(shared.venue.placed()) == 1
    assert (Order.objects.count(), Fill.objects.count(), Command.objects.count()) == (1, 1, 1)
    assert shared.held() == Decimal("0.1")


def test_sales_of_all_together_sell_no_more_than_is_held(shared: Trader) -> None:
    gate, shared.venue.on_balances = shared.venue.on_balances, None
    shared.venue.free["BTC"] = Decimal(5)
    shared.buy(30)
    shared.venue.on_balances = gate
    _at_once(shared, [shared.sell(80) for _ in range(AT_ONCE)])
    assert shared.held() >= 0
    assert shared.venue.free["BTC"] == 5 + shared.held()


def test_reconcilers_side_by_side_put_one_stop_back(shared: Trader) -> None:
    shared.venue.on_balances = None
    shared.buy(30, conditions={"stop_loss": 5})
    gone = shared.venue.standing()[0]
    shared.venue.cancel(gone.request.pair, gone.request.client_id)
    shared.clock.forward(20)

    def run(_: int) -> None:
        try:
            shared.reconcile()
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(run, range(AT_ONCE)))
    assert len(shared.venue.standing()) == 1


def test_another_connection_sees_the_order_before_the_exchange_does(shared: Trader) -> None:
    seen: list[str] = []

    def elsewhere() -> None:
        seen.extend(Order.objects.values_list("status", flat=True))
        connection.close()

    def spy(accept):  # type: ignore[no-untyped-def]
        onlooker = threading.Thread(target=elsewhere)
        onlooker.start()
        onlooker.join()
        return accept()

    shared.venue.on_balances = None
    shared.venue.faults.append(spy)
    shared.buy(10)
    assert seen == ["SUBMITTING"]
