"""The wire: an order is sent once, and after any doubt it is only asked about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog
from django.db.models import Q

from apps.trading.domain.states import AT_VENUE, IN_DOUBT, LIVE, TERMINAL, Absence, OrderStatus, absence
from apps.trading.models import AlertKind, Order
from apps.trading.services import alerts, proof
from apps.trading.services.book import conclude
from apps.trading.services.hearing import hear
from apps.trading.services.outcomes import PROOF_MISSES, SEND_WITHIN, Clock
from apps.trading.services.purse import purse
from tradebot.contracts.errors import VenueError, VenueRejected, VenueUnavailable
from tradebot.contracts.lanes import Lane, using
from tradebot.contracts.ports import OrderRequest, Venue, VenueFill, VenueOrder
from tradebot.contracts.values import Action, Leg, OrderType, Pair

LANES = {Leg.ENTRY: Lane.ENTRY, Leg.EXIT: Lane.EXIT, Leg.PROTECT: Lane.PROTECT}
STOP_LINGERS = timedelta(minutes=1)
"""How long after our stop has changed a refused sale may still have been its doing."""
SEARCH_EVERY = 10
"""Once a person has been asked about an order, all lists are searched at every tenth miss only."""

_LOST = "its answer was lost"
log = structlog.get_logger(__name__)

# --- sending ---------------------------------------------------------------------------------------------------------


def send(order: Order, *, venue: Venue, now: Clock) -> Order:
    """Place `order`, whose SUBMITTING row this process has just committed, and book the answer. One that names another
    in `replaces` takes its place in one step."""

    def wire() -> tuple[VenueOrder, ...]:
        if order.replaces:
            return (venue.replace(Pair.parse(order.pair), order.replaces, _request(order)),)
        return (venue.place(_request(order)),)

    return _sent([order], wire, venue=venue, now=now)[0]


def send_pair(stop: Order, profit: Order, *, venue: Venue, now: Clock) -> list[Order]:
    """Place both as one (OCO); else as `send`."""
    return _sent([stop, profit], lambda: venue.place_oco(_request(stop), _request(profit)), venue=venue, now=now)


def _beside_a_stop(order: Order, now: datetime) -> bool:
    """Whether a stop of ours may have held the coins of a sale when it was refused: nothing was placed, so
    another attempt may follow once the stop has made room."""
    if order.leg != Leg.EXIT:
        return False
    stops = Order.objects.filter(credential_id=order.credential_id, pair=order.pair, leg=Leg.PROTECT.value)
    lately = Q(status__in=[status.value for status in LIVE]) | Q(updated_at__gt=now - STOP_LINGERS)
    return stops.filter(lately).exists()


def _sent(
    orders: Sequence[Order], wire: Callable[[], tuple[VenueOrder, ...]], *, venue: Venue, now: Clock
) -> list[Order]:
    if any(order.submitted_at is None or now() - order.submitted_at > SEND_WITHIN for order in orders):
        return _all(orders, OrderStatus.NOT_PLACED, "it waited too long to be sent", now)
    try:
        with using(LANES[Leg(orders[0].leg)]):
            reports = wire()
    except VenueRejected as error:
        purse.forget(orders[0].credential_id)
        status = OrderStatus.NOT_PLACED if _beside_a_stop(orders[0], now()) else OrderStatus.REJECTED
        return _all(orders, status, _said(error), now)
    except VenueUnavailable as error:
        return _all(orders, OrderStatus.NOT_PLACED, _said(error), now)
    except Exception as error:  # noqa: BLE001 - whatever else happened, the order may be at the venue
        return _doubt(orders, error, venue=venue, now=now)
    return [absorb(row, report, venue=venue, now=now) for row, report in zip(orders, reports, strict=True)]


def _all(orders: Sequence[Order], status: OrderStatus, reason: str, now: Clock) -> list[Order]:
    return [conclude(order, status, reason, now()) for order in orders]


def _request(order: Order) -> OrderRequest:
    return OrderRequest(
        submitted_at=order.submitted_at,
        client_id=order.client_id,
        pair=Pair.parse(order.pair),
        side=Action(order.side),
        type=OrderType(order.type),
        amount=order.amount,
        price=order.price,
        stop_price=order.stop_price,
        trail=order.trail,
    )


def _said(error: VenueError) -> str:
    return f"{error.code} {error.reason}".strip()


def _doubt(orders: Sequence[Order], error: Exception, *, venue: Venue, now: Clock) -> list[Order]:
    """UNKNOWN, first of all. What did not come from the wire (our time is over, a bug) then goes on its way up: the
    command comes again, finds the row and asks."""
    log.warning("order_unknown", orders=[str(order.pk) for order in orders], error=type(error).__name__)
    reason = _said(error) if isinstance(error, VenueError) else type(error).__name__
    rows = _all(orders, OrderStatus.UNKNOWN, f"{_LOST}: {reason}", now)
    if not isinstance(error, VenueError | OSError):
        raise error
    return [ask(row, venue=venue, now=now) for row in rows]


# --- asking ----------------------------------------------------------------------------------------------------------


def ask(order: Order, *, venue: Venue, now: Clock) -> Order:
    """Look an order up and book what is found.

    Not found proves nothing before its deadline and several misses over every list the venue has; then it is
    NOT_PLACED. Where the venue can't prove it, it stays UNKNOWN and a person is asked. A venue that can't be asked
    leaves everything as it is.
    """
    try:
        with using(Lane.RECONCILE):
            found = _found(order, venue)
            searched = None if found or not _search_is_due(order) else proof.search(order, venue)
            report = found or (searched.report if searched else None)
            if report is not None:
                return absorb(order, report, venue=venue, now=now)
    except VenueError as error:
        log.info("order_not_asked", order=str(order.pk), error=type(error).__name__)
        return order
    return _missed(order, searched, venue, now)


def _found(order: Order, venue: Venue) -> VenueOrder | None:
    pair = Pair.parse(order.pair)
    known = venue.find(pair, order.client_id)
    return known or next((report for report in venue.open_orders(pair) if proof.is_of(order, report)), None)


def _search_is_due(order: Order) -> bool:
    """The first miss follows at the heels of the order itself, when no list can know it yet."""
    misses = order.misses
    return misses > 0 and (misses <= 3 * PROOF_MISSES or bool(order.venue_order_id) or misses % SEARCH_EVERY == 0)


def _missed(order: Order, searched: proof.Search | None, venue: Venue, now: Clock) -> Order:
    if order.status in TERMINAL:
        return order
    same_keys = proof.same_keys(order)
    verdict = absence(
        misses=order.misses + 1 if searched else 0,
        needed=PROOF_MISSES,
        overdue=order.deadline is not None and now() > order.deadline,
        proves=venue.features.proves_absence and same_keys,
        explained=searched is not None and not searched.unexplained,
    )
    if verdict == Absence.PROVEN:
        return _absent(order, now)
    if verdict == Absence.UNDECIDABLE and searched is not None:
        _ask_a_person(order, searched, now, same_keys=same_keys)
    status = OrderStatus(order.status) if order.status in AT_VENUE else OrderStatus.UNKNOWN
    return conclude(order, status, order.reason or _LOST, now(), missed=True)


def _absent(order: Order, now: Clock) -> Order:
    if order.status in IN_DOUBT:
        return conclude(order, OrderStatus.NOT_PLACED, "the exchange never saw it", now(), missed=True)
    gone = "the exchange no longer knows it, and no list tells of a trade that is not booked"
    alerts.tell(alerts.about(order, AlertKind.VANISHED, f"the order stood there, and now {gone}"), now())
    return conclude(order, OrderStatus.CANCELED, gone, now(), missed=True)


def _ask_a_person(order: Order, searched: proof.Search, now: Clock, *, same_keys: bool) -> None:
    why = "the exchange's lists can't prove it"
    if not same_keys:
        why = "the account's keys were replaced since it was sent"
    elif searched.unexplained:
        why = f"trades of unknown orders may be its own: {', '.join(searched.unexplained[:5])}"
    kind = AlertKind.UNPROVEN if order.status in IN_DOUBT else AlertKind.VANISHED
    message = (
        f"{order.side} {order.amount.normalize():f} {order.pair} of {order.submitted_at:%Y-%m-%d %H:%M:%S} UTC: nobody "
        f"can say whether it is at {order.exchange}, because {why}. Look there, and say here what you found."
    )
    alerts.tell(alerts.about(order, kind, message, unexplained=list(searched.unexplained)), now())


# --- booking ---------------------------------------------------------------------------------------------------------


def absorb(order: Order, report: VenueOrder, *, venue: Venue, now: Clock) -> Order:
    """Book `report`, with the fills it came without fetched first."""
    row = hear(order, report, _fills(order, report, venue), now())
    if row.misses and row.status in AT_VENUE:
        # Misses count in a row only: an order that stands for weeks must not end by three bad answers.
        Order.objects.filter(pk=row.pk).update(misses=0)
    return row


def _fills(order: Order, report: VenueOrder, venue: Venue) -> tuple[VenueFill, ...]:
    told = sum(fill.amount for fill in report.fills)
    if report.filled <= order.filled or told >= report.filled:
        return tuple(report.fills)
    try:
        return tuple(venue.fills(Pair.parse(order.pair), report.venue_order_id))
    except VenueError as error:
        log.info("fills_not_read", order=str(order.pk), error=type(error).__name__)
        return tuple(report.fills)


def cancel(order: Order, *, venue: Venue, now: Clock) -> Order:
    """Cancel an order at the venue and book how it ended: it may have filled first. Raises VenueUnavailable."""
    pair = Pair.parse(order.pair)
    with using(Lane.PROTECT):
        try:
            report = venue.cancel(pair, order.client_id) or venue.find(pair, order.client_id)
        except VenueRejected:
            report = venue.find(pair, order.client_id)
        return order if report is None else absorb(order, report, venue=venue, now=now)
