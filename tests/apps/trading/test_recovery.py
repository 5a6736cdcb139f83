"""Whatever breaks between the decision and the answer: no order is lost, none is sent twice."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest

from apps.trading import services
from apps.trading.domain.sizing import Denial
from apps.trading.domain.states import CommandState
from apps.trading.models import Command, ExecutionReport, Fill, Order, RiskPolicy
from apps.trading.services import intake, run, submit
from tests.apps.trading import fake_venue as faults
from tests.apps.trading.conftest import Trader
from tradebot.contracts.errors import VenueUnavailable
from tradebot.contracts.ports import VenueOrder
from tradebot.contracts.values import AmountType

Fault = Callable[[Callable[[], VenueOrder]], VenueOrder]

ALL = [
    faults.answer_lost,
    faults.lost_on_the_way,
    faults.unreachable,
    faults.rejected,
    faults.strange_crash,
    faults.killed_before_sending,
    faults.killed_after_sending,
]


def _deliver(trader: Trader, command: object) -> None:
    with suppress(faults.Killed, VenueUnavailable, ZeroDivisionError):
        trader.execute(command)  # type: ignore[arg-type]


def _bought(trader: Trader) -> Decimal:
    return sum((order.filled for order in trader.venue.orders.values()), Decimal(0))


@pytest.mark.parametrize("fault", ALL, ids=lambda fault: fault.__name__)
def test_delivered_three_times_around_a_fault_it_is_bought_at_most_once(trader: Trader, fault: Fault) -> None:
    command = trader.command()
    trader.venue.faults.append(fault)
    for _ in range(3):
        _deliver(trader, command)
        trader.clock.forward(1)
    assert len(trader.venue.placed()) <= 1
    assert _bought(trader) == trader.held()


@pytest.mark.parametrize("fault", ALL, ids=lambda fault: fault.__name__)
def test_after_the_reconciler_every_command_is_at_its_end_and_the_books_agree(trader: Trader, fault: Fault) -> None:
    command = trader.command()
    trader.venue.faults.append(fault)
    _deliver(trader, command)
    for _ in range(5):
        trader.clock.forward(20)
        trader.reconcile()
    assert Command.objects.get().state == "DONE"
    assert not Order.objects.exclude(reserved_quote=0).exists()
    assert len(trader.venue.placed()) == (0 if fault is faults.rejected else 1)
    assert _bought(trader) == trader.held() == sum(Fill.objects.values_list("amount", flat=True))


def test_an_answer_that_was_lost_is_asked_for_at_once(trader: Trader) -> None:
    trader.venue.faults.append(faults.answer_lost)
    order = trader.order(trader.buy(30).order_id)
    assert (order.status, trader.held()) == ("FILLED", Decimal("0.1"))
    assert list(ExecutionReport.objects.order_by("id").values_list("kind", flat=True)) == ["UNKNOWN", "FILLED"]


def test_an_unknown_order_keeps_its_money_reserved_until_it_is_proven_absent(trader: Trader) -> None:
    trader.venue.faults.append(faults.lost_on_the_way)
    order = trader.order(trader.buy(90).order_id)
    assert (order.status, order.reserved_quote) == ("UNKNOWN", Decimal("9045"))
    second = trader.execute(trader.command(amount=Decimal(100)))
    assert trader.order(second.order_id).amount * 30000 <= 955
    trader.clock.forward(10)
    for _ in range(6):
        trader.reconcile()
    order.refresh_from_db()
    assert order.status == "UNKNOWN"
    trader.clock.forward(60)
    trader.reconcile()
    order.refresh_from_db()
    assert (order.status, order.reserved_quote) == ("NOT_PLACED", 0)


def test_many_misses_before_the_deadline_prove_nothing(trader: Trader) -> None:
    trader.venue.faults.append(faults.lost_on_the_way)
    command = trader.command()
    order = trader.order(trader.execute(command).order_id)
    for _ in range(10):
        trader.execute(command)
    order.refresh_from_db()
    assert (order.status, order.misses >= 10, trader.venue.calls.count("place")) == ("UNKNOWN", True, 1)


def test_proven_absent_it_is_tried_again_with_a_new_client_id_and_through_risk(trader: Trader) -> None:
    trader.venue.faults.append(faults.lost_on_the_way)
    trader.buy(30)
    for _ in range(4):
        trader.clock.forward(20)
        trader.reconcile()
    first, second = Order.objects.order_by("attempt")
    assert (first.status, second.status) == ("NOT_PLACED", "FILLED")
    assert first.client_id != second.client_id
    assert Command.objects.get().decision["before"][0]["attempt"] == 1


def test_the_next_attempt_obeys_a_switch_thrown_meanwhile(trader: Trader) -> None:
    command = trader.command()
    trader.venue.faults.append(faults.unreachable)
    assert trader.execute(command).retry
    RiskPolicy.objects.create(user=None, kill_switch="halted")
    outcome = trader.execute(command)
    assert (outcome.state, outcome.code) == ("DENIED", "kill_switch")
    assert not trader.venue.placed()


def test_an_expired_command_is_not_tried_again(trader: Trader) -> None:
    command = trader.command(expires_at=trader.clock() + timedelta(seconds=30))
    trader.venue.faults.append(faults.unreachable)
    trader.execute(command)
    trader.clock.forward(60)
    outcome = trader.execute(command)
    assert (outcome.state, outcome.code, outcome.retry) == ("DONE", "not_placed", False)


def test_attempts_come_to_an_end(trader: Trader) -> None:
    command = trader.command()
    trader.venue.faults.extend([faults.unreachable] * 9)
    for _ in range(9):
        outcome = trader.execute(command)
    assert (outcome.state, outcome.code, outcome.retry) == ("DONE", "not_placed", False)
    assert trader.venue.calls.count("place") == 3


def test_an_outage_before_the_decision_leaves_the_command_for_later(trader: Trader) -> None:
    command = trader.command()
    trader.venue.reads_fail = True
    with pytest.raises(VenueUnavailable):
        trader.execute(command)
    assert Command.objects.get().state == "RECEIVED"
    trader.venue.reads_fail = False
    assert trader.execute(command).state == "DONE"


def test_a_command_that_was_never_decided_is_closed_after_it_expired(trader: Trader) -> None:
    command = trader.command()
    trader.venue.reads_fail = True
    with pytest.raises(VenueUnavailable):
        trader.execute(command)
    trader.clock.forward(3600)
    assert services.expire_unstarted(trader.clock()) == 1
    assert Command.objects.get().code == "stale"


def test_a_process_that_slept_too_long_does_not_send(trader: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
    real = submit.send

    def late(order, **more):  # type: ignore[no-untyped-def]
        trader.clock.forward(60)
        return real(order, **more)

    monkeypatch.setattr("apps.trading.services.run.send", late)
    outcome = trader.buy()
    assert trader.order(outcome.order_id).status == "NOT_PLACED"
    assert "place" not in trader.venue.calls


def test_a_report_from_yesterday_changes_nothing(trader: Trader) -> None:
    outcome = trader.buy(30)
    order = trader.order(outcome.order_id)
    placed = trader.venue.placed()[0]
    old = VenueOrder(
        placed.venue_order_id, order.client_id, placed.request.pair, placed.request.side, "market", "open",
        order.amount, Decimal(0), None, trader.clock(),
    )  # fmt: skip
    row = submit.absorb(order, old, venue=trader.venue, now=trader.clock)
    assert (row.status, row.filled, trader.held()) == ("FILLED", Decimal("0.1"), Decimal("0.1"))
    assert Fill.objects.count() == 1


def test_an_order_never_gets_ahead_of_its_fills(trader: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object) -> tuple[()]:
        raise VenueUnavailable("synthetic outage")

    trader.venue.tells_fills = False
    monkeypatch.setattr(trader.venue, "fills", nothing)
    outcome = trader.buy(30)
    order = trader.order(outcome.order_id)
    assert (order.status, order.filled, trader.held()) == ("OPEN", 0, 0)
    monkeypatch.undo()
    trader.clock.forward(20)
    trader.reconcile()
    order.refresh_from_db()
    assert (order.status, trader.held()) == ("FILLED", Decimal("0.1"))


def test_accounts_with_something_unfinished_are_listed_once(trader: Trader) -> None:
    trader.venue.faults.extend([faults.lost_on_the_way] * 2)
    trader.buy(10)
    trader.buy(10, conditions={"stop_loss": 5})
    assert services.orders_to_reconcile(trader.clock()) == []
    trader.clock.forward(10)
    listed = services.orders_to_reconcile(trader.clock())
    assert [(account.credential_id, account.exchange) for account in listed] == [(trader.credential.pk, "paper")]


@pytest.mark.parametrize("deny", ["under the lock", "before it"])
def test_a_command_whose_second_attempt_is_at_the_exchange_is_not_denied(
    trader: Trader, monkeypatch: pytest.MonkeyPatch, deny: str
) -> None:
    trader.venue.faults.append(faults.unreachable)
    trader.buy(9000, amount_type=AmountType.FIXED)
    name = "decide" if deny == "under the lock" else "refusal"
    real = getattr(run, name)

    def overtaken(command, *rest):  # type: ignore[no-untyped-def]
        monkeypatch.setattr(run, name, real)
        trader.venue.faults.append(faults.lost_on_the_way)
        run.carry_on(Command.objects.get(), venue=trader.venue, now=trader.clock)
        return Denial("stale", "synthetic") if name == "refusal" else real(command, *rest)

    monkeypatch.setattr(run, name, overtaken)
    outcome = run.carry_on(Command.objects.get(), venue=trader.venue, now=trader.clock)
    assert (outcome.state, outcome.status, Command.objects.get().code) == ("ORDERED", "UNKNOWN", "")
    assert list(Order.objects.order_by("attempt").values_list("status", flat=True)) == ["NOT_PLACED", "UNKNOWN"]


def test_a_command_whose_second_attempt_is_at_the_exchange_is_not_finished_by_its_first(
    trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = trader.command()
    trader.venue.faults.append(faults.unreachable)
    trader.execute(command)
    real = run.may_try_again

    def expired_for_us(order, now):  # type: ignore[no-untyped-def]
        monkeypatch.setattr(run, "may_try_again", real)
        trader.venue.faults.append(faults.lost_on_the_way)
        run.carry_on(Command.objects.get(), venue=trader.venue, now=trader.clock)
        return False

    monkeypatch.setattr(run, "may_try_again", expired_for_us)
    run.carry_on(Command.objects.get(), venue=trader.venue, now=trader.clock)
    assert Command.objects.get().state == "ORDERED"


def test_an_order_that_leaves_after_it_was_given_up_is_refused_by_the_exchange(trader: Trader) -> None:
    """The process stands still between its last look at the clock and the wire; meanwhile the reconciler buys."""

    def stands_still(accept):  # type: ignore[no-untyped-def]
        for _ in range(5):
            trader.clock.forward(20)
            trader.reconcile()
        return accept()

    trader.venue.faults.append(stands_still)
    outcome = trader.buy(30)
    assert (len(trader.venue.placed()), trader.held()) == (1, Decimal("0.1"))
    first, second = Order.objects.order_by("attempt")
    assert (first.status, second.status, outcome.state) == ("NOT_PLACED", "FILLED", "DONE")
    assert Command.objects.get().code == "filled"


def test_refusing_a_command_leaves_the_attempt_that_is_under_way(trader: Trader) -> None:
    trader.venue.faults.append(faults.lost_on_the_way)
    trader.buy(30)
    run.refuse(Command.objects.get(), Denial("synthetic", "no"), venue=trader.venue, now=trader.clock)
    assert (Command.objects.get().state, Order.objects.get().status) == ("ORDERED", "UNKNOWN")


def test_a_command_that_was_decided_meanwhile_is_not_closed_by_who_read_it_before(trader: Trader) -> None:
    trader.venue.reads_fail = True
    command = trader.command()
    with pytest.raises(VenueUnavailable):
        trader.execute(command)
    trader.venue.reads_fail = False
    stale = Command.objects.get()
    trader.execute(command)
    assert intake.close(stale, CommandState.DENIED, "synthetic", "no", trader.clock()).code == "filled"
    assert Command.objects.get().code == "filled"
