"""Asking each venue for a price now and then: the gate that every request passes notes how that went."""

from __future__ import annotations

import structlog

from apps.exchanges import adapters
from apps.exchanges import selectors as exchanges
from apps.exchanges.selectors import VenueInfo
from tradebot.contracts.errors import NotConfigured, VenueError
from tradebot.contracts.lanes import Lane, using
from tradebot.contracts.ports import Venue
from tradebot.contracts.values import Pair

KNOWN_EVERYWHERE = (Pair("BTC", "USDT"), Pair("BTC", "USD"), Pair("BTC", "EUR"))

log = structlog.get_logger(__name__)


def probe_all() -> int:
    """How many of the enabled venues told a price. It waits for no budget: orders go first."""
    with using(Lane.MARKET):
        return sum(_probed(info) for info in exchanges.enabled_venues())


def _probed(info: VenueInfo) -> bool:
    try:
        venue: Venue = adapters.connect(info, "", "")
        venue.ticker(_pair(venue))
    except (VenueError, NotConfigured) as error:
        log.info("venue.probe_failed", venue=info.name, reason=str(error))
        return False
    return True


def _pair(venue: Venue) -> Pair:
    listed = venue.pairs()
    return next((pair for pair in KNOWN_EVERYWHERE if str(pair) in listed), KNOWN_EVERYWHERE[0])
