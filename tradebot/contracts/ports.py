"""Ports: what the rooms expect of adapters and plugins, in must/may words (docs/writing-plugins.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from tradebot.contracts.messages import AnalysisSignal, CrawlerMessage, OCRResult
from tradebot.contracts.values import Action, OrderType, Pair


@runtime_checkable
class CrawlerPlugin(Protocol):
    """A source of posts. `init` must raise NotConfigured if it can't run; `fetch` may block, must end, and yields
    posts oldest first; `validate` says whether a message is one this source could have written."""

    name: str

    def init(self, config: Mapping[str, Any]) -> None: ...
    def fetch(self) -> Iterable[CrawlerMessage]: ...
    def validate(self, msg: CrawlerMessage) -> bool: ...


@runtime_checkable
class AnalyzerPlugin(Protocol):
    """A judge of posts. `analyze` must quote only what occurs in `text` or `images`; a neutral verdict is an answer.
    `weight` is its share in the ensemble, >= 0. It must be safe to call from several threads."""

    name: str
    version: str

    @property
    def weight(self) -> float: ...
    def analyze(self, text: str, images: list[OCRResult]) -> AnalysisSignal: ...


class Embedder(Protocol):
    """Texts to unit vectors."""

    version: str

    def embed(self, texts: Sequence[str]) -> Any:
        """float32 array, shape (len(texts), 384), rows of length 1."""


@dataclass(frozen=True, slots=True)
class Market:
    """Trading rules of one pair at one venue; steps are the smallest change itself (0.01). None: no limit."""

    pair: Pair
    tick: Decimal
    step: Decimal
    min_amount: Decimal
    max_amount: Decimal | None
    min_notional: Decimal
    active: bool = True
    market_step: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Ticker:
    pair: Pair
    bid: Decimal
    ask: Decimal
    last: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Balance:
    free: Decimal
    used: Decimal

    @property
    def total(self) -> Decimal:
        return self.free + self.used


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What to place. `client_id`: 32 lower-case hex characters, accepted by every venue we know. `submitted_at`: when
    its row was committed; adapters sign that moment, so that the venue itself refuses what leaves too late, however
    long a process stood still before the wire."""

    client_id: str
    pair: Pair
    side: Action
    type: OrderType
    amount: Decimal
    price: Decimal | None = None
    stop_price: Decimal | None = None
    submitted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class VenueFill:
    trade_id: str
    venue_order_id: str
    pair: Pair
    side: Action
    amount: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    at: datetime


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the venue reports it. `status`: open, partially_filled, filled, canceled, expired or rejected."""

    venue_order_id: str
    client_id: str
    pair: Pair
    side: Action
    type: str
    status: str
    amount: Decimal
    filled: Decimal
    average: Decimal | None
    at: datetime
    fills: tuple[VenueFill, ...] = field(default=())


class Venue(Protocol):
    """One account at one exchange. Reads raise VenueUnavailable; `place` raises VenueRejected (nothing placed),
    VenueUnavailable (certainly not sent) or VenueUnknown (query it, never resend)."""

    name: str

    def market(self, pair: Pair) -> Market | None: ...
    def pairs(self) -> frozenset[str]: ...
    def ticker(self, pair: Pair, max_age: float = 0) -> Ticker:
        """The best prices, asked for now or by anybody in this process at most `max_age` seconds ago."""
        ...

    def balances(self) -> Mapping[str, Balance]: ...
    def place(self, request: OrderRequest) -> VenueOrder: ...
    def find(self, pair: Pair, client_id: str) -> VenueOrder | None: ...
    def cancel(self, pair: Pair, client_id: str) -> VenueOrder | None: ...
    def open_orders(self, pair: Pair) -> Sequence[VenueOrder]: ...
    def fills(self, pair: Pair, venue_order_id: str) -> Sequence[VenueFill]: ...
