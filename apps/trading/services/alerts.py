"""What only a person can judge: told once, counted, and settled under a name."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from prometheus_client import Counter

from apps.trading.domain.states import AT_VENUE, IN_DOUBT, OrderStatus
from apps.trading.models import Alert, AlertKind, ExecutionReport, Order
from apps.trading.services.book import concluded
from tradebot.contracts.errors import InvalidField

RAISED = Counter("tradebot_alerts_total", "Things at exchanges that a person must look at, by kind.", ["kind"])
ANSWERS = ("seen", "not_placed", "placed")
"""Nothing to decide; the order in doubt is not at the exchange; it is, with the id that is given along."""

SEEN = "seen"
NOT_PLACED = "it is not at the exchange"
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found. `key`: the order's id at the exchange, or ours; one alert for each kind, account and key."""

    kind: AlertKind
    key: str
    credential_id: UUID
    user_id: UUID
    pair: str
    message: str
    order_id: UUID | None = None
    data: dict[str, Any] = field(default_factory=dict)


def tell(finding: Finding, now: datetime) -> bool:
    """Store `finding` unless it was told before; whether it is new."""
    row = Alert(
        kind=finding.kind.value,
        key=finding.key[:80],
        credential_id=finding.credential_id,
        user_id=finding.user_id,
        order_id=finding.order_id,
        pair=finding.pair,
        message=finding.message[:500],
        data=finding.data,
        raised_at=now,
    )
    known = Alert.objects.filter(credential_id=row.credential_id, kind=row.kind, key=row.key)
    if known.exists():
        return False
    Alert.objects.bulk_create([row], ignore_conflicts=True)
    RAISED.labels(finding.kind.value).inc()
    log.error("alert", kind=finding.kind.value, key=finding.key, pair=finding.pair, reason=finding.message)
    return True


def about(order: Order, kind: AlertKind, message: str, **data: Any) -> Finding:
    """A finding about one of our orders."""
    named = f"{order.client_id}:{order.venue_order_id}" if order.venue_order_id else order.client_id
    return Finding(kind, named, order.credential_id, order.user_id, order.pair, message, order.pk, data)


# --- what a person says ----------------------------------------------------------------------------------------------


def settle(*, alert_id: int, by: UUID, name: str, answer: str, venue_order_id: str = "", now: datetime) -> Alert:
    """What the person `by`, called `name`, found: one of ANSWERS. Raises InvalidField, as the three below."""
    match answer:
        case "not_placed":
            return say_not_placed(alert_id=alert_id, by=by, name=name, now=now)
        case "placed":
            return say_placed(alert_id=alert_id, by=by, venue_order_id=venue_order_id, now=now)
        case "seen":
            return acknowledge(alert_id=alert_id, by=by, now=now)
    raise InvalidField("answer", f"{answer!r} is unknown; there are {', '.join(ANSWERS)}")


def acknowledge(*, alert_id: int, by: UUID, now: datetime) -> Alert:
    """A person saw it; nothing else changes. Raises InvalidField for an alert that is unknown or settled."""
    with transaction.atomic():
        return _settle(_open_alert(alert_id), by, SEEN, now)


def say_not_placed(*, alert_id: int, by: UUID, name: str, now: datetime) -> Alert:
    """A person looked at the exchange, and the order in doubt is not there: its reservation ends, and a new attempt may
    follow. Raises InvalidField for an alert that is settled, or about no order that is in doubt."""
    alert = _open_alert(alert_id)
    order = _doubtful(alert)
    ends = OrderStatus.NOT_PLACED if order.status in IN_DOUBT else OrderStatus.CANCELED
    with transaction.atomic():
        concluded(order, ends, f"{name} looked: {NOT_PLACED}", now)
        _report(order, by, NOT_PLACED, now)
        return _settle(alert, by, NOT_PLACED, now)


def say_placed(*, alert_id: int, by: UUID, venue_order_id: str, now: datetime) -> Alert:
    """A person looked at the exchange, and the order in doubt is there under this id: it is asked for by that id from
    now on. Raises InvalidField as `say_not_placed`, and for an id that is empty or another order's."""
    said = venue_order_id.strip()
    alert = _open_alert(alert_id)
    order = _doubtful(alert)
    if not said or len(said) > 80:
        raise InvalidField("venue_order_id", "give the order's id as the exchange shows it, at most 80 characters")
    others = Order.objects.filter(credential_id=order.credential_id, pair=order.pair, venue_order_id=said)
    if others.exclude(pk=order.pk).exists():
        raise InvalidField("venue_order_id", f"{said} is another order of this account; look again")
    with transaction.atomic():
        Order.objects.filter(pk=order.pk).update(venue_order_id=said)
        _report(order, by, f"it is {said}", now)
        return _settle(alert, by, f"it is {said}", now)


def _open_alert(alert_id: int) -> Alert:
    alert = Alert.objects.select_related("order__command").filter(pk=alert_id).first()
    if alert is None:
        raise InvalidField("", "there is no such alert")
    if alert.settled_at is not None:
        raise InvalidField("", f"it was settled before: {alert.settlement}")
    return alert


def _doubtful(alert: Alert) -> Order:
    order = alert.order
    if alert.kind not in {AlertKind.UNPROVEN, AlertKind.VANISHED} or order is None:
        raise InvalidField("", "this alert asks nothing about an order of ours; it can only be acknowledged")
    if order.status not in {*IN_DOUBT, *AT_VENUE}:
        raise InvalidField("", f"the order is {order.status} by now; acknowledge the alert")
    return order


def _settle(alert: Alert, by: UUID, settlement: str, now: datetime) -> Alert:
    mine = Alert.objects.filter(pk=alert.pk, settled_at=None)
    if not mine.update(settled_at=now, settled_by_id=by, settlement=settlement[:200]):
        raise InvalidField("", "somebody settled it meanwhile; look again")
    return Alert.objects.get(pk=alert.pk)


def _report(order: Order, by: UUID, said: str, now: datetime) -> None:
    ExecutionReport.objects.create(order=order, kind="SETTLED", data={"by": str(by), "said": said}, at=now)
