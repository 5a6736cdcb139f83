"""Ports: what the rooms expect of adapters and plugins, in must/may words (docs/writing-plugins.md)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

import msgspec

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


@dataclass(frozen=True, slots=True)
class Deletion:
    """A post that its source no longer shows: noted on the stored post, in every revision."""

    source: str
    channel: str
    native_id: str
    seen_at: datetime


Emit = Callable[[Sequence[CrawlerMessage], Sequence[Deletion]], Awaitable[None]]
"""Hands posts and deletions on; returns once the broker has confirmed them and the plugin's `state` is stored."""


class ConfiguredCrawler(CrawlerPlugin, Protocol):
    """What a crawler may have beside the four names it must have; each is looked for by itself.

    `config_model`: a msgspec.Struct (forbid_unknown_fields) that a source's settings are checked against before they
    are stored; `init` gets them with secrets in place of their references. `state`: JSON, read after `fetch` has ended
    and stored once the broker has confirmed the posts, handed back as `config["state"]`. `deletions`: filled by
    `fetch`. `notes`: what an operator should know although the run went well, by account or channel. `stored_media`
    (a collection): pictures that it has put into the media storage itself, which its messages may name as
    `media:<sha256>`.
    """

    config_model: type[msgspec.Struct]
    state: dict[str, Any]
    deletions: list[Deletion]
    notes: dict[str, str]


class ListeningCrawler(CrawlerPlugin, Protocol):
    """A crawler whose source also pushes: `listen` runs in the streams process until it is cancelled, and raises as
    `fetch` does when its connection ends; polling goes on beside it."""

    async def listen(self, emit: Emit) -> None: ...


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
class Candle:
    """One minute of a pair's trading; `at` is its beginning."""

    at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


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
    long a process stood still before the wire. `trail`: percent under the highest price since, of a trailing stop."""

    client_id: str
    pair: Pair
    side: Action
    type: OrderType
    amount: Decimal
    price: Decimal | None = None
    stop_price: Decimal | None = None
    submitted_at: datetime | None = None
    trail: Decimal | None = None


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


@dataclass(frozen=True, slots=True)
class Level:
    price: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Depth:
    """What stands in the book: best prices first."""

    pair: Pair
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class Fees:
    """Shares of the notional: 0.001 is a tenth of a percent."""

    maker: Decimal
    taker: Decimal


@dataclass(frozen=True, slots=True)
class Features:
    """What a venue holds for us while we are away, and what it can prove.

    `proves_absence`: an order that is in none of its lists was never placed. `replace`: cancels one order and places
    another as one step. What it has not is watched by us.
    """

    proves_absence: bool = True
    stop_loss: bool = True
    take_profit: bool = True
    trailing_stop: bool = False
    oco: bool = False
    replace: bool = False


class Venue(Protocol):
    """One account at one exchange. Reads raise VenueUnavailable; `place` raises VenueRejected (nothing placed),
    VenueUnavailable (certainly not sent) or VenueUnknown (query it, never resend)."""

    name: str
    features: Features

    def market(self, pair: Pair) -> Market | None: ...
    def pairs(self) -> frozenset[str]: ...
    def ticker(self, pair: Pair, max_age: float = 0) -> Ticker:
        """The best prices, asked for now or by anybody in this process at most `max_age` seconds ago."""
        ...

    def depth(self, pair: Pair, max_age: float = 0) -> Depth:
        """The book, 50 levels a side where the venue has them; `max_age` as in `ticker`."""
        ...

    def candles(self, pair: Pair, since: datetime, minutes: int) -> Sequence[Candle]:
        """One-minute candles that begin in [since, since + minutes), oldest first; minutes without a trade may have
        none, and a venue may have forgotten what is long ago."""
        ...

    def fees(self, pair: Pair) -> Fees: ...
    def balances(self) -> Mapping[str, Balance]: ...
    def place_oco(self, stop: OrderRequest, profit: OrderRequest) -> tuple[VenueOrder, VenueOrder]:
        """Both as one: when either fills or triggers, the other is cancelled. Raises as `place`. Only with
        `features.oco`."""
        ...

    def replace(self, pair: Pair, client_id: str, request: OrderRequest) -> VenueOrder:
        """Cancel the order `client_id` and place `request`. Raises as `place`; a refusal may mean that the old order is
        gone all the same, its words say so. Only with `features.replace`."""
        ...

    def place(self, request: OrderRequest) -> VenueOrder: ...
    def find(self, pair: Pair, client_id: str) -> VenueOrder | None: ...
    def cancel(self, pair: Pair, client_id: str) -> VenueOrder | None: ...
    def open_orders(self, pair: Pair) -> Sequence[VenueOrder]: ...
    def fills(self, pair: Pair, venue_order_id: str) -> Sequence[VenueFill]: ...
    def orders_since(self, pair: Pair, since: datetime) -> Sequence[VenueOrder]:
        """Every order of the account, open or ended, that was made since."""
        ...

    def fills_since(self, pair: Pair, since: datetime) -> Sequence[VenueFill]:
        """Every fill of the account since, whoever ordered it."""
        ...
