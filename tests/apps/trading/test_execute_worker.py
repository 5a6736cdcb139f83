"""The execute stage around the service: whose credential it is, whether it may trade, and one connection an account."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection
from django.utils import timezone

from apps.accounts.models import Credential, CredentialStatus, User
from apps.accounts.services import OpenedCredential, Secret
from apps.exchanges.models import Venue
from apps.trading import services as trading
from apps.trading.models import Command, Order
from tests.apps.trading import fake_venue as faults
from tests.apps.trading.conftest import HandClock, Trader, make_trader
from tests.apps.trading.fake_venue import FakeVenue
from tradebot.contracts.errors import InvalidField, TransientError, VenueUnavailable
from tradebot.contracts.values import Mode
from workers import execute as stage


@pytest.fixture
def desk(trader: Trader, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trader]:
    """The trader's account reached through the stage; the wire itself is the fake venue."""
    Venue.objects.get_or_create(name="paper")
    Venue.objects.get_or_create(name="real", defaults={"base_url": "https://exchange.example"})
    monkeypatch.setattr(stage.vault, "open_credential", lambda key: OpenedCredential("paper", "key", Secret("secret")))
    monkeypatch.setattr(stage, "connect", lambda info, key, secret, *_: trader.venue)
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
    monkeypatch.setattr(stage, "connect", lambda info, key, secret, *_: made.append(secret) or desk.venue)
    for secret in ("old", "old", "new"):
        keys["secret"] = secret
        stage.line(str(desk.credential.pk))
    assert made == ["old", "new"]


def test_connections_are_few(desk: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "KEPT", 2)
    for number in range(5):
        stage.line(str(number))
    assert len(stage._own.lines) == 2


