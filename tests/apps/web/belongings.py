"""One private object of each kind, for pages and routes to show or to hide."""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.utils import timezone

from apps.accounts import services
from apps.accounts.models import User
from apps.signals.models import Signal
from apps.signals.models_accuracy import AccuracyScore, Demotion, SignalAccuracy
from apps.sources.models import Post
from apps.strategies.models import Strategy, StrategyVersion
from apps.trading.models import Alert, Command, Order, Position


def belongings(user: User) -> dict[str, str]:
    """One private object of `user` for each resource of the API."""
    now = timezone.now()
    post = Post.objects.create(
        id=uuid.uuid4(), story_id=uuid.uuid4(), source=f"push:{user.pk}", author="me", native_id="1", posted_at=now,
        seen_at=now, root_id="root", owner=user,
    )  # fmt: skip
    signal = Signal.objects.create(
        id=uuid.uuid4(), post=post, type="bullish", confidence=0.9, coins=["BTC"], timestamp=now, owner=user
    )
    strategy = Strategy.objects.create(user=user, name="mine")
    spec = {"name": "mine", "watch_list": {}, "actions": {"bullish": {"percentage": 10}}}
    StrategyVersion.objects.create(strategy=strategy, number=1, spec=spec, author=user)
    credential = services.request_paper_account(user=user)
    order = _order(user, credential.pk, strategy.pk, signal.pk)
    position = Position.objects.create(
        credential=credential, user=user, coin="BTC", quote="USDT", amount=1, cost_quote=30_000, updated_at=now
    )
    rows = {"posts": post, "signals": signal, "strategies": strategy, "credentials": credential, "orders": order,
            "commands": order.command}  # fmt: skip
    alert = Alert.objects.create(
        kind="orphan", key="V1", credential=credential, user=user, pair="BTC/USDT", message="synthetic", raised_at=now
    )
    _accuracy(signal)
    return {name: str(row.pk) for name, row in {**rows, "positions": position, "alerts": alert}.items()}


def _order(user: User, credential: uuid.UUID, strategy: uuid.UUID, signal: uuid.UUID) -> Order:
    now = timezone.now()
    shared = {"user": user, "credential_id": credential, "exchange": "paper", "pair": "BTC/USDT", "leg": "entry"}
    command = Command.objects.create(
        id=uuid.uuid4(), strategy_id=str(strategy), signal_id=str(signal), mode="paper", action="buy",
        amount_type="percentage", amount=Decimal(10), expires_at=now, root_id="root", seen_at=now, created_at=now,
        **shared,
    )  # fmt: skip
    return Order.objects.create(
        id=uuid.uuid4(), command=command, attempt=1, client_id=uuid.uuid4().hex, side="buy", type="market",
        amount=Decimal(1), sequence=1, created_at=now, updated_at=now, **shared,
    )  # fmt: skip


def _accuracy(signal: Signal) -> None:
    """Figures of all, of two analyzers and of an author who was wrong too often."""
    groups = (
        ("all", "", 170),
        ("analyzer", "rules", 190),
        ("analyzer", "minilm", 150),
        ("author", "twitter:wrong", 60),
    )
    for kind, name, hits in groups:
        for horizon in (60, 240, 1440):
            AccuracyScore.objects.create(
                kind=kind, name=name, horizon=horizon, calls=300, hits=hits + horizon // 60, flat=20,
                momentum_calls=280, momentum_hits=145, up_hits=160,
            )  # fmt: skip
    SignalAccuracy.objects.create(signal=signal, coin="BTC", horizon=60, at=signal.timestamp)
    Demotion.objects.create(source="twitter:wrong", reason="right in 64 of 300 calls after 4h")
