"""Keys that are destroyed or replaced in the very moment in which an order needs them."""

from __future__ import annotations

from datetime import timedelta
from threading import Event, Thread

import pytest
from django.db import connection, transaction

from apps.accounts import services as accounts
from apps.accounts.models import Credential, CredentialStatus
from apps.trading.domain.sizing import Denial
from apps.trading.models import Alert, AlertKind, Command, Order
from apps.trading.services import decide
from tests.apps.trading import fake_venue as faults
from tests.apps.trading.conftest import Trader, make_trader
from tradebot.contracts.errors import InvalidField, VenueUnavailable


def _replace_keys(trader: Trader, seconds: float) -> None:
    accepted = trader.clock() + timedelta(seconds=seconds)
    Credential.objects.filter(pk=trader.credential.pk).update(checked_at=accepted)


def _rounds(trader: Trader, times: int = 6) -> None:
    for _ in range(times):
        trader.clock.forward(20)
        trader.reconcile()


# --- destroyed ---


@pytest.fixture
def racing(transactional_db: None) -> Trader:
    return make_trader()


def test_an_order_decided_while_the_keys_are_destroyed_is_not_sent(
    racing: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner's deletion holds the row, finds nothing open, and commits while the decision waits for the row."""
    deciding, store = Event(), decide._store

    def storing(rows):  # type: ignore[no-untyped-def]
        deciding.set()
        store(rows)

    monkeypatch.setattr(decide, "_store", storing)
    errors: list[Exception] = []

    def buy() -> None:
        try:
            racing.buy(30)
        except VenueUnavailable as error:
            errors.append(error)
        finally:
            connection.close()

    buyer = Thread(target=buy)
    with transaction.atomic():
        Credential.objects.select_for_update().get(pk=racing.credential.pk)
        buyer.start()
        assert deciding.wait(5)
        accounts.delete_credential(credential_id=racing.credential.pk)
    buyer.join(10)
    assert "destroyed" in str(errors[0])
    assert (Order.objects.count(), racing.venue.placed()) == (0, [])
    assert Command.objects.get().state == "RECEIVED"


def test_an_order_that_was_decided_first_keeps_its_keys(racing: Trader) -> None:
    def deleted_meanwhile(accept):  # type: ignore[no-untyped-def]
        with pytest.raises(InvalidField, match="still needed"):
            accounts.delete_credential(credential_id=racing.credential.pk)
        return accept()

    racing.venue.faults.append(deleted_meanwhile)
    assert racing.buy(30).status == "FILLED"


# --- replaced ---


def test_with_other_keys_the_absence_of_an_order_proves_nothing(trader: Trader) -> None:
    trader.venue.faults.append(faults.lost_on_the_way)
    trader.buy(30)
    _replace_keys(trader, 5)
    _rounds(trader)
    order = Order.objects.get()
    assert (order.status, order.reserved_quote > 0, trader.venue.placed()) == ("UNKNOWN", True, [])
    alert = Alert.objects.get()
    assert (alert.kind, alert.order_id) == (AlertKind.UNPROVEN, order.pk)
    assert "keys were replaced" in alert.message


def test_keys_that_are_not_checked_yet_prove_nothing_either(trader: Trader) -> None:
    trader.venue.faults.append(faults.lost_on_the_way)
    trader.buy(30)
    Credential.objects.filter(pk=trader.credential.pk).update(status=CredentialStatus.PENDING, checked_at=None)
    _rounds(trader)
    assert (Order.objects.get().status, Alert.objects.get().kind) == ("UNKNOWN", AlertKind.UNPROVEN)


def test_a_message_that_comes_again_after_the_keys_changed_only_asks(trader: Trader) -> None:
    command = trader.command()
    trader.venue.faults.append(faults.killed_before_sending)
    with pytest.raises(faults.Killed):
        trader.execute(command)
    _replace_keys(trader, 5)
    for _ in range(9):
        trader.clock.forward(20)
        trader.execute(command)
    assert (Order.objects.get().status, trader.venue.calls.count("place")) == ("UNKNOWN", 1)


def test_with_other_keys_an_order_that_is_found_is_still_believed(trader: Trader) -> None:
    trader.venue.faults.append(faults.killed_after_sending)
    with pytest.raises(faults.Killed):
        trader.buy(30)
    _replace_keys(trader, 5)
    _rounds(trader)
    assert (Order.objects.get().status, Alert.objects.count()) == ("FILLED", 0)


def test_a_second_attempt_asks_for_permission_when_its_message_comes_again(trader: Trader) -> None:
    command = trader.command()
    trader.venue.faults.append(faults.unreachable)
    trader.execute(command)
    forbidden = Denial("keys_changed", "synthetic")
    outcome = trader.execute(command, permit=lambda row: forbidden)
    assert (outcome.state, outcome.code, trader.venue.placed()) == ("DENIED", "keys_changed", [])
