"""Booking what a venue said: fills once, orders forward only, positions and reservations, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Sum

from apps.trading.domain import protection
from apps.trading.domain.numbers import exact, plain, stored
from apps.trading.domain.positions import Holding, Trade, after
from apps.trading.domain.states import LIVE, TERMINAL, WORKING, CommandState, OrderStatus, Progress, may_follow, merge
from apps.trading.models import Command, ExecutionReport, Fill, Order, Position
from apps.trading.services import reads
from apps.trading.services.decide import conditions
from apps.trading.services.outcomes import MAX_ATTEMPTS, command_id, lock
from apps.trading.services.writes import Write, insert, together, update
from tradebot.contracts.ports import VenueFill, VenueOrder
from tradebot.contracts.values import ZERO, Action, AmountType, ConditionKind, Leg, Pair

_CHANGING = (
    "status", "venue_order_id", "filled", "average", "fee", "reason", "misses", "reserved_quote", "reserved_base",
    "acked_at", "sequence", "updated_at",
)  # fmt: skip
_BOOKED = ("amount", "cost_quote", "realised_quote", "entered_at", "updated_at")
_WORKING = [state.value for state in WORKING]
_END = "UPDATE trading_command SET state = %s, code = %s, reason = %s WHERE id = %s AND state = ANY(%s)"
MOST_MISSES = 30_000
"""Where counting stops: an order that a person is asked about may be missed for weeks."""
_GUARDING = (ConditionKind.STOP_LOSS, ConditionKind.TAKE_PROFIT, ConditionKind.TRAILING_STOP)


# --- a venue's report ------------------------------------------------------------------------------------------------


def book(order: Order, report: VenueOrder, fills: Sequence[VenueFill], now: datetime) -> Order:
    """Merge `report` and its `fills` (all that are known) into the rows; saying it twice changes nothing.

    An order never gets ahead of its fills: without all of them it stays open, so that it is asked about again.
    """
    with transaction.atomic(durable=True):
        pair = Pair.parse(order.pair)
        sequence, position = reads.locked_position(order.credential_id, order.user_id, pair.base, pair.quote)
        row = _current(order, sequence)
        new = _unknown(row, fills)
        before, left = row.status, row.amount - row.filled
        booked = _book_fills(row, position or _nothing_held(row), new, now) if new else []
        _progress(row, report, now)
        if new or row.status != before or not row.venue_order_id:
            row.venue_order_id = report.venue_order_id
            row.acked_at = row.acked_at or now
            _release(row, left)
            _close(row, sequence, now, _reported(row, new), booked)
        return row


def _current(order: Order, sequence: int) -> Order:
    """The order as it is stored now, its account being locked with the count `sequence`.

    Every change of an order notes the account's count: if this lock got the very next one, nothing happened since.
    """
    if sequence == order.sequence + 1:
        return order
    return Order.objects.select_related("command").get(pk=order.pk)


def _unknown(row: Order, fills: Sequence[VenueFill]) -> list[VenueFill]:
    known = set(row.fills.values_list("trade_id", flat=True)) if row.filled else set()
    return sorted({fill.trade_id: fill for fill in fills if fill.trade_id not in known}.values(), key=_in_time)


def _in_time(fill: VenueFill) -> tuple[datetime, str]:
    return fill.at, fill.trade_id


def _book_fills(row: Order, position: Position, fills: Sequence[VenueFill], now: datetime) -> list[Write]:
    """Reckon `fills` into `row` and `position`; what is to be written of them."""
    rows = [_book_fill(row, position, fill) for fill in fills]
    position.updated_at = now
    if row.leg == Leg.ENTRY:
        _guard_entry(row, sum((_net(row, fill) for fill in fills), ZERO), position.amount, now)
    held = insert(position) if position.pk is None else update(position, _BOOKED)
    return [*map(insert, rows), held]


def _nothing_held(row: Order) -> Position:
    pair = Pair.parse(row.pair)
    return Position(credential_id=row.credential_id, user_id=row.user_id, coin=pair.base, quote=pair.quote)


@exact
def _book_fill(row: Order, position: Position, fill: VenueFill) -> Fill:
    held = Holding(position.amount, position.cost_quote, position.realised_quote)
    new = after(held, _trade(row, fill))
    position.amount, position.cost_quote, position.realised_quote = new.amount, new.cost, new.realised
    if row.side == Action.BUY:
        position.entered_at = max(position.entered_at or fill.at, fill.at)
    cost = (row.average or ZERO) * row.filled + fill.price * fill.amount
    row.average = stored(cost / (row.filled + fill.amount))
    row.filled += fill.amount
    paid = Decimal(row.fee.get(fill.fee_currency, "0")) + fill.fee
    row.fee = {**row.fee, fill.fee_currency: plain(paid)} if fill.fee else row.fee
    return _fill(row, fill, new.realised - held.realised)


def _trade(row: Order, fill: VenueFill) -> Trade:
    return Trade(Pair.parse(row.pair), Action(row.side), fill.amount, fill.price, fill.fee, fill.fee_currency)


def _net(row: Order, fill: VenueFill) -> Decimal:
    """Coins that a bought fill really brought."""
    return fill.amount - _trade(row, fill).base_fee


def _fill(row: Order, fill: VenueFill, realised: Decimal) -> Fill:
    return Fill(
        order=row,
        user_id=row.user_id,
        credential_id=row.credential_id,
        pair=row.pair,
        trade_id=fill.trade_id,
        venue_order_id=fill.venue_order_id,
        side=row.side,
        amount=fill.amount,
        price=fill.price,
        fee=fill.fee,
        fee_currency=fill.fee_currency,
        realised_quote=realised,
        at=fill.at,
    )


def _progress(row: Order, report: VenueOrder, now: datetime) -> None:
    missing = min(report.filled, row.amount) > row.filled
    status = "open" if missing else report.status
    row.status = merge(Progress(OrderStatus(row.status), row.filled), status, row.filled, row.amount).status.value


def _reported(row: Order, fills: Sequence[VenueFill]) -> dict[str, Any]:
    return {
        "filled": plain(row.filled),
        "average": plain(row.average),
        "venue_order_id": row.venue_order_id,
        "trades": [fill.trade_id for fill in fills],
    }


# --- what we conclude ourselves --------------------------------------------------------------------------------------


def conclude(order: Order, status: OrderStatus, reason: str, now: datetime, *, missed: bool = False) -> Order:
    """Note an end or a doubt that came without a report: REJECTED, NOT_PLACED or UNKNOWN. `missed`: the venue was asked
    and did not know it. A row that meanwhile went where `status` can't follow stays as it is."""
    with transaction.atomic(durable=True):
        return concluded(order, status, reason, now, missed=missed)


