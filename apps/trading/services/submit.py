"""The wire: an order is sent once, and after any doubt it is only asked about."""

from __future__ import annotations

import structlog

from apps.trading.domain.states import IN_DOUBT, OrderStatus
from apps.trading.models import Order
from apps.trading.services.book import book, conclude
from apps.trading.services.outcomes import PROOF_MISSES, SEND_WITHIN, Clock
from tradebot.contracts.errors import VenueError, VenueRejected, VenueUnavailable
from tradebot.contracts.ports import OrderRequest, Venue, VenueFill, VenueOrder
from tradebot.contracts.values import Action, OrderType, Pair

log = structlog.get_logger(__name__)


def send(order: Order, *, venue: Venue, now: Clock) -> Order:
    """Place `order`, whose SUBMITTING row this process has just committed, and book the answer."""
    if order.submitted_at is None or now() - order.submitted_at > SEND_WITHIN:
        return conclude(order, OrderStatus.NOT_PLACED, "it waited too long to be sent", now())
    try:
        report = venue.place(_request(order))
    except VenueRejected as error:
        return conclude(order, OrderStatus.REJECTED, _said(error), now())
    except VenueUnavailable as error:
        return conclude(order, OrderStatus.NOT_PLACED, _said(error), now())
    except Exception as error:  # noqa: BLE001 - whatever else happened, the order may be at the venue
        return _doubt(order, error, venue=venue, now=now)
    return absorb(order, report, venue=venue, now=now)


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
    )


def _said(error: VenueError) -> str:
    return f"{error.code} {error.reason}".strip()


def _doubt(order: Order, error: Exception, *, venue: Venue, now: Clock) -> Order:
    log.warning("order_unknown", order=str(order.pk), error=type(error).__name__)
    reason = _said(error) if isinstance(error, VenueError) else type(error).__name__
    row = conclude(order, OrderStatus.UNKNOWN, f"its answer was lost: {reason}", now())
    return ask(row, venue=venue, now=now)


def ask(order: Order, *, venue: Venue, now: Clock) -> Order:
    """Look an order up by its client id and book what is found.

    Not found proves nothing before its deadline and several misses over two different lists; then it is NOT_PLACED.
    A venue that can't be asked leaves everything as it is.
    """
    pair = Pair.parse(order.pair)
    try:
        report = venue.find(pair, order.client_id) or _among_open(venue, pair, order.client_id)
        if report is not None:
            return absorb(order, report, venue=venue, now=now)
    except VenueError as error:
        log.info("order_not_asked", order=str(order.pk), error=type(error).__name__)
        return order
    return _missed(order, now)


def _among_open(venue: Venue, pair: Pair, client_id: str) -> VenueOrder | None:
    return next((order for order in venue.open_orders(pair) if order.client_id == client_id), None)


def _missed(order: Order, now: Clock) -> Order:
    if order.status not in IN_DOUBT:
        log.error("order_vanished", order=str(order.pk), status=order.status)
        return order
    proven = order.deadline is not None and now() > order.deadline and order.misses + 1 >= PROOF_MISSES
    if proven:
        return conclude(order, OrderStatus.NOT_PLACED, "the exchange never saw it", now(), missed=True)
    return conclude(order, OrderStatus.UNKNOWN, order.reason or "its answer was lost", now(), missed=True)


def absorb(order: Order, report: VenueOrder, *, venue: Venue, now: Clock) -> Order:
    """Book `report`, with the fills it came without fetched first."""
    return book(order, report, _fills(order, report, venue), now())


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
    try:
        report = venue.cancel(pair, order.client_id) or venue.find(pair, order.client_id)
    except VenueRejected:
        report = venue.find(pair, order.client_id)
    return order if report is None else absorb(order, report, venue=venue, now=now)
