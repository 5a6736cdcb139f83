"""Reads: venues, and the markets one may trade on them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from redis.exceptions import RedisError

from apps.exchanges.domain.health import Health
from apps.exchanges.domain.wire import (
    depth_key,
    health_key,
    mark_keys,
    read_depth,
    read_health,
    read_price,
    read_ticker,
    ticker_key,
)
from apps.exchanges.models import PAPER, MarketRow, Venue
from tradebot import valkey
from tradebot.contracts.ports import Depth, Market, Ticker
from tradebot.contracts.values import Pair

T = TypeVar("T")
_COLUMNS = ("name", "dialect", "base_url", "sandbox", "request_limit", "taker_fee")
_ENABLED = f"SELECT {', '.join(_COLUMNS)} FROM exchanges_venue WHERE enabled ORDER BY name"  # noqa: S608 - ours
CACHE_SECONDS = 60.0
_names: tuple[float, tuple[str, ...]] | None = None
_markets: dict[str, tuple[float, Mapping[str, Market]]] = {}


@dataclass(frozen=True, slots=True)
class VenueInfo:
    """What an adapter needs to reach a venue. `base_url` "" means the dialect's own address, `request_limit` None the
    dialect's own limit, `taker_fee` None its standard fee (0.001: a tenth of a percent)."""

    name: str
    dialect: str
    base_url: str = ""
    sandbox: bool = False
    request_limit: int | None = None
    taker_fee: Decimal | None = None

    @property
    def scope(self) -> str:
        """What budgets and breakers belong to: the venue, at the address where it is."""
        return f"{self.name}@{urlsplit(self.base_url).netloc}" if self.base_url else self.name

    @property
    def paper(self) -> bool:
        """Whether no real money can move here."""
        return self.name == PAPER


def enabled_venues() -> tuple[VenueInfo, ...]:
    """Venues that may be traded on, by name."""
    with connection.cursor() as cursor:
        # Every signal asks this: in SQL it takes a fifth of the processor that the ORM takes.
        cursor.execute(_ENABLED)
        return tuple(map(_info, cursor.fetchall()))


def unread_venues(*, before: datetime) -> tuple[VenueInfo, ...]:
    """Enabled venues whose markets were not read since `before`, or never."""
    due = Venue.objects.filter(enabled=True).exclude(synced_at__gte=before).order_by("name")
    return tuple(map(_info, due.values_list(*_COLUMNS)))


def venue_names() -> tuple[str, ...]:
    """Names of the venues that may be traded on; answers may be CACHE_SECONDS old."""
    global _names  # noqa: PLW0603 - one memory a process
    if _names is None or time.monotonic() - _names[0] > CACHE_SECONDS:
        _names = (time.monotonic(), tuple(venue.name for venue in enabled_venues()))
    return _names[1]


def venue(name: str) -> VenueInfo | None:
    """The enabled venue of that name."""
    row = Venue.objects.filter(name=name, enabled=True).values_list(*_COLUMNS).first()
    return _info(row) if row else None


def tradable(venue: str, base: str, quote: str) -> Market | None:
    """The active market `base/quote` at an enabled venue; answers may be CACHE_SECONDS old."""
    market = markets(venue).get(f"{base}/{quote}")
    return market if market and market.active else None


def markets(venue: str) -> Mapping[str, Market]:
    """All known markets of an enabled venue by `BASE/QUOTE`, kept in this process for CACHE_SECONDS."""
    read_at, known = _markets.get(venue, (0.0, {}))
    if not known or time.monotonic() - read_at > CACHE_SECONDS:
        known = _read(venue)
        _markets[venue] = (time.monotonic(), known)
    return known


def forget() -> None:
    """Drop the markets and names kept in this process: the next read asks the database."""
    global _names  # noqa: PLW0603 - as above
    _names = None
    _markets.clear()


def recent_tickers(wanted: Iterable[tuple[str, Pair]]) -> dict[tuple[str, Pair], Ticker]:
    """Prices that any worker was told at most two seconds ago, by (venue, pair); nobody is asked for them."""
    return _snapshots(list(wanted), ticker_key, read_ticker)


