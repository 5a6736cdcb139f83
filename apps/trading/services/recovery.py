"""At start-up and ever after, by the same code: every order that is not at its end is compared with the exchange."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from django.db.models import Exists, OuterRef, Q, Value
from django.db.models.functions import Coalesce, Concat, Left, NullIf

from apps.trading.domain.states import AT_VENUE, LIVE, WORKING, CommandState, OrderStatus
from apps.trading.models import Account as Lock
from apps.trading.models import Command, Order
from apps.trading.services import guards
from apps.trading.services.outcomes import Clock
from apps.trading.services.run import Permit, carry_on
from apps.trading.services.submit import absorb, ask
from apps.trading.services.sweep import accounts_due, sweep
from tradebot.contracts.errors import VenueError
from tradebot.contracts.lanes import Lane, using
from tradebot.contracts.ports import Venue, VenueOrder
from tradebot.contracts.values import Leg, Pair

SETTLING = timedelta(seconds=5)
"""Younger rows belong to the process that is at work on them."""

log = structlog.get_logger(__name__)
_NEVER = datetime.min.replace(tzinfo=UTC)
_LIVE = [status.value for status in LIVE]
_WAITED = Coalesce(NullIf("reason", Value("")), Value("no worker came to it"))
_EXPIRED = Left(Concat(Value("it expired before it could be decided: "), _WAITED), 500)
_WORKING = [state.value for state in WORKING]


@dataclass(frozen=True, slots=True)
class Account:
    """A credential with something to reconcile, and the venue it is for."""

    credential_id: UUID
    user_id: UUID
    exchange: str


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a pass over one account found: orders looked at, orders that changed, commands taken further."""

    seen: int = 0
    changed: int = 0
    resumed: int = 0


def orders_to_reconcile(now: datetime) -> list[Account]:
    """Accounts with orders or guards that are not at their end, or to be swept, each once, the longest unvisited
    first."""
    orders = Order.objects.filter(status__in=_LIVE, updated_at__lt=now - SETTLING)
    guards_and_retries = Command.objects.filter(state__in=_WORKING, created_at__lt=now - SETTLING).exclude(
        ~Q(leg=Leg.PROTECT.value), state=CommandState.RECEIVED.value
    )
    columns = ("credential_id", "user_id", "exchange")
    recent = Order.objects.filter(credential__in=accounts_due(now))
    found = (
        orders.order_by()
        .values_list(*columns)
        .union(guards_and_retries.order_by().values_list(*columns), recent.order_by().values_list(*columns))
    )
    accounts = [Account(*row) for row in found]
    ids = [account.credential_id for account in accounts]
    visits = dict(Lock.objects.filter(pk__in=ids).values_list("credential_id", "visited_at"))
    return sorted(accounts, key=lambda account: (visits.get(account.credential_id) or _NEVER, account.credential_id))


def note_visit(account: Account, now: datetime) -> None:
    """Its turn has come, whatever it brings: next time the others are first."""
    Lock.objects.bulk_create(
        [Lock(credential_id=account.credential_id, user_id=account.user_id, visited_at=now)],
        update_conflicts=True,
        unique_fields=["credential"],
        update_fields=["visited_at"],
    )


def reconcile(*, venue: Venue, credential_id: UUID, now: Clock, permit: Permit) -> Reconciled:
    """Ask `venue` about every order of this account that is not at its end, book what it says, resume commands whose
    order was proven absent, and put guards back. Safe to call at any time, by several at once.

    `permit` says why an entry may not be tried again, if so: what allowed the first attempt may be over.
    """
    with using(Lane.RECONCILE):
        orders = list(_unfinished(credential_id, now()))
        known = _open_at(venue, {order.pair for order in orders if order.status in AT_VENUE})
        changed = sum(_compare(order, known.get(order.client_id), venue, now) for order in orders)
        resumed = sum(_resume(command, venue, now, permit) for command in _stalled(credential_id))
        for pair in _guarded(credential_id):
            _keep(credential_id, pair, venue, now)
        changed += sweep(venue=venue, credential_id=credential_id, now=now)
    return Reconciled(len(orders), changed, resumed)


def _unfinished(credential_id: UUID, now: datetime) -> Iterable[Order]:
    mine = Order.objects.filter(credential_id=credential_id, status__in=_LIVE, updated_at__lt=now - SETTLING)
    return mine.exclude(status=OrderStatus.INTENT.value).select_related("command").order_by("created_at")


def _open_at(venue: Venue, pairs: Iterable[str]) -> dict[str, VenueOrder]:
    """What stands at the venue, by client id: one request a pair instead of one an order."""
    found: dict[str, VenueOrder] = {}
    for pair in sorted(pairs):
        try:
            found |= {order.client_id: order for order in venue.open_orders(Pair.parse(pair))}
        except VenueError as error:
            log.info("open_orders_not_read", pair=pair, error=type(error).__name__)
    return found


def _compare(order: Order, report: VenueOrder | None, venue: Venue, now: Clock) -> bool:
    before = (order.status, order.filled)
    row = absorb(order, report, venue=venue, now=now) if report else ask(order, venue=venue, now=now)
    return (row.status, row.filled) != before


def _stalled(credential_id: UUID) -> Iterable[Command]:
    """Commands whose next step is ours: an order waiting to be sent, or one proven absent."""
    attempts = Order.objects.filter(command=OuterRef("pk"))
    latest_ended = ~Exists(attempts.filter(status__in=[s for s in _LIVE if s != OrderStatus.INTENT.value]))
    ordered = Command.objects.filter(credential_id=credential_id, state=CommandState.ORDERED.value)
    return ordered.filter(latest_ended).exclude(leg=Leg.PROTECT.value)


def _resume(command: Command, venue: Venue, now: Clock, permit: Permit) -> bool:
    try:
        carry_on(command, venue=venue, now=now, permit=permit)
    except VenueError as error:
        log.info("command_not_resumed", command=str(command.pk), error=type(error).__name__)
        return False
    return True


def _guarded(credential_id: UUID) -> list[str]:
    working = Command.objects.filter(credential_id=credential_id, leg=Leg.PROTECT.value, state__in=_WORKING)
    standing = Order.objects.filter(credential_id=credential_id, leg=Leg.PROTECT.value, status__in=_LIVE)
    pairs = working.order_by().values_list("pair").union(standing.order_by().values_list("pair"))
    return sorted(pair for (pair,) in pairs)


def _keep(credential_id: UUID, pair: str, venue: Venue, now: Clock) -> None:
    try:
        guards.keep(venue=venue, credential_id=credential_id, pair=pair, now=now)
    except VenueError as error:
        log.warning("guards_put_off", pair=pair, credential=str(credential_id), reason=error.reason)


def expire_unstarted(now: datetime) -> int:
    """Close commands that were stored but never decided before they expired. Returns how many."""
    stale = Command.objects.filter(state=CommandState.RECEIVED.value, expires_at__lt=now - timedelta(minutes=1))
    return stale.exclude(leg=Leg.PROTECT.value).update(
        state=CommandState.DENIED.value, code="stale", reason=_EXPIRED, decided_at=now
    )
