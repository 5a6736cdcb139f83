"""Protection that stays: at the venue where it can, watched by us where not; resized, trailed, put back if missing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction

from apps.trading.domain import protection, sizing
from apps.trading.domain.numbers import usable
from apps.trading.domain.states import LIVE, OrderStatus
from apps.trading.models import Command, Order
from apps.trading.services import guard_plan
from apps.trading.services.guard_plan import Scene, Steps
from apps.trading.services.outcomes import Clock, lock
from apps.trading.services.submit import ask, cancel, send, send_pair
from tradebot.contracts.lanes import Lane, using
from tradebot.contracts.ports import Ticker, Venue
from tradebot.contracts.values import OrderType, Pair

ROUNDS = 4
"""Cancel, place, and twice again if the position changed meanwhile; the reconciler goes on from there."""

_TELLING = frozenset({OrderStatus.FILLED, OrderStatus.REJECTED})
"""After these another look may find something else to do: other coins, or a plainer order."""

log = structlog.get_logger(__name__)


def keep(*, venue: Venue, credential_id: UUID, pair: str, now: Clock, ticker: Ticker | None = None) -> None:
    """Bring the standing orders of `pair` in line with its guards and its position. `ticker`: its prices of this
    moment, where the caller has them.

    Raises VenueUnavailable when the venue can't be asked: the rows say what is still to be done.
    """
    with using(Lane.PROTECT):
        for _ in range(ROUNDS):
            ticker = _round(venue, credential_id, Pair.parse(pair), now, ticker)
            if ticker is None:
                return


def on_price(*, venue: Venue, credential_id: UUID, ticker: Ticker, now: Clock) -> bool:
    """Act on a price if a guard of that pair waits for it and no order at the venue does it by itself: a stop or a
    profit that we watch, a stop that we trail. Returns whether anything was due.

    Cheap when nothing is: two reads. Raises VenueUnavailable as `keep` does.
    """
    if sizing.bad_book(ticker) or not _due(venue, credential_id, ticker):
        return False
    keep(venue=venue, credential_id=credential_id, pair=str(ticker.pair), now=now, ticker=ticker)
    return True


def _due(venue: Venue, credential_id: UUID, ticker: Ticker) -> bool:
    guards = guard_plan.working(credential_id, ticker.pair)
    market = venue.market(ticker.pair) if guards else None
    if market is None:
        return False
    there: dict[UUID, set[OrderType]] = {}
    for order in guard_plan.standing(credential_id, ticker.pair):
        there.setdefault(order.command_id, set()).add(OrderType(order.type))
    return any(_waits_for(guard, ticker.bid, market.tick, there.get(guard.pk, set())) for guard in guards)


def _waits_for(guard: Command, bid: Decimal, tick: Decimal, there: set[OrderType]) -> bool:
    raw = guard.decision.get("guard")
    return raw is None or protection.due(protection.restored(raw), bid, tick, there)


def _round(venue: Venue, credential_id: UUID, pair: Pair, now: Clock, known: Ticker | None) -> Ticker | None:
    """One look and the steps that follow; the prices for another look if one is due, because coins came free or were
    sold. All looks of a call are at the same prices, or at lower ones: a stop that has been passed stays passed."""
    guards = guard_plan.working(credential_id, pair)
    standing = guard_plan.standing(credential_id, pair)
    if not guards and not standing:
        return None
    market, ticker = venue.market(pair), known or venue.ticker(pair)
    if market is None or sizing.bad_book(ticker):
        log.warning("guards_without_price", pair=str(pair), credential=str(credential_id))
        return None
    user_id = (guards or standing)[0].user_id
    steps = _plan(Scene(credential_id, user_id, pair, market, ticker, venue.features, now()))
    for order in steps.cancel:
        cancel(order, venue=venue, now=now)
    sent = [order for rows in steps.send for order in _sent(rows, venue, now)]
    if any(order.status == OrderStatus.REJECTED for order in sent):
        return _lower(ticker, venue.ticker(pair))
    return ticker if steps.cancel or any(map(_tells, sent)) else None


def _lower(known: Ticker, told: Ticker) -> Ticker:
    """The prices after a refusal. An exchange refuses a stop that its last price has passed already: had the stop stood
    there it would have sold, so its last price counts as the bid."""
    prices = [price for price in (known.bid, told.bid, told.last) if usable(price)]
    return replace(known, bid=min(prices, default=known.bid))


def _plan(scene: Scene) -> Steps:
    try:
        with transaction.atomic(durable=True):
            return guard_plan.plan(replace(scene, sequence=lock(scene.credential_id, scene.user_id)))
    except IntegrityError:
        log.info("guards_overtaken", pair=str(scene.pair))
        return Steps()


def _sent(rows: tuple[Order, ...], venue: Venue, now: Clock) -> list[Order]:
    """Send an order or a pair; what became of it."""
    if len(rows) > 1:
        return send_pair(rows[0], rows[1], venue=venue, now=now)
    order = send(rows[0], venue=venue, now=now)
    if order.replaces:
        _left(order, venue, now)
    return [order]


def _tells(order: Order) -> bool:
    """Whether what there is to guard may have changed by it."""
    return bool(order.replaces) or order.status in _TELLING


def _left(order: Order, venue: Venue, now: Clock) -> None:
    """After a replacement: how the order ended whose place was taken, or whether it still stands."""
    old = Order.objects.select_related("command").filter(client_id=order.replaces).first()
    if old is not None and old.status in LIVE:
        ask(old, venue=venue, now=now)
