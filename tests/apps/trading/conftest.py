"""A trader with an account, a clock that is moved by hand, and an exchange in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from apps.accounts.models import Credential, CredentialStatus, User
from apps.trading import services
from apps.trading.models import Order, Position
from apps.trading.services import purse
from tests.apps.trading.fake_venue import FakeVenue
from tradebot.contracts.messages import Condition, TradeCommand
from tradebot.contracts.values import Action, AmountType, ConditionKind, Leg

Tell = Callable[..., TradeCommand]


@dataclass
class HandClock:
    """Starts at the real time (fills carry it) and moves only when told."""

    moment: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass
class Trader:
    """One user's account at the fake venue, and what can be done with it."""

    user: User
    credential: Credential
    venue: FakeVenue
    clock: HandClock

    def command(self, **changes: Any) -> TradeCommand:
        conditions = [
            Condition(kind=ConditionKind(kind), value=str(value))
            for kind, value in changes.pop("conditions", {}).items()
        ]
        fields: dict[str, Any] = {
            "id": str(uuid4()),
            "root_id": "root-1",
            "seen_at": self.clock(),
            "user_id": str(self.user.pk),
            "action": Action.BUY,
            "pair": "BTC/USDT",
            "amount_type": AmountType.PERCENTAGE,
            "amount": Decimal(30),
            "signal_id": str(uuid4()),
            "strategy_id": str(uuid4()),
            "credential_id": str(self.credential.pk),
            "leg": Leg.ENTRY,
            "expires_at": self.clock() + timedelta(minutes=5),
            "exchange": "paper",
            "conditions": conditions,
        }
        return TradeCommand(**{**fields, **changes})

    def sell(self, percent: int | str = 50, **changes: Any) -> TradeCommand:
        return self.command(action=Action.SELL, leg=Leg.EXIT, amount=Decimal(percent), **changes)

    def execute(self, command: TradeCommand, permit: services.Permit | None = None) -> services.Outcome:
        asked = permit or (lambda row: None)
        return services.execute(command=command, venue=self.venue, now=self.clock, permit=asked)

    def buy(self, percent: int | str = 30, **changes: Any) -> services.Outcome:
        return self.execute(self.command(amount=Decimal(percent), **changes))

    def reconcile(self) -> services.Reconciled:
        return services.reconcile(
            venue=self.venue, credential_id=self.credential.pk, now=self.clock, permit=lambda command: None
        )

    def held(self, coin: str = "BTC") -> Decimal:
        found = Position.objects.filter(credential=self.credential, coin=coin).values_list("amount", flat=True)
        return found.first() or Decimal(0)

    def order(self, key: UUID | None) -> Order:
        return Order.objects.get(pk=key)


def make_trader(name: str = "synthetic") -> Trader:
    user = User.objects.create(username=f"{name}-{uuid4().hex[:8]}")
    credential = Credential.objects.create(
        user=user, venue="paper", status=CredentialStatus.ACTIVE, key_hint="abcd", envelope={}
    )
    trader = Trader(user, credential, FakeVenue(), HandClock())
    trader.venue.clock = trader.clock
    return trader


@pytest.fixture
def trader(db: None) -> Trader:
    return make_trader()


@pytest.fixture(autouse=True)
def _balances_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests change an account at the venue and look at what the very next order makes of it."""
    monkeypatch.setattr(purse, "SECONDS", 0.0)
