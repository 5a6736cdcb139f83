"""The execute stage around the service: whose credential it is, whether it may trade, and one connection an account."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from apps.accounts.models import Credential, CredentialStatus
from apps.accounts.services import OpenedCredential, Secret
from apps.exchanges.models import Venue
from apps.trading.models import Command, Order
from tests.apps.trading import fake_venue as faults
from tests.apps.trading.conftest import HandClock, Trader, make_trader
from tradebot.contracts.errors import InvalidField, TransientError
from tradebot.contracts.values import Mode
from workers import execute as stage


@pytest.fixture
def desk(trader: Trader, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trader]:
    """The trader's account reached through the stage; the wire itself is the fake venue."""
    Venue.objects.get_or_create(name="paper")
    Venue.objects.get_or_create(name="real", defaults={"base_url": "https://exchange.example"})
    monkeypatch.setattr(stage.vault, "open_credential", lambda key: OpenedCredential("paper", "key", Secret("secret")))
    monkeypatch.setattr(stage, "connect", lambda info, key, secret: trader.venue)
    stage.forget_lines()
    yield trader
    stage.forget_lines()


def _run(desk: Trader, **changes: Any) -> Command:
    command = desk.command(**changes)
    assert stage.execute([command]) == []
    return Command.objects.get(signal_id=command.signal_id)


def test_a_command_becomes_an_order(desk: Trader) -> None:
    assert _run(desk).state == "DONE"
    assert desk.held() == Decimal("0.1")


def test_a_credential_of_somebody_else_is_denied(desk: Trader) -> None:
    other = make_trader("other")
    assert _run(desk, credential_id=str(other.credential.pk)).code == "foreign_credential"


def test_an_unknown_credential_goes_to_the_dead_letters(desk: Trader) -> None:
    with pytest.raises(InvalidField, match="credential_id"):
        stage.execute([desk.command(credential_id=str(uuid4()))])


@pytest.mark.parametrize("status", [CredentialStatus.PENDING, CredentialStatus.REFUSED])
def test_a_credential_that_is_not_active_is_denied(desk: Trader, status: CredentialStatus) -> None:
    Credential.objects.filter(pk=desk.credential.pk).update(status=status)
    assert _run(desk).code == "credential_not_active"


def test_live_money_needs_a_broker_that_confirms(desk: Trader, settings: Any) -> None:
    settings.BROKER_URL = "redis://127.0.0.1:1/0"
    assert _run(desk, mode=Mode.LIVE).code == "broker_without_confirms"
    settings.BROKER_URL = "amqp://broker.example"
    assert _run(desk, mode=Mode.LIVE).state == "DONE"


def test_a_paper_strategy_never_reaches_real_money(desk: Trader) -> None:
    Credential.objects.filter(pk=desk.credential.pk).update(venue="real")
    assert _run(desk, exchange="real").code == "paper_on_live"


def test_an_exchange_that_is_switched_off_is_denied(desk: Trader) -> None:
    Venue.objects.filter(name="paper").update(enabled=False)
    assert _run(desk).code == "venue_closed"


def test_one_failing_command_does_not_stop_the_others(desk: Trader) -> None:
    desk.venue.faults.append(faults.unreachable)
    first, second = desk.command(), desk.command()
    with pytest.raises(TransientError):
        stage.execute([first, second])
    assert Order.objects.filter(status="FILLED").get().command.signal_id == second.signal_id


def test_the_connection_is_kept_until_the_keys_change(desk: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    keys = {"secret": "old"}
    monkeypatch.setattr(stage, "KEEP_SECONDS", -1.0)
    monkeypatch.setattr(
        stage.vault, "open_credential", lambda key: OpenedCredential("paper", "k", Secret(keys["secret"]))
    )
    monkeypatch.setattr(stage, "connect", lambda info, key, secret: made.append(secret) or desk.venue)
    for secret in ("old", "old", "new"):
        keys["secret"] = secret
        stage.line(str(desk.credential.pk))
    assert made == ["old", "new"]


def test_connections_are_few(desk: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "KEPT", 2)
    for number in range(5):
        stage.line(str(number))
    assert len(stage._lines) == 2


def test_the_round_of_the_reconciler_reaches_every_account(desk: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HandClock()
    monkeypatch.setattr(stage.timezone, "now", clock)
    desk.venue.faults.append(faults.lost_on_the_way)
    stage.execute([desk.command()])
    for _ in range(4):
        clock.forward(20)
        stage.reconcile_all()
    assert desk.held() == Decimal("0.1")