def concluded(order: Order, status: OrderStatus, reason: str, now: datetime, *, missed: bool = False) -> Order:
    """As `conclude`, as a part of the caller's own transaction."""
    with transaction.atomic():
        sequence = lock(order.credential_id, order.user_id)
        row = _current(order, sequence)
        if row.status in TERMINAL or not may_follow(OrderStatus(row.status), status):
            return row
        changed = row.status != status
        row.status, row.reason, row.misses = status.value, reason[:500], min(row.misses + missed, MOST_MISSES)
        if changed:
            _release(row, row.amount - row.filled)
            _close(row, sequence, now, {"reason": reason[:500]})
        else:
            row.save(update_fields=["reason", "misses"])
        return row


# --- closing ---------------------------------------------------------------------------------------------------------


def _close(row: Order, sequence: int, now: datetime, told: dict[str, Any], booked: Sequence[Write] = ()) -> None:
    """Write `row` with its report, what was `booked` for it, and what follows for its command."""
    row.sequence, row.updated_at = sequence, now
    report = ExecutionReport(order=row, kind=row.status, data=told, at=now)
    together(*booked, update(row, _CHANGING), insert(report), *_ended(row, now))
    if row.status in TERMINAL and row.leg == Leg.EXIT and row.filled > 0:
        _guard_rest(row, now)


@exact
def _release(row: Order, before: Decimal) -> None:
    """Keep reserved only what is still open of an order of which `before` was open until now."""
    left = row.amount - row.filled if row.status in LIVE else ZERO
    row.reserved_base = left if row.side == Action.SELL and row.oco in {None, row.pk} else ZERO
    row.reserved_quote = stored(row.reserved_quote * left / before) if before > 0 else ZERO


def _ended(row: Order, now: datetime) -> list[Write]:
    """The end of the order's command, if the order's own end is that."""
    if row.status not in TERMINAL:
        return []
    if row.leg == Leg.PROTECT:
        return [_end(row.command, "triggered", "the guard sold")] if _sold_out(row) else []
    return [] if may_try_again(row, now) else [_end(row.command, row.status.lower(), row.reason)]


