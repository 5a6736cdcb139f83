"""What all accounts of a venue share in one process: connections, markets, and the ccxt client that holds them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Generic, TypeVar

from requests.adapters import HTTPAdapter

from apps.exchanges.adapters import snapshots
from apps.exchanges.adapters.budget import Gate
from apps.exchanges.adapters.snapshots import Shelf
from apps.exchanges.selectors import VenueInfo
from tradebot.contracts.ports import Depth, Market, Ticker
from tradebot.contracts.values import ZERO, Pair

TIMEOUT_MS = 10_000
MARKETS_SECONDS = 3_600.0
CONNECTIONS = 32

_quiet = logging.getLogger("tradebot.ccxt")
_quiet.setLevel(logging.INFO)  # at DEBUG ccxt writes request headers, and with them the API key


Told = TypeVar("Told", Ticker, Depth)


class Prices(Generic[Told]):
    """The last price, or book, of each pair that any account of this process was told: what a hundred users want to
    know of the same post, the venue is asked once. Of two threads that ask at once both may reach the venue.

    `shelf` is the second level: what the other processes were told, at most two seconds old."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, shelf: Shelf[Told] | None = None) -> None:
        self._clock = clock
        self._shelf: Shelf[Told] | None = shelf
        self._known: dict[Pair, tuple[float, Told]] = {}

    def get(self, pair: Pair, max_age: float, ask: Callable[[], Told]) -> Told:
        """What is known if it was asked for less than `max_age` seconds ago, else what `ask` says now."""
        asked_at, told = self._known.get(pair, (0.0, None))
        now = self._clock()
        if told is None or now - asked_at >= max_age:
            asked_at, told = self._from_others(pair, max_age, now) or (now, self._asked(pair, ask))
            self._known[pair] = (asked_at, told)
        return told

    def _from_others(self, pair: Pair, max_age: float, now: float) -> tuple[float, Told] | None:
        found = self._shelf.get(pair, int(max_age * 1_000)) if self._shelf and max_age > 0 else None
        return (now - found[1] / 1_000, found[0]) if found else None

    def _asked(self, pair: Pair, ask: Callable[[], Told]) -> Told:
        told = ask()
        if self._shelf:
            self._shelf.put(pair, told)
        return told


_known: dict[tuple[type, VenueInfo], Shared] = {}
_lock = threading.Lock()


class Shared:
    """One venue in this process. `client` is never used with keys: accounts are shallow copies of it, which costs
    0.05 ms and a few kB instead of ccxt's constructor and its own copy of every market."""

    def __init__(self, client: Any, gate: Gate) -> None:
        self.client = client
        client.gate = gate
        self.prices: Prices[Ticker] = Prices(shelf=snapshots.tickers(gate))
        self.books: Prices[Depth] = Prices(shelf=snapshots.depths(gate))
        self._lock = threading.Lock()
        self._read_at = 0.0
        self._markets: Mapping[str, Market] = {}

    def markets(self) -> Mapping[str, Market]:
        """By `BASE/QUOTE`; read again after MARKETS_SECONDS. Raises ccxt's errors."""
        if self._fresh():
            return self._markets
        with self._lock:
            if not self._fresh():
                self.client.begin()
                listed = self.client.load_markets(True)
                self._markets = {market["symbol"]: _market(market) for market in listed.values() if market["spot"]}
                self._read_at = time.monotonic()
        return self._markets

    def _fresh(self) -> bool:
        return bool(self._markets) and time.monotonic() - self._read_at < MARKETS_SECONDS


def shared(client_class: Any, venue: VenueInfo) -> Shared:
    """The process's one `Shared` of this venue."""
    key = (client_class, venue)
    with _lock:
        if key not in _known:
            _known[key] = Shared(_client(client_class, venue), Gate(venue))
        return _known[key]


def _client(client_class: Any, venue: VenueInfo) -> Any:
    client = client_class({"timeout": TIMEOUT_MS, "enableRateLimit": False})
    client.options["maxRetriesOnFailure"] = 0
    client.number = str
    client.logger = _quiet
    if venue.sandbox and not venue.base_url:
        client.set_sandbox_mode(True)
    if venue.base_url:
        client.move_to(venue.base_url)
    for scheme in ("http://", "https://"):
        client.session.mount(scheme, HTTPAdapter(pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS))
    return client


def _market(told: Any) -> Market:
    limits = told["limits"]
    amount, market_order = limits["amount"], limits.get("market") or {}
    return Market(
        pair=Pair(told["base"], told["quote"]),
        tick=_step(told["precision"]["price"]),
        step=_step(told["precision"]["amount"]),
        min_amount=_limit(amount["min"]) or ZERO,
        max_amount=_least(amount["max"], market_order.get("max")),
        min_notional=_limit((limits["cost"] or {}).get("min")) or ZERO,
        active=told["active"] is not False,
    )


def _least(*limits: Any) -> Decimal | None:
    given = [limit for limit in map(_limit, limits) if limit]
    return min(given) if given else None


def _limit(text: Any) -> Decimal | None:
    return None if text is None else _plain(Decimal(text))


def _step(text: Any) -> Decimal:
    return _plain(Decimal(text))


def _plain(number: Decimal) -> Decimal:
    """0.01000000 -> 0.01, and 100 stays 100."""
    short = number.normalize()
    return short.quantize(Decimal(1)) if short == short.to_integral_value() else short
