"""What a stream says becomes rows once, in whatever order and how often it says it."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from apps.accounts import services as accounts
from apps.accounts.models import Credential, User
from apps.exchanges import services as exchanges
from apps.trading.models import Command, Fill, Order, Position
from tradebot.contracts.errors import VenueUnavailable
from tradebot.contracts.ports import VenueFill, VenueOrder
from tradebot.contracts.values import Action, AmountType, Leg, Mode, OrderType, Pair
from workers import execute
from workers.streams import books
from workers.streams.books import Booked
from workers.streams.hints import Hints
from workers.streams.wanted import SCAN, SCAN_PARAMS, wanted

pytestmark = pytest.mark.django_db(transaction=True)

BTC = Pair("BTC", "USDT")
NOW = datetime.now(UTC)


@pytest.fixture
def credential() -> Credential:
    user = User.objects.create_user(f"ann-{uuid4().hex[:8]}")
    row = accounts.save_credential(user=user, venue="paper", api_key="synthetic", secret="synthetic", label="")
    accounts.mark_credential(credential_id=row.pk, active=True)
    return row


@pytest.fixture
def order(credential: Credential) -> Order:
    return make_order(credential)


def make_order(credential: Credential, **changes: Any) -> Order:
    """A limit buy of two bitcoins that stands at the exchange."""
    shared = {"user_id": credential.user_id, "credential": credential, "exchange": "paper", "pair": "BTC/USDT"}
    command = Command.objects.create(
        id=uuid4(),
        strategy_id="strategy",
        signal_id=str(uuid4()),
        mode=Mode.PAPER,
        leg=Leg.ENTRY,
        action=Action.BUY,
        amount_type=AmountType.FIXED,
        amount=60_000,
        expires_at=NOW + timedelta(minutes=5),
        state="ORDERED",
        root_id="root",
        seen_at=NOW,
        created_at=NOW,
        **shared,
    )
    fields = {
        "id": uuid4(),
        "command": command,
        "attempt": 1,
        "client_id": uuid4().hex,
        "side": Action.BUY,
        "type": OrderType.LIMIT,
        "leg": Leg.ENTRY,
        "amount": 2,
        "price": 30_000,
        "reserved_quote": 60_000,
        "status": "OPEN",
        "venue_order_id": "77",
        "sequence": 1,
        "submitted_at": NOW,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Order.objects.create(**{**fields, **shared, **changes})


def report(order: Order, status: str, filled: int, *trades: int) -> VenueOrder:
    fills = tuple(fill(number) for number in trades)
    side, amount = Action.BUY, Decimal(2)
    return VenueOrder(
        "77", order.client_id, BTC, side, "limit", status, amount, Decimal(filled), None, NOW, fills=fills
    )


def fill(number: int) -> VenueFill:
    at = NOW + timedelta(seconds=number)
    return VenueFill(str(number), "77", BTC, Action.BUY, Decimal(1), Decimal(30_000), Decimal("0.001"), "BTC", at)


def say(order: Order, *reports: VenueOrder) -> Booked:
    return books.book(order.credential_id, reports)


def test_a_filled_order_is_booked_with_its_fills_and_position(order: Order) -> None:
    say(order, report(order, "filled", 2, 1, 2))
    order.refresh_from_db()
    assert (order.status, order.filled, order.reserved_quote) == ("FILLED", 2, 0)
    assert Fill.objects.count() == 2
    assert Position.objects.get().amount == Decimal("1.998")


def test_saying_it_again_changes_nothing(order: Order) -> None:
    say(order, report(order, "filled", 2, 1, 2))
    before = list(Order.objects.values()), list(Fill.objects.values()), list(Position.objects.values())
    for repeated in (
        report(order, "filled", 2, 1, 2),
        report(order, "partially_filled", 1, 1),
        report(order, "open", 0),
    ):
        say(order, repeated)
    assert (list(Order.objects.values()), list(Fill.objects.values()), list(Position.objects.values())) == before


@pytest.mark.parametrize("seed", range(8))
def test_events_in_any_order_and_number_end_in_the_same_rows(
    order: Order, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "line", lambda _: Counter())
    told: list[VenueOrder | VenueFill] = [
        report(order, "open", 0),
        report(order, "partially_filled", 1),
        report(order, "filled", 2),
        fill(1),
        fill(2),
    ] * 3
    random.Random(seed).shuffle(told)
    hints = Hints()
    for event in told:
        if isinstance(event, VenueOrder):
            hints.order(event)
        else:
            hints.fill(event)
        say(order, *hints.take().reports)
    order.refresh_from_db()
    assert (order.status, order.filled) == ("FILLED", 2)
    assert sorted(Fill.objects.values_list("trade_id", flat=True)) == ["1", "2"]
    assert Position.objects.get().amount == Decimal("1.998")


class Counter:
    """An exchange's REST side, which lists fills, or is not there."""

    def __init__(self, *fills: VenueFill) -> None:
        self.listed = fills

    def fills(self, pair: Pair, venue_order_id: str) -> tuple[VenueFill, ...]:
        if not self.listed:
            raise VenueUnavailable("nobody there")
        return self.listed


