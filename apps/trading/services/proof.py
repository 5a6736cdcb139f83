"""Whether an order exists: every list of the venue is searched before its absence means anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.accounts import selectors as accounts
from apps.trading.models import Order
from tradebot.contracts.ports import Venue, VenueFill, VenueOrder
from tradebot.contracts.values import Pair

SKEW = timedelta(minutes=1)
"""The venue's clock may say an earlier time than ours did."""


_PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Search:
    """What a search through all lists found. `unexplained`: orders that traded, and of which no list or row tells."""

    report: VenueOrder | None
    unexplained: tuple[str, ...] = ()


def search(order: Order, venue: Venue) -> Search:
    """Look for `order` among all orders since it was submitted, and for trades that could only be its own.

    Raises VenueUnavailable. Its client id counts, or the exchange's own id where we know one.
    """
    pair, since = Pair.parse(order.pair), (order.submitted_at or order.created_at) - SKEW
    listed = venue.orders_since(pair, since)
    found = next((report for report in listed if is_of(order, report)), None)
    if found is not None:
        return Search(found)
    return Search(None, _unexplained(order, venue.fills_since(pair, since), listed))


def is_of(order: Order, report: VenueOrder) -> bool:
    """Whether `report` is about `order`."""
    named = bool(order.venue_order_id) and report.venue_order_id == order.venue_order_id
    return named or report.client_id == order.client_id


def _unexplained(order: Order, fills: Sequence[VenueFill], listed: Iterable[VenueOrder]) -> tuple[str, ...]:
    traded = {fill.venue_order_id for fill in fills if fill.side == order.side}
    strange = traded - {report.venue_order_id for report in listed}
    if not strange:
        return ()
    rows = Order.objects.filter(credential_id=order.credential_id, venue_order_id__in=strange)
    return tuple(sorted(strange - set(rows.values_list("venue_order_id", flat=True))))


def same_keys(order: Order) -> bool:
    """Whether the account's keys are those the order was sent with: others may belong to another account there. Keys
    that wait for their check are new ones."""
    account = accounts.credential(order.credential_id)
    if account is None or account.status == _PENDING:
        return False
    accepted: datetime | None = accounts.keys_checked_at(order.credential_id)
    return accepted is None or accepted <= (order.submitted_at or order.created_at)
