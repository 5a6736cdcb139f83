"""What can be traded at each venue, read again now and then: a venue that was just enabled has no markets yet."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.utils import timezone

from apps.exchanges import adapters, services
from apps.exchanges import selectors as exchanges
from apps.exchanges.selectors import VenueInfo
from tradebot.contracts.errors import NotConfigured, VenueError
from tradebot.contracts.lanes import Lane, using

FRESH = timedelta(hours=1)
"""Pairs are listed and delisted, and ticks change, every few days; an order's own check asks the venue anyhow."""

log = structlog.get_logger(__name__)


def sync_due() -> int:
    """Store the markets of every enabled venue whose last reading is older than FRESH; returns how many were read. One
    that does not answer keeps what is known of it, and is asked again the next time."""
    with using(Lane.MARKET):
        return sum(_synced(info) for info in exchanges.unread_venues(before=timezone.now() - FRESH))


def _synced(info: VenueInfo) -> bool:
    try:
        active = services.sync_markets(venue=info.name, markets=adapters.connect(info, "", "").markets())
    except (VenueError, NotConfigured) as error:
        log.warning("venue.markets_not_read", venue=info.name, reason=str(error))
        return False
    log.info("venue.markets_read", venue=info.name, active=active)
    return True