def recent_depth(wanted: Iterable[tuple[str, Pair]]) -> dict[tuple[str, Pair], Depth]:
    """As recent_tickers: books."""
    return _snapshots(list(wanted), depth_key, read_depth)


@dataclass(frozen=True, slots=True)
class Lately:
    """A market's last hour, as far as it was listened to. `price`: the last one, of this moment where anybody was told.
    `rise`: that against the lowest remembered one (0.1: ten percent more); None for fewer than two. `depth`: its book,
    at most two seconds old."""

    price: Decimal | None = None
    rise: float | None = None
    depth: Depth | None = None


def lately(wanted: Sequence[tuple[str, Pair]], at: datetime) -> dict[tuple[str, Pair], Lately]:
    """What is known of these markets up to `at`, by (venue, pair), in one round trip; unknown ones are left out."""
    asked = [
        [depth_key(venue, str(pair)), ticker_key(venue, str(pair)), *mark_keys(venue, str(pair), at)]
        for venue, pair in wanted
    ]
    raw = iter(_mget([key for keys in asked for key in keys]))
    answers = {one: [next(raw) for _ in keys] for one, keys in zip(wanted, asked, strict=True)}
    return {one: _lately(one[1], told) for one, told in answers.items() if any(told)}


def _lately(pair: Pair, told: Sequence[bytes | None]) -> Lately:
    book, now, *marks = told
    prices = [price for each in marks if (price := read_price(each)) is not None]
    if ticker := read_ticker(pair, now):
        prices.insert(0, ticker.last)
    rise = float(prices[0] / min(prices)) - 1 if len(prices) > 1 else None
    return Lately(price=prices[0] if prices else None, rise=rise, depth=read_depth(pair, book))


def venue_health(venues: Iterable[VenueInfo]) -> dict[str, Health]:
    """By venue's name, what the workers measured; those nobody asked lately, and all without Valkey, are left out."""
    asked = list(venues)
    raw = _mget([health_key(venue.scope) for venue in asked])
    return {venue.name: read_health(told) for venue, told in zip(asked, raw, strict=True) if told}


def health_by_name() -> dict[str, Health]:
    """venue_health of every venue there is, whether it may be traded on or not."""
    return venue_health(_info(row) for row in Venue.objects.values_list(*_COLUMNS))


def _snapshots(
    wanted: Sequence[tuple[str, Pair]],
    key: Callable[[str, str], str],
    read: Callable[[Pair, bytes | None], T | None],
) -> dict[tuple[str, Pair], T]:
    raw = _mget([key(venue, str(pair)) for venue, pair in wanted])
    found = ((one, read(one[1], told)) for one, told in zip(wanted, raw, strict=True))
    return {one: told for one, told in found if told is not None}


def _mget(keys: list[str]) -> Sequence[bytes | None]:
    try:
        told: Any = valkey.client().mget(keys) if keys else []
    except RedisError:
        return [None] * len(keys)
    answers: Sequence[bytes | None] = told
    return answers


def _read(venue: str) -> Mapping[str, Market]:
    rows = MarketRow.objects.filter(venue=venue, venue__enabled=True)
    return {row.pair: _market(row) for row in rows}


def _info(row: tuple[Any, ...]) -> VenueInfo:
    """Of the columns that VenueInfo has, in its order."""
    told = VenueInfo(*row)
    return replace(told, base_url=settings.PAPER_EXCHANGE_URL or "") if told.paper else told


def _market(row: MarketRow) -> Market:
    return Market(
        pair=Pair.parse(row.pair),
        tick=_plain(row.tick),
        step=_plain(row.step),
        min_amount=_plain(row.min_amount),
        max_amount=row.max_amount,
        min_notional=_plain(row.min_notional),
        active=row.active,
        market_step=row.market_step and _plain(row.market_step),
    )


def _plain(number: Decimal) -> Decimal:
    """0.010000000000000000 -> 0.01: a step's own exponent is what amounts are quantised to."""
    short = number.normalize()
    return short.quantize(Decimal(1)) if short == short.to_integral_value() else short
