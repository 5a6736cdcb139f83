"""All that an account's exchange tells of the pairs we trade, compared with our rows: strangers and late fills."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db.models import F, Q

from apps.trading.domain.states import LIVE, TERMINAL, OrderStatus
from apps.trading.models import Account, Order
from apps.trading.services.hearing import note_stranger
from apps.trading.services.outcomes import Clock
from apps.trading.services.submit import absorb
from tradebot.contracts.errors import VenueError
from tradebot.contracts.ports import Venue, VenueOrder
from tradebot.contracts.values import Pair

SWEEP_EVERY = timedelta(minutes=5)
LOOK_BACK = timedelta(minutes=15)
"""How long after its last change an ended order is still compared: fills may be late."""

OVERLAP = timedelta(minutes=2)
_LIVE = [status.value for status in LIVE]
log = structlog.get_logger(__name__)


def accounts_due(now: datetime) -> list[UUID]:
    """Accounts whose orders changed lately and were not compared since."""
    lately = Account.objects.filter(Q(swept_at=None) | Q(swept_at__lt=now - SWEEP_EVERY), credential__deleted_at=None)
    recent = Order.objects.filter(updated_at__gte=now - LOOK_BACK, updated_at__lt=now - OVERLAP)
    return list(lately.filter(credential__in=recent.values("credential")).values_list("credential_id", flat=True))


def sweep(*, venue: Venue, credential_id: UUID, now: Clock) -> int:
    """Compare every order that the exchange lists since the last sweep; returns how many told something new. A sweep
    that breaks off is done again from where the last one began."""
    began = now()
    account = Account.objects.filter(pk=credential_id).first()
    if account is None or (account.swept_at is not None and began - account.swept_at < SWEEP_EVERY):
        return 0
    since = account.swept_at or began - LOOK_BACK
    try:
        found = sum(_pair(venue, credential_id, Pair.parse(pair), since, now) for pair in _pairs(credential_id, began))
    except VenueError as error:
        log.info("account_not_swept", credential=str(credential_id), error=type(error).__name__)
        return 0
    Account.objects.filter(pk=credential_id).update(swept_at=began - OVERLAP)
    return found


def _pairs(credential_id: UUID, now: datetime) -> list[str]:
    mine = Order.objects.filter(credential_id=credential_id)
    used = mine.filter(Q(status__in=_LIVE) | Q(updated_at__gte=now - LOOK_BACK - SWEEP_EVERY))
    return sorted(set(used.order_by().values_list("pair", flat=True)))


def _pair(venue: Venue, credential_id: UUID, pair: Pair, since: datetime, now: Clock) -> int:
    listed = venue.orders_since(pair, since)
    rows = _rows(credential_id, listed)
    new = 0
    for report in listed:
        row = rows.get(report.client_id) or rows.get(report.venue_order_id)
        if row is None:
            new += note_stranger(credential_id, report, now())
        elif _tells_more(row, report):
            before = (row.status, row.filled)
            after = absorb(row, report, venue=venue, now=now)
            new += (after.status, after.filled) != before
    return new


def _rows(credential_id: UUID, listed: Sequence[VenueOrder]) -> dict[str, Order]:
    """Our rows of what is listed, by either id."""
    mine = Order.objects.select_related("command").filter(credential_id=credential_id)
    found = mine.filter(Q(client_id__in=_named(listed)) | Q(venue_order_id__in=[o.venue_order_id for o in listed]))
    rows = list(found.order_by(F("created_at")))
    return {row.client_id: row for row in rows} | {row.venue_order_id: row for row in rows if row.venue_order_id}


def _named(listed: Iterable[VenueOrder]) -> list[str]:
    return [report.client_id for report in listed if report.client_id]


def _tells_more(row: Order, report: VenueOrder) -> bool:
    shown_after_all = row.status in {OrderStatus.NOT_PLACED, OrderStatus.UNKNOWN}
    return report.filled > row.filled or shown_after_all or (row.status not in TERMINAL and not row.venue_order_id)
