"""Under the account's lock: which orders of its guards must go, change or come, so that no coin is promised twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Sum

from apps.trading.domain import protection, sizing
from apps.trading.domain.numbers import exact, percent_of, plain, read, stored
from apps.trading.domain.protection import Guard, Standing, Terms, Wanted
from apps.trading.domain.states import AT_VENUE, LIVE, WORKING, CommandState, OrderStatus
from apps.trading.models import Command, Order, Position
from apps.trading.services.book import sold_by
from apps.trading.services.decide import conditions, new_order, now_price
from tradebot.contracts.ports import Features, Market, Ticker
from tradebot.contracts.values import ZERO, AmountType, Leg, OrderType, Pair

LONGEST_WAIT = timedelta(hours=1)
_LIVE = [status.value for status in LIVE]


@dataclass(frozen=True, slots=True)
class Scene:
    """One pair of one account, and what its venue says now and can hold for us."""

    credential_id: UUID
    user_id: UUID
    pair: Pair
    market: Market
    ticker: Ticker
    features: Features
    now: datetime
    sequence: int = 0


@dataclass(slots=True)
class Steps:
    """What a round leads to: orders to cancel, and orders (two: a pair) whose rows stand and are to be sent. `free`:
    coins that no order of ours holds, or may hold."""

    free: Decimal = ZERO
    cancel: list[Order] = field(default_factory=list)
    send: list[tuple[Order, ...]] = field(default_factory=list)


def working(credential_id: UUID, pair: Pair) -> list[Command]:
    """The guards of `pair` that are not at their end, oldest first."""
    found = Command.objects.filter(state__in=[state.value for state in WORKING], leg=Leg.PROTECT.value)
    return list(found.filter(credential_id=credential_id, pair=str(pair)).order_by("created_at", "id"))


def standing(credential_id: UUID, pair: Pair) -> list[Order]:
    """Orders of guards that stand at the venue, or may, in the order they were made."""
    live = Order.objects.filter(status__in=_LIVE, leg=Leg.PROTECT.value)
    return list(live.filter(credential_id=credential_id, pair=str(pair)).order_by("created_at", "attempt"))


def locked(orders: Sequence[Order]) -> Decimal:
    """Coins that these orders may sell."""
    return protection.locked(
        Standing(row.client_id, row.amount - row.filled, row.oco.hex if row.oco else "", row.replaces) for row in orders
    )


def plan(scene: Scene) -> Steps:
    """The next steps; rows of what is to be sent are stored. Only under the account's lock (`scene.sequence`)."""
    guards, live, held = (
        working(scene.credential_id, scene.pair),
        standing(scene.credential_id, scene.pair),
        _held(scene),
    )
    ours = {guard.pk for guard in guards}
    left_over = [order for order in live if order.command_id not in ours]
    pledged = _pledged(scene) + locked(left_over)
    steps = Steps(
        free=held - _pledged(scene) - locked(live), cancel=[row for row in left_over if row.status in AT_VENUE]
    )
    if not pledged:
        _cut(guards, held)
    parts = protection.shares([_asked(guard, held) for guard in guards], held - pledged, scene.market.step)
    for guard, part in zip(guards, parts, strict=True):
        mine = _current([order for order in live if order.command_id == guard.pk])
        _step(scene, guard, steps, mine=mine, part=part, held=held)
    return steps


def _held(scene: Scene) -> Decimal:
    found = Position.objects.filter(
        credential_id=scene.credential_id, coin=scene.pair.base, quote=scene.pair.quote
    ).values_list("amount", flat=True)
    return found.first() or ZERO


def _pledged(scene: Scene) -> Decimal:
    """Coins that running exits are about to sell."""
    exits = Order.objects.filter(
        credential_id=scene.credential_id, pair=str(scene.pair), leg=Leg.EXIT.value, status__in=_LIVE
    )
    return exits.aggregate(total=Sum("reserved_base"))["total"] or ZERO


def _current(orders: list[Order]) -> list[Order]:
    """Without those whose place another one has taken: they are only asked about."""
    taken = {order.replaces for order in orders if order.status in AT_VENUE}
    return [order for order in orders if order.client_id not in taken]


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


# --- one guard -------------------------------------------------------------------------------------------------------


def _step(scene: Scene, guard: Command, steps: Steps, *, mine: list[Order], part: Decimal, held: Decimal) -> None:
    """Note in `steps` what brings `guard` in line, where `part` of what is `held` is its to cover."""
    known = _prices(scene, guard)
    wants = protection.wanted(known, scene.ticker.bid, _offered(scene, guard)) if known else ()
    amount = _fitted(scene, wants, part) if known else ZERO
    if mine:
        if all(order.status in AT_VENUE for order in mine) and not _stands(mine, known, wants, amount):
            _change(scene, guard, steps, mine=mine, wants=wants, amount=amount)
    elif known is None or not _fitted(scene, wants, min(held, _asked(guard, held))):
        _done(guard, scene, held)
    elif wants and amount and amount <= steps.free and not _waiting(guard, wants, scene.now):
        steps.send.append(_placed(scene, guard, wants, amount))
        steps.free -= amount


