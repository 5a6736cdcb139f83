"""The way to an exchange account. Cheap to import: ccxt (2 s, 70 MB) comes with the first connect() or warm_up()."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING

from apps.exchanges.adapters import lean
from tradebot.contracts.errors import NotConfigured

if TYPE_CHECKING:
    from apps.exchanges.adapters.ccxt_venue import CcxtVenue
    from apps.exchanges.selectors import VenueInfo

lean.install()

DIALECTS = {
    "binance": "apps.exchanges.adapters.binance:BinanceVenue",
    "okx": "apps.exchanges.adapters.okx:OkxVenue",
    "bybit": "apps.exchanges.adapters.bybit:BybitVenue",
    "kraken": "apps.exchanges.adapters.kraken:KrakenVenue",
    "coinbase": "apps.exchanges.adapters.coinbase:CoinbaseVenue",
}
"""One adapter class per dialect, by import path."""


def connect(venue: VenueInfo, api_key: str, secret: str, passphrase: str = "") -> CcxtVenue:
    """One account at one venue (a tradebot.contracts.ports.Venue), 0.1 ms once the dialect is warm.

    Sends nothing by itself; markets are read at the first use, once per venue and process. Safe to keep and to use
    from one thread at a time. Empty keys will do for markets and prices. Raises NotConfigured for an unknown dialect
    or a paper venue without address.
    """
    return _adapter(venue).connect(venue, api_key, secret, passphrase)


def warm_up(venues: Iterable[VenueInfo] = ()) -> None:
    """Load Binance's adapter, which the paper exchange speaks, and these venues' adapters and markets: call it once in
    a worker, before it forks.

    Raises VenueUnavailable when a venue does not answer.
    """
    _load(DIALECTS["binance"])
    for venue in venues:
        _adapter(venue).warm_up(venue)


def _adapter(venue: VenueInfo) -> type[CcxtVenue]:
    if venue.dialect not in DIALECTS:
        raise NotConfigured(
            f"venue {venue.name}: dialect {venue.dialect!r} is unknown; known are {', '.join(DIALECTS)}"
        )
    if venue.paper and not venue.base_url:
        raise NotConfigured("venue paper: PAPER_EXCHANGE_URL is not set")
    return _load(DIALECTS[venue.dialect])


def _load(path: str) -> type[CcxtVenue]:
    module, _, name = path.partition(":")
    adapter: type[CcxtVenue] = getattr(import_module(module), name)
    return adapter
