"""Writes: the venues we ship with, and the markets a venue told us about."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from apps.exchanges import selectors
from apps.exchanges.models import PAPER, Dialect, MarketRow, Venue
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.ports import Market

RULES = ("tick", "step", "market_step", "min_amount", "max_amount", "min_notional", "active")


@transaction.atomic
def ensure_venues() -> None:
    """Create the venues tradebot ships with; an operator's changes to them stay."""
    Venue.objects.get_or_create(name=PAPER, defaults={"note": "The paper exchange of this installation"})
    for dialect in Dialect:
        off = {"dialect": dialect, "enabled": False, "note": "Real money: enable on purpose"}
        Venue.objects.get_or_create(name=dialect.value, defaults=off)


@transaction.atomic
def sync_markets(*, venue: str, markets: Iterable[Market]) -> int:
    """Store the markets a venue lists now; those it lists no more become inactive. Returns how many are active.

    Raises InvalidField for an unknown venue.
    """
    if not Venue.objects.filter(name=venue).update(synced_at=timezone.now()):
        raise InvalidField("venue", f"{venue!r} is unknown; create it in the admin first")
    rows = [_row(venue, market) for market in markets]
    MarketRow.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["venue", "pair"], update_fields=RULES, batch_size=500
    )
    MarketRow.objects.filter(venue=venue).exclude(pair__in=[row.pair for row in rows]).update(active=False)
    transaction.on_commit(selectors.forget)
    selectors.forget()
    return sum(row.active for row in rows)


def _row(venue: str, market: Market) -> MarketRow:
    return MarketRow(venue_id=venue, pair=str(market.pair), **{rule: getattr(market, rule) for rule in RULES})
