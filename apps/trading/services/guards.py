"""Protection that stays: one standing order per guard, resized as the position changes, re-created when missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Sum

from apps.trading.domain import protection, sizing
from apps.trading.domain.numbers import exact, percent_of, plain, read, stored
from apps.trading.domain.protection import Guard, Terms, Wanted
from apps.trading.domain.states import AT_VENUE, LIVE, WORKING, CommandState, OrderStatus
from apps.trading.models import Command, Order, Position
from apps.trading.services.book import sold_by
from apps.trading.services.decide import conditions, new_order, now_price
from apps.trading.services.outcomes import Clock, lock
from apps.trading.services.submit import cancel, send
from tradebot.contracts.ports import Market, Ticker, Venue
from tradebot.contracts.values import ZERO, AmountType, Leg, Pair

ROUNDS = 4
"""Cancel, place, and twice again if the position changed meanwhile; the reconciler goes on from there."""

LONGEST_WAIT = timedelta(hours=1)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Scene:
    """One pair of one account, and what its venue says now."""

    credential_id: UUID
    user_id: UUID
    pair: Pair
    market: Market
    ticker: Ticker
    now: datetime


@dataclass(slots=True)
class Steps:
    """What a round leads to: orders to cancel, and orders whose rows stand and are to be sent."""

    cancel: list[Order] = field(default_factory=list)
    send: list[Order] = field(default_factory=list)


def keep(*, venue: Venue, credential_id: UUID, pair: str, now: Clock) -> None:
    """Bring the standing orders of `pair` in line with its guards and its position.

    Raises VenueUnavailable when the venue can't be asked: the rows say what is still to be done.
    """
    for _ in range(ROUNDS):
        if not _round(venue, credential_id, Pair.parse(pair), now):
            return


def _round(venue: Venue, credential_id: UUID, pair: Pair, now: Clock) -> bool:
    """One look and the steps that follow; whether another look is due because something was cancelled or sold."""
    guards = _working(credential_id, pair)
    standing = _standing(credential_id, pair)
    if not guards and not standing:
        return False
    market = venue.market(pair)
    ticker = venue.ticker(pair)
    if market is None or sizing.bad_book(ticker):
        log.warning("guards_without_price", pair=str(pair), credential=str(credential_id))
        return False
    user_id = (guards or standing)[0].user_id
    steps = _plan(Scene(credential_id, user_id, pair, market, ticker, now()))
    for order in steps.cancel:
        cancel(order, venue=venue, now=now)
    sent = [send(order, venue=venue, now=now) for order in steps.send]
    return bool(steps.cancel) or any(order.status == OrderStatus.FILLED for order in sent)


def _working(credential_id: UUID, pair: Pair) -> list[Command]:
    working = Command.objects.filter(state__in=[state.value for state in WORKING], leg=Leg.PROTECT.value)
    return list(working.filter(credential_id=credential_id, pair=str(pair)).order_by("created_at", "id"))


def _standing(credential_id: UUID, pair: Pair) -> list[Order]:
    live = Order.objects.filter(status__in=[status.value for status in LIVE], leg=Leg.PROTECT.value)
    return list(live.filter(credential_id=credential_id, pair=str(pair)).order_by("attempt"))


# --- planning, under the lock ----------------------------------------------------------------------------------------


def _plan(scene: Scene) -> Steps:
    try:
        with transaction.atomic(durable=True):
            return _planned(scene, lock(scene.credential_id, scene.user_id))
    except IntegrityError:
        log.info("guards_overtaken", pair=str(scene.pair))
        return Steps()


def _planned(scene: Scene, sequence: int) -> Steps:
    guards = _working(scene.credential_id, scene.pair)
    standing = {order.command_id: order for order in _standing(scene.credential_id, scene.pair)}
    held = _held(scene)
    ours = {guard.pk for guard in guards}
    steps = Steps(cancel=[order for key, order in standing.items() if key not in ours and order.status in AT_VENUE])
    orphaned = sum((order.reserved_base for key, order in standing.items() if key not in ours), ZERO)
    pledged = _pledged(scene) + orphaned
    if not pledged:
        _cut(guards, held)
    parts = protection.shares([_asked(guard, held) for guard in guards], held - pledged, scene.market.step)
    for guard, part in zip(guards, parts, strict=True):
        _step(scene, guard, steps, sequence=sequence, standing=standing.get(guard.pk), part=part, held=held)
    return steps


def _held(scene: Scene) -> Decimal:
    found = Position.objects.filter(
        credential_id=scene.credential_id, coin=scene.pair.base, quote=scene.pair.quote
    ).values_list("amount", flat=True)
    return found.first() or ZERO


def _pledged(scene: Scene) -> Decimal:
    """Coins that running exits are about to sell."""
    exits = Order.objects.filter(
        credential_id=scene.credential_id,
        pair=str(scene.pair),
        leg=Leg.EXIT.value,
        status__in=[status.value for status in LIVE],
    )
    return exits.aggregate(total=Sum("reserved_base"))["total"] or ZERO


@exact
def _asked(guard: Command, held: Decimal) -> Decimal:
    """Coins that `guard` still has to cover."""
    sold = sold_by(guard)
    whole = percent_of(held + sold, guard.amount) if guard.amount_type == AmountType.PERCENTAGE else guard.amount
    return max(whole - sold, ZERO)


@exact
def _cut(guards: Sequence[Command], held: Decimal) -> None:
    """Give up what exits have sold: a guard that triggers must not take what the others have left to guard."""
    asked = [_asked(guard, held) for guard in guards]
    if sum(asked, ZERO) <= held:
        return
    for guard, before, part in zip(guards, asked, protection.shares(asked, held, ZERO), strict=True):
        if guard.amount_type == AmountType.FIXED:
            guard.amount = stored(guard.amount - before + part)
            guard.save(update_fields=["amount"])


def _step(
    scene: Scene,
    guard: Command,
    steps: Steps,
    *,
    sequence: int,
    standing: Order | None,
    part: Decimal,
    held: Decimal,
) -> None:
    """Note in `steps` what brings `guard` in line, where `part` of what is `held` is its to cover."""
    prices = _prices(scene, guard)
    want = protection.wanted(prices, scene.ticker.bid) if prices else None
    amount = _fitted(scene, want, part) if want else ZERO
    if standing is not None:
        if standing.status in AT_VENUE and (want is None or not _same(standing, want, amount)):
            steps.cancel.append(standing)
        return
    if want is None or not _fitted(scene, want, min(held, _asked(guard, held))):
        _done(guard, scene, held)
    elif amount and not _waiting(guard, scene.now):
        steps.send.append(_placed(scene, sequence, guard, want, amount))


def _prices(scene: Scene, guard: Command) -> Guard | None:
    """The guard's prices, reckoned once and trailed since; None when its terms can't be read."""
    if known := guard.decision.get("guard"):
        old = protection.restored(known)
    else:
        terms = protection.terms(conditions(guard))
        if not isinstance(terms, Terms) or not terms:
            return None
        price = read(guard.decision.get("price") or "") or now_price(scene.ticker) or scene.ticker.bid
        old = protection.guard(terms, price, scene.market.tick)
    new = protection.trailed(old, scene.ticker.bid, scene.market.tick)
    if guard.state == CommandState.RECEIVED or new != old:
        _note(guard, scene, new)
    return new


def _note(guard: Command, scene: Scene, prices: Guard) -> None:
    guard.decision = {**guard.decision, "guard": protection.written(prices)}
    guard.state = CommandState.ORDERED.value
    guard.decided_at = guard.decided_at or scene.now
    guard.save(update_fields=["decision", "state", "decided_at"])


def _fitted(scene: Scene, want: Wanted, amount: Decimal) -> Decimal:
    """`amount` by the market's rules, or zero where it is too little to be accepted."""
    fitting = sizing.fit(amount, scene.market, want.type)
    price = want.stop_price or scene.ticker.bid
    return ZERO if sizing.too_small(fitting, price, scene.market) else fitting