@exact
def _sold_out(row: Order) -> bool:
    """Whether a guard sold all that it guards; of what a smaller order left, `guards.keep` takes care."""
    command = row.command
    if row.status != OrderStatus.FILLED or command.amount_type != AmountType.FIXED:
        return False
    earlier = command.orders.exclude(pk=row.pk).aggregate(total=Sum("filled"))["total"] or ZERO
    guarded = Command.objects.values_list("amount", flat=True).get(pk=command.pk)
    return bool(earlier + row.filled >= guarded)


def may_try_again(row: Order, now: datetime) -> bool:
    """Whether a new attempt may follow: it is proven absent, attempts are left and the signal is fresh."""
    return row.status == OrderStatus.NOT_PLACED and row.attempt < MAX_ATTEMPTS and now <= row.command.expires_at


def _end(command: Command, code: str, reason: str) -> Write:
    command.state, command.code, command.reason = CommandState.DONE.value, code, reason
    return Write(_END, [command.state, code, reason, command.pk, _WORKING], must=False)


# --- guards that follow from fills -----------------------------------------------------------------------------------


@exact
def _guard_entry(row: Order, bought: Decimal, held: Decimal, now: datetime) -> None:
    """The entry's guard covers what it bought so far, of which `bought` is new in what is now `held`."""
    if not protection.terms(conditions(row.command)):
        return None
    guard = _guard_of(row)
    if guard is None:
        return _guard(row, bought, row.average or ZERO, now)
    if guard.state in WORKING:
        return _cover(guard, guard.amount + bought)
    sold = sold_by(guard)
    left = ZERO if guard.code == "superseded" else max(min(guard.amount - sold, held - bought), ZERO)
    return _cover(guard, sold + left + bought)


def _guard_of(row: Order) -> Command | None:
    key = command_id(row.command.strategy_id, row.command.signal_id, Leg.PROTECT)
    return Command.objects.filter(pk=key).first()


def sold_by(guard: Command) -> Decimal:
    """Coins that the orders of `guard` sold so far."""
    return guard.orders.aggregate(total=Sum("filled"))["total"] or ZERO


def _cover(guard: Command, amount: Decimal) -> None:
    """Let `guard` cover `amount`, sold coins included: one that had ended stands up again."""
    guard.amount = stored(amount)
    if guard.state not in WORKING:
        guard.state, guard.code, guard.reason = CommandState.RECEIVED.value, "", ""
    guard.save(update_fields=["amount", "state", "code", "reason"])


def _guard_rest(row: Order, now: datetime) -> None:
    """After a sale with a stop: one guard for all that remains, instead of those before."""
    terms = protection.terms(conditions(row.command))
    pair = Pair.parse(row.pair)
    left = reads.position(row.credential_id, pair.base, pair.quote)
    rest = left.amount if left else ZERO
    if not terms or rest <= 0:
        return None
    older = Command.objects.filter(
        credential_id=row.credential_id, pair=row.pair, leg=Leg.PROTECT.value, state__in=[s.value for s in WORKING]
    )
    key = command_id(row.command.strategy_id, row.command.signal_id, Leg.PROTECT)
    older.exclude(pk=key).update(
        state=CommandState.DONE.value, code="superseded", reason=f"guarded since then by {key}"
    )
    price = Decimal(row.command.decision.get("guard_price") or row.average or 0)
    if guard := _guard_of(row):
        return _cover(guard, rest + sold_by(guard))
    return _guard(row, rest, price, now)


def _guard(row: Order, amount: Decimal, price: Decimal, now: datetime) -> None:
    parent = row.command
    Command.objects.create(
        id=command_id(parent.strategy_id, parent.signal_id, Leg.PROTECT),
        user_id=parent.user_id,
        credential_id=parent.credential_id,
        strategy_id=parent.strategy_id,
        signal_id=parent.signal_id,
        exchange=parent.exchange,
        mode=parent.mode,
        leg=Leg.PROTECT.value,
        action=Action.SELL.value,
        pair=parent.pair,
        amount_type=AmountType.FIXED.value,
        amount=amount,
        conditions=[item for item in parent.conditions if item["kind"] in _GUARDING],
        expires_at=parent.expires_at,
        decision={"price": plain(price), "of": str(parent.pk)},
        root_id=parent.root_id,
        stages=parent.stages,
        seen_at=parent.seen_at,
        created_at=now,
    )