def test_the_round_of_the_reconciler_reaches_every_account(desk: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HandClock()
    monkeypatch.setattr(stage.timezone, "now", clock)
    desk.venue.faults.append(faults.lost_on_the_way)
    stage.execute([desk.command()])
    for _ in range(4):
        clock.forward(20)
        stage.reconcile_all()
    assert desk.held() == Decimal("0.1")


def test_an_order_on_the_wire_when_the_time_is_over_is_in_doubt_and_only_asked_about(desk: Trader) -> None:
    """Celery's soft limit strikes anywhere, even while the answer is awaited."""

    def out_of_time(accept):  # type: ignore[no-untyped-def]
        accept()
        raise SoftTimeLimitExceeded

    command = desk.command()
    desk.venue.faults.append(out_of_time)
    with pytest.raises(SoftTimeLimitExceeded):
        stage.execute([command])
    order = Order.objects.get()
    assert (order.status, order.reserved_quote > 0, "find" in desk.venue.calls) == ("UNKNOWN", True, False)
    stage.execute([command])
    assert (desk.held(), desk.venue.calls.count("place")) == (Decimal("0.1"), 1)


def test_a_round_of_the_reconciler_leaves_the_other_process_to_orders(
    desk: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered: list[str] = []

    def round_beside(moment: datetime) -> int:
        entered.append("round")
        other = Thread(target=_another_round, args=[entered])
        other.start()
        other.join()
        return 1

    monkeypatch.setattr(stage, "_all", round_beside)
    assert stage.reconcile_all() == 1
    assert entered == ["round", "none"]


def _another_round(entered: list[str]) -> None:
    with stage._alone() as mine:
        entered.append("round" if mine else "none")
    connection.close()


def test_a_deactivated_user_is_denied(desk: Trader) -> None:
    User.objects.filter(pk=desk.user.pk).update(is_active=False)
    assert _run(desk).code == "user_not_active"


# --- the reconciler ---


def _in_doubt_since_a_moment(desk: Trader) -> None:
    desk.venue.faults.append(faults.lost_on_the_way)
    stage.execute([desk.command()])


def _rounds(desk: Trader, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setattr(stage.timezone, "now", desk.clock)
    for _ in range(5):
        desk.clock.forward(20)
        stage.reconcile_all()
    return Command.objects.get()


@pytest.mark.parametrize(
    ("status", "code"), [(CredentialStatus.PENDING, ""), (CredentialStatus.REFUSED, "credential_not_active")]
)
def test_nothing_is_bought_again_on_an_account_that_is_no_longer_active(
    desk: Trader, monkeypatch: pytest.MonkeyPatch, status: CredentialStatus, code: str
) -> None:
    """Pending keys are new ones: with them nobody can say what became of the order, so its command stays open."""
    _in_doubt_since_a_moment(desk)
    Credential.objects.filter(pk=desk.credential.pk).update(status=status)
    assert _rounds(desk, monkeypatch).code == code
    assert desk.venue.placed() == []


def test_nothing_is_bought_again_for_a_user_who_was_deactivated(desk: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
    _in_doubt_since_a_moment(desk)
    User.objects.filter(pk=desk.user.pk).update(is_active=False)
    assert _rounds(desk, monkeypatch).code == "user_not_active"
    assert desk.venue.placed() == []


def test_nothing_is_bought_again_with_other_keys(desk: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
    _in_doubt_since_a_moment(desk)
    later = timezone.now() + timedelta(seconds=5)
    monkeypatch.setattr(
        stage.vault, "open_credential", lambda key: OpenedCredential("paper", "other", Secret("secret"), later)
    )
    assert _rounds(desk, monkeypatch).code == "keys_changed"
    assert desk.venue.placed() == []


def test_nothing_is_bought_again_at_an_exchange_that_was_switched_off(
    desk: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    _in_doubt_since_a_moment(desk)
    stage.line(str(desk.credential.pk))
    Venue.objects.filter(name="paper").update(enabled=False)
    monkeypatch.setattr(stage, "VENUE_SECONDS", -1.0)
    assert _rounds(desk, monkeypatch).code == "venue_closed"
    assert desk.venue.placed() == []


@pytest.fixture
def two(db: None, monkeypatch: pytest.MonkeyPatch) -> tuple[Trader, Trader]:
    """Two accounts with a filled order each, of which nobody has heard yet."""
    Venue.objects.get_or_create(name="paper")
    traders = sorted((make_trader("a"), make_trader("b")), key=lambda trader: str(trader.credential.pk))
    venues = {str(trader.credential.pk): trader.venue for trader in traders}
    monkeypatch.setattr(stage, "line", venues.__getitem__)
    for trader in traders:
        monkeypatch.setattr(trader.venue, "find", _silent)
        trader.venue.faults.append(faults.answer_lost)
        trader.buy(30)
        monkeypatch.setattr(trader.venue, "find", partial(FakeVenue.find, trader.venue))
    monkeypatch.setattr(stage.timezone, "now", traders[0].clock)
    traders[0].clock.forward(20)
    return traders[0], traders[1]


def _silent(*_: object) -> None:
    raise VenueUnavailable("synthetic outage")


def test_an_account_that_took_all_the_time_comes_last_in_the_next_round(
    two: tuple[Trader, Trader], monkeypatch: pytest.MonkeyPatch
) -> None:
    hung, other = two

    def out_of_time(*_: object) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(hung.venue, "find", out_of_time)
    with pytest.raises(SoftTimeLimitExceeded):
        stage.reconcile_all()
    with pytest.raises(SoftTimeLimitExceeded):
        stage.reconcile_all()
    assert Order.objects.get(credential=other.credential).status == "FILLED"


def test_an_account_whose_exchange_hangs_is_left_when_its_time_is_over(
    two: tuple[Trader, Trader], monkeypatch: pytest.MonkeyPatch
) -> None:
    hung, other = two
    monkeypatch.setattr(stage, "ACCOUNT_SECONDS", -1.0)
    assert stage.reconcile_all() == 0
    assert hung.venue.calls.count("find") == other.venue.calls.count("find") == 0


def test_accounts_of_a_hung_exchange_wait_until_the_others_were_asked(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[str] = []
    names = ("slow", "slow", "fine", "slow", "fine")
    accounts = [trading.Account(uuid4(), uuid4(), exchange) for exchange in names]

    def turn(account: trading.Account, moment: datetime, hung: set[str]) -> int:
        turns.append(account.exchange)
        hung |= {"slow"} & {account.exchange}
        return 1

    monkeypatch.setattr(stage.trading, "orders_to_reconcile", lambda moment: accounts)
    monkeypatch.setattr(stage.trading, "expire_unstarted", lambda moment: 0)
    monkeypatch.setattr(stage, "_turn", turn)
    assert stage.reconcile_all() == len(names)
    assert turns == ["slow", "fine", "fine", "slow", "slow"]


def test_a_round_ends_in_time_and_says_whom_it_left(
    db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stage.trading, "orders_to_reconcile", lambda moment: [trading.Account(uuid4(), uuid4(), "x")])
    monkeypatch.setattr(stage.trading, "expire_unstarted", lambda moment: 0)
    monkeypatch.setattr(stage, "ROUND_SECONDS", -1.0)
    assert stage.reconcile_all() == 0
    assert "reconcile_round_unfinished" in caplog.text
