"""The exchange's own vocabulary: listings, orders, fills, and the reasons for which it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

ZERO = Decimal(0)
UNIT = Decimal("0.00000001")
"""The smallest amount of any asset, and of any fee."""


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"


class Kind(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    LIMIT_MAKER = "limit_maker"
    STOP_LOSS = "stop_loss"
    STOP_LOSS_LIMIT = "stop_loss_limit"
    TAKE_PROFIT = "take_profit"
    TAKE_PROFIT_LIMIT = "take_profit_limit"

    @property
    def waits(self) -> bool:
        """Whether it rests outside the book until its stop price is reached."""
        return self not in {Kind.MARKET, Kind.LIMIT, Kind.LIMIT_MAKER}

    @property
    def priced(self) -> bool:
        return self in {Kind.LIMIT, Kind.LIMIT_MAKER, Kind.STOP_LOSS_LIMIT, Kind.TAKE_PROFIT_LIMIT}


class Tif(StrEnum):
    """How long an order may stay: until cancelled, not at all, or only if it fills whole at once."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"


class Status(StrEnum):
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"


OPEN = frozenset({Status.NEW, Status.PARTIALLY_FILLED})


class Reason(StrEnum):
    """Why the exchange said no; each dialect has its own code for it."""

    UNKNOWN_SYMBOL = "unknown symbol"
    INSUFFICIENT = "insufficient balance"
    DUPLICATE = "client id already on an open order"
    WOULD_TAKE = "post-only order would take"
    WOULD_TRIGGER = "stop would trigger at once"
    UNKNOWN_ORDER = "no such open order"
    NO_LIQUIDITY = "the book is empty on that side"
    FILTER = "filter"


class Refused(Exception):
    """The exchange refuses; nothing was changed. `detail` names the filter that failed."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason} {detail}".strip())
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Listing:
    """One market. `depth`: quote amount offered at the best level; `price`: where it starts on an empty ledger."""

    base: str
    quote: str
    price: Decimal
    tick: Decimal
    step: Decimal
    min_notional: Decimal
    depth: Decimal
    max_orders: int = 200

    @property
    def symbol(self) -> str:
        return self.base + self.quote

    @property
    def day_turnover(self) -> Decimal:
        """What the rest of the world trades here in a day, in quote; part of every 24-hour ticker."""
        return self.depth * 1_000

    @property
    def max_qty(self) -> Decimal:
        return self.step * 900_000_000

    @property
    def max_price(self) -> Decimal:
        return self.tick * 100_000_000


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What an account asks for. Exactly one of `qty` (base) and `quote_qty` (market orders only) is given."""

    symbol: str
    client_id: str
    side: Side
    kind: Kind
    tif: Tif = Tif.GTC
    qty: Decimal | None = None
    quote_qty: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: int = 0
    """Trailing delta in basis points; 0: none."""


@dataclass(slots=True)
class Order:
    """An accepted order. `locked`: what it holds back of the account, in quote (buy) or base (sell). `extreme`: the
    best price a trailing order saw, 0 before it is active. `list_id`: the order list it is a leg of, 0 for none."""

    id: int
    account: int
    symbol: str
    client_id: str
    side: Side
    kind: Kind
    tif: Tif
    price: Decimal
    qty: Decimal
    quote_qty: Decimal
    stop_price: Decimal
    created_at: int
    updated_at: int
    filled: Decimal = ZERO
    quote_filled: Decimal = ZERO
    status: Status = Status.NEW
    locked: Decimal = ZERO
    working_at: int = 0
    trail: int = 0
    extreme: Decimal = ZERO
    list_id: int = 0

    @property
    def remaining(self) -> Decimal:
        return self.qty - self.filled

    @property
    def open(self) -> bool:
        return self.status in OPEN

    @property
    def working(self) -> bool:
        """Whether it has reached the book (a stop order that waits has not)."""
        return self.working_at > 0


@dataclass(slots=True)
class Holding:
    """What an account has of one asset."""

    free: Decimal = ZERO
    locked: Decimal = ZERO


@dataclass(slots=True)
class OrderList:
    """Two orders of which one cancels the other (OCO). `at`: milliseconds."""

    id: int
    account: int
    symbol: str
    client_id: str
    at: int
    done: bool = False


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade of one order. `at`: milliseconds."""

    id: int
    order: int
    symbol: str
    side: Side
    price: Decimal
    qty: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    at: int

    @property
    def quote_qty(self) -> Decimal:
        return self.price * self.qty
