"""What an exchange tells about an order, by whichever way it came: one upsert for REST and streams."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from apps.accounts import selectors as accounts
from apps.trading.domain import protection
from apps.trading.domain.states import TERMINAL, OrderStatus
from apps.trading.models import AlertKind, Order, Position
from apps.trading.services import alerts
from apps.trading.services.alerts import Finding
from apps.trading.services.book import book
from apps.trading.services.decide import conditions
from tradebot.contracts.ports import VenueFill, VenueOrder
from tradebot.contracts.values import ZERO, Leg, Pair

OURS = re.compile(r"^[0-9a-f]{12}5[0-9a-f]{19}$")
"""Our client ids are the hex of a uuid5; nobody else writes them by chance."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a report did. `changed`: rows changed. `guards_due`: call `keep_guards` for this pair, soon."""

    order_id: UUID
    pair: str
    changed: bool
    guards_due: bool


def absorb_report(credential_id: UUID, report: VenueOrder, now: datetime) -> Heard | None:
    """Book what a stream says about an order: its status and the fills it came with. Saying it twice, late or out of
    order changes nothing. None when the order is not ours: then it is noted as an orphan, if its pair is traded here.

    Fills that the report counts but does not carry are fetched by the reconciler: no order gets ahead of its fills.
    """
    row = _row(credential_id, report.client_id, report.venue_order_id, str(report.pair))
    if row is None:
        note_stranger(credential_id, report, now)
        return None
    return _heard(row, report, now)


def absorb_fill(credential_id: UUID, fill: VenueFill, now: datetime, client_id: str = "") -> Heard | None:
    """Book one fill that a stream tells. None when no order of ours has that id (yet): the reconciler fetches what is
    missing, and finds strangers."""
    row = _row(credential_id, client_id, fill.venue_order_id, str(fill.pair))
    if row is None:
        return None
    report = VenueOrder(
        venue_order_id=fill.venue_order_id,
        client_id=row.client_id,
        pair=fill.pair,
        side=fill.side,
        type=row.type,
        status="open",
        amount=row.amount,
        filled=ZERO,
        average=None,
        at=fill.at,
        fills=(fill,),
    )
    return _heard(row, report, now)


def _heard(row: Order, report: VenueOrder, now: datetime) -> Heard:
    before = (row.status, row.filled)
    after = hear(row, report, report.fills, now)
    changed = (after.status, after.filled) != before
    return Heard(after.pk, after.pair, changed, changed and _concerns_guards(after))


def hear(row: Order, report: VenueOrder, fills: Sequence[VenueFill], now: datetime) -> Order:
    """Book `report` with `fills` into `row`, and tell a person when an order goes on that had ended for us."""
    before = (row.status, row.filled)
    after = book(row, report, fills, now)
    if before[0] in TERMINAL and (after.status, after.filled) != before:
        alerts.tell(_late(after, *before), now)
    return after


def _late(row: Order, status: str, filled: Decimal) -> Finding:
    message = (
        f"the order was {status} for us with {filled.normalize():f} filled, and now the exchange tells of "
        f"{row.filled.normalize():f}. It is booked; look whether the position is what it should be."
    )
    return alerts.about(row, AlertKind.LATE, message)


def _row(credential_id: UUID, client_id: str, venue_order_id: str, pair: str) -> Order | None:
    mine = Order.objects.select_related("command").filter(credential_id=credential_id, pair=pair)
    found = mine.filter(client_id=client_id).first() if client_id else None
    return found or (mine.filter(venue_order_id=venue_order_id).first() if venue_order_id else None)


def _concerns_guards(order: Order) -> bool:
    if order.leg == Leg.PROTECT:
        return order.status not in {OrderStatus.OPEN, OrderStatus.SUBMITTING}
    return order.leg == Leg.EXIT or (order.filled > 0 and bool(protection.terms(conditions(order.command))))


# --- orders that are not ours ----------------------------------------------------------------------------------------


def note_stranger(credential_id: UUID, report: VenueOrder, now: datetime) -> bool:
    """Tell once of an order without a row here, on a pair we trade in this account. It is never touched."""
    pair = str(report.pair)
    if not _traded(credential_id, report.pair):
        return False
    account = accounts.credential(credential_id)
    if account is None:
        return False
    ours = bool(OURS.match(report.client_id))
    kind = AlertKind.LOST_ROW if ours else AlertKind.ORPHAN
    finding = Finding(
        kind=kind,
        key=report.venue_order_id or report.client_id,
        credential_id=credential_id,
        user_id=account.user_id,
        pair=pair,
        message=_about_stranger(report, ours=ours),
        data={"client_id": report.client_id, "status": report.status, "at": report.at.isoformat()},
    )
    return alerts.tell(finding, now)


def _traded(credential_id: UUID, pair: Pair) -> bool:
    held = Position.objects.filter(credential_id=credential_id, coin=pair.base, quote=pair.quote, amount__gt=0)
    return held.exists() or Order.objects.filter(credential_id=credential_id, pair=str(pair)).exists()


def _about_stranger(report: VenueOrder, *, ours: bool) -> str:
    what = f"{report.side} {report.amount.normalize():f} {report.pair} {report.status}"
    if ours:
        return f"{what} bears an id of ours, but no row here knows it: was a backup restored? It is left as it is."
    return f"{what} was not made by tradebot: somebody else trades on this account. It is left as it is."
