"""Reads of trading: orders, positions, and how far a batch of posts has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q

from apps.trading.domain.states import AT_VENUE, LIVE, WORKING, CommandState, OrderStatus
from apps.trading.models import Command, Order, Position
from tradebot.contracts.values import Leg

_AT_VENUE = [status.value for status in AT_VENUE]
_PLACED = [*_AT_VENUE, OrderStatus.FILLED.value, OrderStatus.CANCELED.value, OrderStatus.EXPIRED.value]


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order as its owner sees it. `fee`: paid so far, by currency."""

    id: UUID
    signal_id: str
    strategy_id: str
    pair: str
    side: str
    type: str
    leg: str
    amount: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    status: str
    filled: Decimal
    average: Decimal | None
    fee: dict[str, str]
    exchange: str
    reason: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PositionView:
    """What the bot holds of one coin. `cost` and `realised` are in `quote`."""

    credential_id: UUID
    coin: str
    quote: str
    amount: Decimal
    cost: Decimal
    realised: Decimal
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the commands of some posts are. `terminal`: nothing more comes by itself (decided, and its order at an
    end or standing at the venue). Guards count in `guards` alone: the rest is what the signals asked for."""

    commands: int = 0
    terminal: int = 0
    denied: int = 0
    orders: int = 0
    filled: int = 0
    guards: int = 0

    @property
    def settled(self) -> bool:
        return self.terminal == self.commands


def orders(user_id: UUID, limit: int = 100) -> tuple[OrderView, ...]:
    """The user's newest orders."""
    rows = Order.objects.filter(user_id=user_id).select_related("command").order_by("-created_at", "-id")
    return tuple(view(row) for row in rows[:limit])


def positions(user_id: UUID) -> tuple[PositionView, ...]:
    """Everything the bot holds for the user, closed positions left out."""
    rows = Position.objects.filter(user_id=user_id, amount__gt=0)
    return tuple(
        PositionView(r.credential_id, r.coin, r.quote, r.amount, r.cost_quote, r.realised_quote, r.updated_at)
        for r in rows
    )


def unfinished(credential_id: UUID) -> tuple[str, ...]:
    """What is still open on an account, in words: orders that are not at their end, guards, undecided retries."""
    orders = Order.objects.filter(credential_id=credential_id, status__in=[status.value for status in LIVE])
    commands = Command.objects.filter(credential_id=credential_id, state__in=[state.value for state in WORKING])
    waiting = commands.exclude(pk__in=orders.values("command_id"))
    said = [f"{order} ({order.leg} order)" for order in orders]
    return (*said, *(f"{'guard' if row.leg == Leg.PROTECT else row.leg} of {row.pair}" for row in waiting))


def view(row: Order) -> OrderView:
    """`row`, whose command is already read."""
    same = {name: getattr(row, name) for name in OrderView.__slots__ if hasattr(row, name)}
    return OrderView(**same, signal_id=row.command.signal_id, strategy_id=row.command.strategy_id)


def progress(root_ids: Sequence[str]) -> Progress:
    """Counts over all commands that came from these posts (by root id)."""
    mine = Command.objects.filter(root_id__in=list(root_ids))
    asked = ~Q(leg=Leg.PROTECT.value)
    standing = Exists(Order.objects.filter(command=OuterRef("pk"), status__in=_AT_VENUE))
    ended = Q(state__in=[s.value for s in (CommandState.DENIED, CommandState.SHADOWED, CommandState.DONE)])
    counts = mine.aggregate(
        commands=Count("pk", filter=asked),
        terminal=Count("pk", filter=asked & (ended | Q(standing))),
        denied=Count("pk", filter=asked & Q(state=CommandState.DENIED.value)),
        guards=Count("pk", filter=Q(leg=Leg.PROTECT.value)),
    )
    placed = Order.objects.filter(command__in=mine.filter(asked)).aggregate(
        orders=Count("pk", filter=Q(status__in=_PLACED)),
        filled=Count("pk", filter=Q(status=OrderStatus.FILLED.value)),
    )
    return Progress(**counts, **placed)


def acknowledged_ms(root_ids: Sequence[str]) -> tuple[float, ...]:
    """Milliseconds from the first sight of each post to the venue's answer to the order that it asked for."""
    rows = Order.objects.filter(command__root_id__in=list(root_ids), acked_at__isnull=False)
    times = rows.exclude(leg=Leg.PROTECT.value).values_list("acked_at", "command__seen_at")
    return tuple((acked - seen).total_seconds() * 1000 for acked, seen in times if acked)