def _change(
    scene: Scene, guard: Command, steps: Steps, *, mine: list[Order], wants: Sequence[Wanted], amount: Decimal
) -> None:
    """Replace in one step where the venue can; else cancel, and the next round places. A stop is never given up for a
    bigger one whose coins are not free yet, or for an order that the venue refused a moment ago; and neither a sale nor
    bare coins wait for a replacement that the venue refuses."""
    growth = amount - (mine[0].amount - mine[0].filled)
    ready = growth <= max(steps.free, ZERO)
    placeable = growth < 0 or (ready and not _waiting(guard, wants, scene.now))
    replaceable = _replaceable(scene, mine, wants, amount)
    if placeable and (not replaceable or _refused(guard, mine[0])):
        steps.cancel.extend(mine)
    elif replaceable and ready and not _waiting(guard, wants, scene.now, replacing=True):
        steps.send.append(_placed(scene, guard, wants, amount, replaces=mine[0].client_id))
        steps.free -= max(growth, ZERO)


def _replaceable(scene: Scene, mine: list[Order], wants: Sequence[Wanted], amount: Decimal) -> bool:
    single = len(mine) == len(wants) == 1 and mine[0].oco is None and mine[0].status == OrderStatus.OPEN
    return scene.features.replace and single and amount > 0 and wants[0].type != OrderType.MARKET


def _offered(scene: Scene, guard: Command) -> Features:
    """What the venue offers, less what it refused this guard before: a plain stop now is worth more than a better one
    that never comes."""
    refused = guard.orders.filter(status=OrderStatus.REJECTED.value)
    kinds = set(refused.values_list("type", "oco"))
    return replace(
        scene.features,
        oco=scene.features.oco and not any(pair for _, pair in kinds),
        trailing_stop=scene.features.trailing_stop and (OrderType.TRAILING_STOP.value, None) not in kinds,
    )


def _refused(guard: Command, order: Order) -> bool:
    return guard.orders.filter(replaces=order.client_id, status=OrderStatus.REJECTED.value).exists()


def _stands(mine: list[Order], known: Guard | None, wants: Sequence[Wanted], amount: Decimal) -> bool:
    """Whether what stands is what should."""
    if any(order.amount - order.filled != amount for order in mine):
        return False
    if known and len(mine) == 1 and mine[0].type == OrderType.TRAILING_STOP:
        # The venue knows better than we how high the price has been.
        return bool(wants) and known.take is None and mine[0].trail == known.distance
    there = {(order.type, order.stop_price, order.trail) for order in mine}
    return there == {(want.type.value, want.stop_price, want.trail) for want in wants}


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
    return new if new.stop is not None or new.take is not None else None


def _note(guard: Command, scene: Scene, prices: Guard) -> None:
    guard.decision = {**guard.decision, "guard": protection.written(prices)}
    guard.state = CommandState.ORDERED.value
    guard.decided_at = guard.decided_at or scene.now
    guard.save(update_fields=["decision", "state", "decided_at"])


def _fitted(scene: Scene, wants: Sequence[Wanted], amount: Decimal) -> Decimal:
    """`amount` by the market's rules, or zero where it is too little for an order (the smallest of several counts)."""
    fitting = amount
    for want in wants or (protection.SELL_NOW,):
        fitting = sizing.fit(fitting, scene.market, want.type)
        if sizing.too_small(fitting, want.stop_price or scene.ticker.bid, scene.market):
            return ZERO
    return fitting


def _done(guard: Command, scene: Scene, held: Decimal) -> None:
    sold = sold_by(guard)
    left = min(held, max(guard.amount - sold, ZERO))
    guard.decided_at = guard.decided_at or scene.now
    guard.state = CommandState.DONE.value
    guard.code = "triggered" if sold else "too_small" if held > 0 else "nothing_held"
    guard.reason = f"{plain(left)} {scene.pair.base} is left: too little for an order, so nothing can guard it"
    guard.save(update_fields=["state", "code", "reason", "decided_at"])


def _waiting(guard: Command, wants: Sequence[Wanted], now: datetime, *, replacing: bool = False) -> bool:
    """Whether the venue refused such an order so recently that asking again would only be noise."""
    alike = guard.orders.filter(type__in=[want.type.value for want in wants], oco__isnull=len(wants) == 1)
    alike = alike.exclude(replaces="") if replacing else alike.filter(replaces="")
    ended = list(alike.order_by("-attempt").values_list("status", "updated_at")[:10])
    refused = 0
    for status, _ in ended:
        if status != OrderStatus.REJECTED:
            break
        refused += 1
    return refused > 0 and now < ended[0][1] + min(timedelta(minutes=refused * refused), LONGEST_WAIT)


# --- rows ------------------------------------------------------------------------------------------------------------


def _placed(
    scene: Scene, guard: Command, wants: Sequence[Wanted], amount: Decimal, *, replaces: str = ""
) -> tuple[Order, ...]:
    """The rows of the guard's next order or pair, to be sent once this transaction has committed."""
    last = guard.orders.order_by("-attempt").values_list("attempt", flat=True).first() or 0
    rows = [_row(scene, guard, last + 1 + n, want, amount, replaces=replaces) for n, want in enumerate(wants)]
    if len(rows) > 1:
        for row in rows:
            row.oco = rows[0].pk
        rows[1].reserved_base = ZERO
    for row in rows:
        row.save(force_insert=True)
    return tuple(rows)


def _row(scene: Scene, guard: Command, attempt: int, want: Wanted, amount: Decimal, **more: Any) -> Order:
    return new_order(
        guard,
        attempt,
        scene.sequence,
        scene.now,
        type=want.type.value,
        amount=amount,
        stop_price=want.stop_price,
        trail=want.trail,
        reserved_base=amount,
        status=OrderStatus.SUBMITTING.value,
        **more,
    )
