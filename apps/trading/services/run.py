"""One command from arrival to its end, continued from wherever it stands."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import structlog
from django.db import transaction

from apps.trading.domain import protection
from apps.trading.domain.inputs import unfit
from apps.trading.domain.sizing import Denial
from apps.trading.domain.states import IN_DOUBT, LIVE, TERMINAL, WORKING, CommandState, OrderStatus
from apps.trading.models import Command, Order, Position
from apps.trading.services import guard_plan, guards
from apps.trading.services.book import conclude, may_try_again
from apps.trading.services.decide import attempted, conditions, decide, look, refusal
from apps.trading.services.intake import Arrival, close, put_off, receive, store
from apps.trading.services.outcomes import EXIT_GRACE, PROOF_AFTER, Clock, Outcome, Overtaken, lock, outcome
from apps.trading.services.reads import Before, before
from apps.trading.services.submit import LANES, ask, send
from tradebot.contracts.errors import InvalidField, VenueError, VenueUnavailable
from tradebot.contracts.lanes import using
from tradebot.contracts.messages import TradeCommand
from tradebot.contracts.ports import Venue
from tradebot.contracts.values import ZERO, Leg, Pair

Permit = Callable[[Command], Denial | None]
log = structlog.get_logger(__name__)


def allowed(command: Command) -> Denial | None:
    """The permit that forbids nothing."""
    return None


def execute(
    *, command: TradeCommand, venue: Venue, now: Clock, permit: Permit = allowed, known: Arrival | None = None
) -> Outcome:
    """Carry `command` out once, however often it is delivered.

    What was already decided is not decided again; an order whose answer is missing is asked about, never resent.
    `permit` is asked before a new attempt of an entry that was tried before; `known` is what `arrival` said just now.
    Raises VenueUnavailable when the venue could not be asked and nothing was placed: the same call may come again.
    """
    with using(LANES[command.leg]):
        arrived = receive(command, now(), known)
        try:
            if arrived.stored:
                return carry_on(arrived.row, venue=venue, now=now, permit=permit)
            if denial := unfit(command.amount):
                return _denied(arrived.row, denial, 1, venue, now)
            return _start(arrived.row, venue, now, arrived.before)
        except VenueUnavailable as error:
            # As it came: the row at hand may carry a decision that was rolled back.
            put_off(receive(command, now()).row, error.reason)
            raise


def carry_on(command: Command, *, venue: Venue, now: Clock, permit: Permit = allowed) -> Outcome:
    """Take a stored command further. Raises VenueUnavailable as `execute` does."""
    with using(LANES[Leg(command.leg)]):
        return _carry_on(command, venue, now, permit)


def _carry_on(command: Command, venue: Venue, now: Clock, permit: Permit) -> Outcome:
    if command.state not in WORKING:
        return outcome(command, _last(command))
    if command.leg == Leg.PROTECT:
        return _protect(command, venue, now)
    order = _last(command)
    if order is None:
        return _start(command, venue, now, before(command.credential_id, command.user_id))
    order = _further(order, venue, now)
    if may_try_again(order, now()):
        return _again(order, venue, now, permit)
    if order.status in TERMINAL and order.command.state in WORKING:
        return _finished(order, venue, now)
    return _ended(order, venue, now)


def _again(order: Order, venue: Venue, now: Clock, permit: Permit) -> Outcome:
    """A new attempt, if what allowed the last one still holds: keys and permissions may have changed since."""
    denial = permit(order.command) if order.leg == Leg.ENTRY else None
    if denial is not None:
        return refuse(order.command, denial, venue=venue, now=now)
    return _attempt(order.command, order.attempt + 1, venue, now, before(order.credential_id, order.user_id))


def refuse(command: Command, denial: Denial, *, venue: Venue, now: Clock) -> Outcome:
    """Make no further attempt, because of `denial`; one that is under way goes on."""
    last = _last(command)
    if last is not None and last.status in LIVE:
        return outcome(command, last)
    return _denied(command, denial, last.attempt + 1 if last else 1, venue, now)


def _finished(order: Order, venue: Venue, now: Clock) -> Outcome:
    """The command ends as its last order did."""
    try:
        _close(order.command, CommandState.DONE, order.status.lower(), order.reason, attempt=order.attempt + 1, now=now)
    except Overtaken:
        return _overtaken(order.command, venue, now)
    return _ended(order, venue, now)


def _last(command: Command) -> Order | None:
    return command.orders.select_related("command").order_by("-attempt").first()


def _further(order: Order, venue: Venue, now: Clock) -> Order:
    if order.status == OrderStatus.INTENT:
        return _release_and_send(order, venue, now)
    return ask(order, venue=venue, now=now) if order.status in LIVE else order


# --- a new attempt ---------------------------------------------------------------------------------------------------


def _start(command: Command, venue: Venue, now: Clock, known: Before) -> Outcome:
    if command.leg == Leg.PROTECT:
        return _protect(store(command), venue, now)
    return _attempt(command, 1, venue, now, known)


def _attempt(command: Command, number: int, venue: Venue, now: Clock, known: Before) -> Outcome:
    seen = refusal(command, now()) or look(venue, command, known)
    if isinstance(seen, Denial):
        return _denied(command, seen, number, venue, now)
    try:
        order = decide(command, seen, number, now())
    except Overtaken:
        return _overtaken(command, venue, now)
    if order is None:
        return outcome(command)
    order = _release_and_send(order, venue, now) if order.status == OrderStatus.INTENT else _send(order, venue, now)
    return _ended(order, venue, now)


def _overtaken(command: Command, venue: Venue, now: Clock) -> Outcome:
    """Another process stored or decided the command first: go on from what it left."""
    log.info("command_overtaken", command=str(command.pk))
    stored = Command.objects.filter(pk=command.pk).first()
    if stored is None:
        raise InvalidField("credential_id", "its user or its credential does not exist")
    return carry_on(stored, venue=venue, now=now)


def _denied(command: Command, denial: Denial, number: int, venue: Venue, now: Clock) -> Outcome:
    told = {**command.decision, "attempt": number, "denied": {"code": denial.code, "reason": denial.reason}}
    try:
        return outcome(
            _close(command, CommandState.DENIED, denial.code, denial.reason, attempt=number, now=now, decision=told)
        )
    except Overtaken:
        return _overtaken(command, venue, now)


def _close(
    command: Command, state: CommandState, code: str, reason: str, *, attempt: int, now: Clock, **more: Any
) -> Command:
    """`close`, unless somebody made `attempt` meanwhile. Raises Overtaken then."""
    if command._state.adding:
        return close(command, state, code, reason, now(), **more)
    with transaction.atomic(durable=True):
        lock(command.credential_id, command.user_id)
        if attempted(command, attempt):
            raise Overtaken
        return close(command, state, code, reason, now(), **more)


def _send(order: Order, venue: Venue, now: Clock) -> Order:
    return send(order, venue=venue, now=now)


def _release_and_send(order: Order, venue: Venue, now: Clock) -> Order:
    """Make our own stops leave the coins that `order` sells, then send it. Raises VenueUnavailable: still INTENT."""
    if now() > order.command.expires_at + EXIT_GRACE:
        return conclude(order, OrderStatus.NOT_PLACED, _too_late(order), now())
    guards.keep(venue=venue, credential_id=order.credential_id, pair=order.pair, now=now)
    row, mine = _begin(order, now)
    return _send(row, venue, now) if mine else row


def _too_late(order: Order) -> str:
    return f"its signal expired at {order.command.expires_at:%Y-%m-%d %H:%M:%S} UTC, before it could be sent"


def _begin(order: Order, now: Clock) -> tuple[Order, bool]:
    """INTENT -> SUBMITTING if the coins are still there; whether this call did it.

    Raises VenueUnavailable while a stop of ours may still hold them: sold twice, one of both would be refused.
    """
    with transaction.atomic(durable=True):
        sequence = lock(order.credential_id, order.user_id)
        row = Order.objects.select_related("command").get(pk=order.pk)
        if row.status != OrderStatus.INTENT:
            return row, False
        held = _held(row)
        if enough := held >= row.amount:
            stops = guard_plan.standing(row.credential_id, Pair.parse(row.pair))
            if held - guard_plan.locked(stops) < row.amount:
                raise VenueUnavailable("a stop of ours still holds the coins, or may do so")
            moment = now()
            row.status, row.sequence = OrderStatus.SUBMITTING.value, sequence
            row.submitted_at, row.deadline, row.updated_at = moment, moment + PROOF_AFTER, moment
            row.save()
    return (row, True) if enough else (_gone(row, now), False)


def _held(order: Order) -> Decimal:
    pair = Pair.parse(order.pair)
    position = Position.objects.filter(credential_id=order.credential_id, coin=pair.base, quote=pair.quote)
    return position.values_list("amount", flat=True).first() or ZERO


def _gone(order: Order, now: Clock) -> Order:
    return conclude(order, OrderStatus.NOT_PLACED, "a stop sold the coins first", now())


# --- afterwards ------------------------------------------------------------------------------------------------------


def _ended(order: Order, venue: Venue, now: Clock) -> Outcome:
    """Protect what the order left, and say where its command stands."""
    if _concerns_guards(order):
        _keep(order.command, venue, now)
    return outcome(order.command, order, retry=may_try_again(order, now()))


def _concerns_guards(order: Order) -> bool:
    if order.status in IN_DOUBT:
        return False
    return order.leg == Leg.EXIT or (order.filled > 0 and bool(protection.terms(conditions(order.command))))


def _keep(command: Command, venue: Venue, now: Clock) -> None:
    """The order is booked whatever happens to its guards: the reconciler goes on with them."""
    try:
        guards.keep(venue=venue, credential_id=command.credential_id, pair=command.pair, now=now)
    except VenueError as error:
        log.warning("guards_put_off", command=str(command.pk), reason=error.reason)


def _protect(command: Command, venue: Venue, now: Clock) -> Outcome:
    terms = protection.terms(conditions(command))
    if isinstance(terms, Denial) or not terms:
        denial = terms if isinstance(terms, Denial) else Denial("bad_condition", "a guard needs a stop or a profit")
        return _denied(command, denial, 1, venue, now)
    guards.keep(venue=venue, credential_id=command.credential_id, pair=command.pair, now=now)
    command.refresh_from_db()
    return outcome(command, _last(command))
