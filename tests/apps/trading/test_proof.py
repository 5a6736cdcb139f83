"""When an order counts as never placed, who decides where nobody can prove it, and what strangers are."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from apps.accounts import services as accounts
from apps.trading import services
from apps.trading.models import Account, Alert, AlertKind, Command, ExecutionReport, Order
from apps.trading.services.sweep import SWEEP_EVERY
from tests.apps.trading import fake_venue as faults
from tests.apps.trading.conftest import Trader
from tests.apps.trading.fake_venue import BTC, MARKET, Standing
from tradebot.contracts.errors import InvalidField, VenueUnavailable
from tradebot.contracts.ports import Features, OrderRequest
from tradebot.contracts.values import Action, OrderType

PAIR = str(BTC)


def _rounds(trader: Trader, times: int = 5) -> None:
    for _ in range(times):
        trader.clock.forward(20)
        trader.reconcile()


def _hide(trader: Trader, *lists: str) -> None:
    """The venue keeps the order, and these of its answers say nothing about it."""
    for name in lists:
        empty: Any = None if name == "find" else []
        setattr(trader.venue, name, lambda *_, answer=empty: answer)


def _lose_the_answer(trader: Trader, *, hidden: tuple[str, ...]) -> Order:
    def lost(accept):  # type: ignore[no-untyped-def]
        _hide(trader, *hidden)
        return faults.answer_lost(accept)

    trader.venue.faults.append(lost)
    return trader.order(trader.buy(30).order_id)


# --- proof ---


@pytest.mark.parametrize("hidden", [("find",), ("find", "open_orders"), ("open_orders",)], ids="+".join)
def test_an_order_that_one_list_still_tells_of_is_found(trader: Trader, hidden: tuple[str, ...]) -> None:
    _lose_the_answer(trader, hidden=hidden)
    _rounds(trader)
    assert (Order.objects.get().status, trader.held()) == ("FILLED", Decimal("0.1"))


def test_a_trade_that_no_list_explains_keeps_the_order_in_doubt(trader: Trader) -> None:
    order = _lose_the_answer(trader, hidden=("find", "open_orders", "orders_since"))
    _rounds(trader, 8)
    order.refresh_from_db()
    assert (order.status, order.reserved_quote > 0, trader.venue.calls.count("place")) == ("UNKNOWN", True, 1)
    assert "trades of unknown orders" in Alert.objects.get().message


def test_a_trade_of_a_known_order_explains_itself(trader: Trader) -> None:
    trader.buy(10)
    trader.venue.faults.append(faults.lost_on_the_way)
    order = trader.order(trader.buy(30).order_id)
    _hide(trader, "orders_since")
    _rounds(trader)
    order.refresh_from_db()
    assert order.status == "NOT_PLACED"


def test_all_lists_are_searched_before_an_order_is_given_up(trader: Trader) -> None:
    trader.venue.faults.append(faults.lost_on_the_way)
    trader.buy(30)
    trader.venue.calls.clear()
    _rounds(trader, 3)
    assert Order.objects.order_by("attempt")[0].status == "NOT_PLACED"
    assert trader.venue.calls.count("orders_since") >= 2
    assert trader.venue.calls.count("fills_since") >= 2


def test_an_order_nobody_can_search_for_stays_in_doubt(trader: Trader) -> None:
    def down(*_: object) -> None:
        raise VenueUnavailable("synthetic outage")

    trader.venue.faults.append(faults.lost_on_the_way)
    trader.buy(30)
    trader.venue.fills_since = down  # type: ignore[method-assign,assignment]
    _rounds(trader, 8)
    assert Order.objects.get().status == "UNKNOWN"


def test_what_an_exchange_forgot_has_ended_and_its_guard_is_put_back(trader: Trader) -> None:
    trader.buy(30, conditions={"stop_loss": 5})
    (stop,) = trader.venue.standing()
    trader.venue.cancel(BTC, stop.request.client_id)
    del trader.venue.orders[stop.request.client_id]
    _rounds(trader, 6)
    assert [row.status for row in Order.objects.filter(leg="protect").order_by("attempt")] == ["CANCELED", "OPEN"]
    assert Alert.objects.get().kind == AlertKind.VANISHED
    assert [order.request.amount for order in trader.venue.standing()] == [Decimal("0.1")]


def test_single_bad_answers_over_weeks_do_not_end_a_standing_stop(
    trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    trader.buy(30, conditions={"stop_loss": 5})
    for _ in range(6):
        with monkeypatch.context() as patch:
            for name, empty in (("find", None), ("open_orders", []), ("orders_since", [])):
                patch.setattr(trader.venue, name, lambda *_, answer=empty: answer)
            _rounds(trader, 1)
        _rounds(trader, 1)
    assert (Order.objects.get(leg="protect").status, len(trader.venue.standing())) == ("OPEN", 1)


# --- a person decides ---


@pytest.fixture
def undecided(trader: Trader) -> Trader:
    """An order in doubt at an exchange whose lists prove nothing."""
    trader.venue.features = Features(proves_absence=False)
    trader.venue.faults.append(faults.lost_on_the_way)
    trader.buy(30)
    _rounds(trader, 6)
    return trader


@pytest.fixture
def operator(db: None) -> Any:
    return accounts.create_user(name="operator", staff=True)


def _settle(operator: Any, answer: str, venue_order_id: str = "") -> Alert:
    alert = Alert.objects.get()
    clock = alert.raised_at
    return services.settle(
        alert_id=alert.pk, by=operator.pk, name="operator", answer=answer, venue_order_id=venue_order_id, now=clock
    )


def test_where_absence_proves_nothing_a_person_is_asked_once(undecided: Trader) -> None:
    order = Order.objects.get()
    assert (order.status, order.reserved_quote > 0) == ("UNKNOWN", True)
    alert = Alert.objects.get()
    assert (alert.kind, alert.order_id, alert.user_id) == (AlertKind.UNPROVEN, order.pk, undecided.user.pk)
    _rounds(undecided, 3)
    assert (Alert.objects.count(), undecided.venue.calls.count("place")) == (1, 1)


def test_it_was_not_placed_ends_the_reservation_and_says_who_decided(undecided: Trader, operator: Any) -> None:
    _settle(operator, "not_placed")
    order = Order.objects.get()
    assert (order.status, order.reserved_quote) == ("NOT_PLACED", 0)
    assert "operator looked" in order.reason
    report = ExecutionReport.objects.get(kind="SETTLED")
    assert report.data["by"] == str(operator.pk)
    assert Alert.objects.get().settled_by_id == operator.pk


def test_it_was_with_this_id_is_looked_up_and_booked(undecided: Trader, operator: Any) -> None:
    foreign = OrderRequest(uuid4().hex, BTC, Action.BUY, OrderType.MARKET, Decimal("0.1"))
    report = undecided.venue.place(foreign)
    Account.objects.update(swept_at=undecided.clock() + timedelta(hours=1))
    _settle(operator, "placed", report.venue_order_id)
    _rounds(undecided, 1)
    order = Order.objects.get()
    assert (order.status, order.venue_order_id, undecided.held()) == (
        "FILLED",
        report.venue_order_id,
        Decimal("0.1"),
    )


def test_the_id_of_another_order_is_refused(undecided: Trader, operator: Any) -> None:
    other = undecided.order(undecided.buy(10).order_id)
    with pytest.raises(InvalidField, match="another order"):
        _settle(operator, "placed", other.venue_order_id)
    with pytest.raises(InvalidField, match="venue_order_id"):
        _settle(operator, "placed", "  ")
    assert Alert.objects.get().settled_at is None


def test_an_alert_is_settled_once(undecided: Trader, operator: Any) -> None:
    _settle(operator, "not_placed")
    with pytest.raises(InvalidField, match="settled before"):
        _settle(operator, "seen")


def test_only_operators_settle_through_the_api(undecided: Trader, operator: Any) -> None:
    client, path = APIClient(), f"/api/v1/alerts/{Alert.objects.get().pk}/settle"
    client.force_authenticate(undecided.user)
    assert len(client.get("/api/v1/alerts?open=true").json()["results"]) == 1
    assert client.post(path, {"answer": "not_placed"}, format="json").status_code == 403
    client.force_authenticate(operator)
    refused = client.post(path, {"answer": "placed"}, format="json")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "venue_order_id")
    assert client.post(path, {"answer": "not_placed"}, format="json").json()["settlement"]
    assert client.get("/api/v1/alerts?open=true").json()["results"] == []
    assert Order.objects.get().status == "NOT_PLACED"


def test_another_users_alerts_are_nobodys_business(undecided: Trader) -> None:
    client = APIClient()
    client.force_authenticate(accounts.create_user(name="curious"))
    assert client.get("/api/v1/alerts").json()["results"] == []


def test_the_admin_asks_and_notes_the_answer(undecided: Trader, operator: Any, client: Client) -> None:
    client.force_login(operator)
    assert client.get(reverse("admin:trading_alert_changelist")).status_code == 200
    page = reverse("admin:trading_alert_change", args=[Alert.objects.get().pk])
    assert "it was, with this id" in client.get(page).content.decode()
    client.post(page, {"answer": "not_placed", "venue_order_id": ""})
    assert (Order.objects.get().status, Alert.objects.get().settled_by_id) == ("NOT_PLACED", operator.pk)
    assert "it was, with this id" not in client.get(page).content.decode()


def test_the_admins_action_settles_what_was_chosen(undecided: Trader, operator: Any, client: Client) -> None:
    client.force_login(operator)
    chosen = {"action": "say_not_placed", "_selected_action": [str(Alert.objects.get().pk)]}
    client.post(reverse("admin:trading_alert_changelist"), chosen, follow=True)
    assert Order.objects.get().status == "NOT_PLACED"


# --- strangers and late fills ---


def _stranger(trader: Trader, client_id: str = "web_4711") -> Standing:
    report = trader.venue.place(
        OrderRequest(client_id, BTC, Action.BUY, OrderType.LIMIT, Decimal("0.01"), Decimal(20000))
    )
    return trader.venue.orders[report.client_id]


def _sweep(trader: Trader) -> None:
    trader.clock.forward(SWEEP_EVERY.total_seconds() + 1)
    for account in services.orders_to_reconcile(trader.clock()):
        services.note_visit(account, trader.clock())
    trader.reconcile()


def test_a_stranger_on_a_pair_we_trade_is_told_once_and_left_alone(trader: Trader) -> None:
    trader.buy(10, conditions={"stop_loss": 5})
    stranger = _stranger(trader)
    _sweep(trader)
    _sweep(trader)
    alert = Alert.objects.get()
    assert (alert.kind, alert.key, alert.user_id) == (AlertKind.ORPHAN, stranger.venue_order_id, trader.user.pk)
    assert stranger.status == "open"


def test_an_order_with_our_id_and_no_row_is_called_that(trader: Trader) -> None:
    trader.buy(10, conditions={"stop_loss": 5})
    _stranger(trader, client_id=Order.objects.first().client_id[::-1][:12] + "5" + "a" * 19)
    _sweep(trader)
    assert Alert.objects.get().kind == AlertKind.LOST_ROW
    assert "backup" in Alert.objects.get().message


def test_an_order_that_filled_after_its_end_is_booked_and_told(trader: Trader) -> None:
    outcome = trader.buy(30, conditions={"order_type": "limit", "limit_price": 29000})
    (standing,) = trader.venue.standing()
    Order.objects.filter(pk=outcome.order_id).update(status="CANCELED", reserved_quote=0)
    Command.objects.update(state="DONE")
    trader.venue.fill(standing, "0.05")
    _sweep(trader)
    order = trader.order(outcome.order_id)
    assert (order.status, order.filled, trader.held()) == ("CANCELED", Decimal("0.05"), Decimal("0.05"))
    assert Alert.objects.get().kind == AlertKind.LATE


def test_an_account_is_swept_after_its_last_order_and_then_left(trader: Trader) -> None:
    trader.buy(10)
    trader.clock.forward(200)
    assert [account.credential_id for account in services.orders_to_reconcile(trader.clock())] == [trader.credential.pk]
    trader.reconcile()
    assert services.orders_to_reconcile(trader.clock()) == []
    trader.clock.forward(3600)
    assert services.orders_to_reconcile(trader.clock()) == []


def test_a_market_of_another_coin_is_none_of_our_business(trader: Trader) -> None:
    trader.buy(10)
    other = replace(MARKET, pair=type(BTC)("ETH", "USDT"))
    report = trader.venue.place(
        OrderRequest("web_1", other.pair, Action.BUY, OrderType.LIMIT, Decimal("0.01"), Decimal(20000))
    )
    assert services.note_stranger(trader.credential.pk, report, trader.clock()) is False
    assert not Alert.objects.exists()