def test_fills_that_were_not_told_are_asked_for(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "line", lambda _: Counter(fill(1), fill(2)))
    assert not say(order, report(order, "filled", 2, 1)).incomplete
    order.refresh_from_db()
    assert (order.status, order.filled) == ("FILLED", 2)


def test_an_order_never_gets_ahead_of_its_fills(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "line", lambda _: Counter())
    assert say(order, report(order, "filled", 2)).incomplete
    order.refresh_from_db()
    assert (order.status, order.filled) == ("OPEN", 0)


def test_an_order_that_is_just_being_sent_is_left_to_its_sender(credential: Credential) -> None:
    sending = make_order(credential, status="SUBMITTING", updated_at=datetime.now(UTC), venue_order_id="")
    told = report(sending, "filled", 2, 1, 2)
    assert say(sending, told).later == [told]
    assert Fill.objects.count() == 0


def test_an_order_whose_sender_died_is_booked(credential: Credential) -> None:
    lost = make_order(credential, status="SUBMITTING", updated_at=NOW - timedelta(seconds=6), venue_order_id="")
    assert say(lost, report(lost, "filled", 2, 1, 2)).later == []
    lost.refresh_from_db()
    assert lost.status == "FILLED"


def test_an_order_of_unknown_fate_is_known_from_then_on(credential: Credential) -> None:
    lost = make_order(credential, status="UNKNOWN", venue_order_id="")
    say(lost, report(lost, "open", 0))
    lost.refresh_from_db()
    assert (lost.status, lost.venue_order_id) == ("OPEN", "77")


def test_a_strangers_order_makes_no_rows(order: Order) -> None:
    foreign = replace(report(order, "filled", 2), client_id="somebody-elses", venue_order_id="78")
    say(order, foreign)
    assert Order.objects.count() == 1
    assert Fill.objects.count() == 0


def test_another_accounts_order_is_not_touched(order: Order) -> None:
    books.book(UUID(int=7), [report(order, "filled", 2, 1, 2)])
    order.refresh_from_db()
    assert order.status == "OPEN"


# --- which accounts are wanted ---------------------------------------------------------------------------------------


def scanned() -> list[tuple[UUID, str]]:
    with connection.cursor() as cursor:
        cursor.execute(SCAN, SCAN_PARAMS)
        return [(row[0], row[3]) for row in cursor.fetchall()]


@pytest.fixture(autouse=True)
def _paper() -> None:
    exchanges.ensure_venues()


def test_an_open_order_wants_a_stream(order: Order) -> None:
    assert scanned() == [(order.credential_id, "BTC/USDT")]


def test_an_ended_order_wants_none(order: Order) -> None:
    Order.objects.update(status="CANCELED")
    assert scanned() == []


def test_what_is_held_wants_one(order: Order) -> None:
    say(order, report(order, "filled", 2, 1, 2))
    assert scanned() == [(order.credential_id, "BTC/USDT")]


@pytest.mark.parametrize("status", ["pending", "refused"])
def test_keys_that_are_not_accepted_open_no_stream(order: Order, status: str) -> None:
    Credential.objects.update(status=status)
    assert scanned() == []


def test_new_keys_are_another_account(order: Order) -> None:
    def account() -> Any:
        with connection.cursor() as cursor:
            cursor.execute(SCAN, SCAN_PARAMS)
            return wanted(cursor.fetchall()).accounts[0]

    before = account()
    Credential.objects.update(checked_at=datetime.now(UTC) + timedelta(seconds=1))
    assert account() != before
    assert account().credential_id == before.credential_id


def test_accounts_with_guards_hear_their_prices(order: Order) -> None:
    say(order, report(order, "filled", 2, 1, 2))
    assert books.guarded("paper", ["BTC/USDT"]) == []
    Command.objects.update(leg="protect", state="ORDERED")
    assert books.guarded("paper", ["BTC/USDT", "ETH/USDT"]) == [(order.credential_id, "BTC/USDT")]
    assert books.guarded("paper", ["ETH/USDT"]) == []
    assert books.guarded("binance", ["BTC/USDT"]) == []
