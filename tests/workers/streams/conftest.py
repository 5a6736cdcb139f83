"""A real streams process between a real database and a real paper exchange, and accounts that trade there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.exchanges import selectors as venues
from apps.exchanges import services as exchange_services
from apps.exchanges.adapters import connect
from apps.exchanges.adapters.shared import _known
from apps.trading import services as trading
from apps.trading.models import Order, Position
from tests.apps.exchanges.paper_process import ROOT, TOKEN, PaperProcess
from tests.factories import command
from tests.workers.streams.proxy import Wire
from tradebot import heartbeat
from tradebot.contracts.messages import Condition
from tradebot.contracts.values import Action, AmountType, ConditionKind, Leg
from workers import execute

SECONDS = 20.0
"""For what has to start or to come back; what has to be quick is measured."""


def until(what: Callable[[], Any], seconds: float = SECONDS) -> float:
    """Wait until it is true; the seconds it took."""
    began = time.monotonic()
    while not what():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"not within {seconds} s")
        time.sleep(0.01)
    return time.monotonic() - began


@dataclass
class Listener:
    """A running `manage.py streams`."""

    process: subprocess.Popen[str]
    log: Path

    @property
    def said(self) -> dict[str, Any] | None:
        """Its last sign of life."""
        found = heartbeat.alive("streams").items()
        return next((facts for name, facts in found if name.endswith(f":{self.process.pid}")), None)

    def hears(self, accounts: int, feeds: int = 1) -> bool:
        said = self.said or {}
        return (said.get("connected"), said.get("price_feeds_connected")) == (accounts, feeds)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> tuple[int, float]:
        """SIGTERM; its exit code and how many seconds it took."""
        began = time.monotonic()
        self.process.terminate()
        return self.process.wait(20), time.monotonic() - began


@dataclass
class Account:
    """One user's paper account."""

    credential_id: UUID
    user_id: UUID
    venue: Any
    keys: tuple[str, str]
    orders: list[UUID] = field(default_factory=list)

    def buy(self, price: str, quote: str = "1000", **conditions: str) -> Order:
        """A limit buy by the product's own way."""
        terms = {"order_type": "limit", "limit_price": price, **conditions}
        outcome = trading.execute(
            command=command(
                user_id=str(self.user_id),
                credential_id=str(self.credential_id),
                action=Action.BUY,
                amount_type=AmountType.FIXED,
                amount=Decimal(quote),
                leg=Leg.ENTRY,
                expires_at=datetime.now(UTC) + timedelta(minutes=5),
                signal_id=str(uuid4()),
                conditions=[Condition(kind=ConditionKind(kind), value=value) for kind, value in terms.items()],
            ),
            venue=self.venue,
            now=lambda: datetime.now(UTC),
        )
        assert outcome.order_id, outcome
        return Order.objects.get(pk=outcome.order_id)

    def held(self, coin: str = "BTC") -> Decimal:
        row = Position.objects.filter(credential_id=self.credential_id, coin=coin).first()
        return row.amount if row else Decimal(0)


def status(order: Order) -> str:
    return Order.objects.values_list("status", flat=True).get(pk=order.pk)


@pytest.fixture(scope="session")
def running_exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    process = PaperProcess(tmp_path_factory.mktemp("paper") / "ledger.db")
    yield process
    process.stop()


@pytest.fixture
def exchange(running_exchange: PaperProcess, settings: Any, transactional_db: None) -> PaperProcess:
    settings.PAPER_EXCHANGE_URL, settings.PAPER_EXCHANGE_TOKEN = running_exchange.url, TOKEN
    running_exchange.price("BTC/USDT", "30000")
    venues.forget()
    execute.forget_lines()
    _known.clear()
    exchange_services.ensure_venues()
    return running_exchange


@pytest.fixture
def wire(exchange: PaperProcess) -> Iterator[Wire]:
    found = Wire(exchange.url)
    yield found
    found.close()


@pytest.fixture
def account(exchange: PaperProcess) -> Callable[[str], Account]:
    def make(name: str) -> Account:
        keys = exchange.account({"USDT": "10000"})
        user = User.objects.create_user(f"{name}-{uuid4().hex[:8]}")
        row = accounts.save_credential(user=user, venue="paper", api_key=keys[0], secret=keys[1], label=name)
        accounts.mark_credential(credential_id=row.pk, active=True)
        info = venues.venue("paper")
        assert info
        return Account(row.pk, user.pk, connect(info, *keys), keys)

    return make


@pytest.fixture
def listen(tmp_path: Path, wire: Wire) -> Iterator[Callable[[], Listener]]:
    started: list[Listener] = []

    def start() -> Listener:
        log = tmp_path / f"streams-{len(started)}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "streams"],
                cwd=ROOT,
                env=os.environ | {"DATABASE_URL": _database(), "PAPER_EXCHANGE_URL": wire.url},
                stdout=output,
                stderr=output,
                text=True,
            )
        started.append(Listener(process, log))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.kill()


def _database() -> str:
    """The tests' own database, as a URL."""
    known = connection.settings_dict
    return f"postgres://{known['USER']}:{known['PASSWORD']}@{known['HOST']}:{known['PORT']}/{known['NAME']}"