def _same(order: Order, want: Wanted, amount: Decimal) -> bool:
    alike = order.type == want.type and order.stop_price == want.stop_price
    return alike and order.amount - order.filled == amount


def _done(guard: Command, scene: Scene, held: Decimal) -> None:
    guard.decided_at = guard.decided_at or scene.now
    guard.state = CommandState.DONE.value
    guard.code = "triggered" if sold_by(guard) else "too_small" if held > 0 else "nothing_held"
    guard.reason = f"{plain(held)} {scene.pair.base} is held: too little for an order, so nothing can guard it"
    guard.save(update_fields=["state", "code", "reason", "decided_at"])


def _waiting(guard: Command, now: datetime) -> bool:
    """Whether the venue refused this guard so recently that asking again would only be noise."""
    ended = list(guard.orders.order_by("-attempt").values_list("status", "updated_at")[:10])
    refused = 0
    for status, _ in ended:
        if status != OrderStatus.REJECTED:
            break
        refused += 1
    return refused > 0 and now < ended[0][1] + min(timedelta(minutes=refused * refused), LONGEST_WAIT)


def _placed(scene: Scene, sequence: int, guard: Command, want: Wanted, amount: Decimal) -> Order:
    """The row of the guard's next order, to be sent once this transaction has committed."""
    last = guard.orders.order_by("-attempt").values_list("attempt", flat=True).first() or 0
    order = new_order(
        guard,
        last + 1,
        sequence,
        scene.now,
        type=want.type.value,
        amount=amount,
        stop_price=want.stop_price,
        reserved_base=amount,
        status=OrderStatus.SUBMITTING.value,
    )
    order.save(force_insert=True)
    return order
