"""Value types of the field: pairs, directions, actions. Money is Decimal in code and text on the wire."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tradebot.contracts.errors import InvalidField

ZERO = Decimal(0)
HUNDRED = Decimal(100)

_PAIR = re.compile(r"^[A-Z0-9]{1,20}/[A-Z0-9]{1,20}$")


class Direction(StrEnum):
    """What a post means for a coin's price."""

    BULLISH = "bullish"
    BEARISH = "bearish"
    NEUTRAL = "neutral"


class Action(StrEnum):
    BUY = "buy"
    SELL = "sell"


class AmountType(StrEnum):
    """`percentage`: of the free quote balance (buy) or the bot's position (sell). `fixed`: quote (buy), base (sell)."""

    PERCENTAGE = "percentage"
    FIXED = "fixed"


class Leg(StrEnum):
    """Which part of a trade a command is: opening, closing or protecting a position."""

    ENTRY = "entry"
    EXIT = "exit"
    PROTECT = "protect"


class Mode(StrEnum):
    """Whether a strategy's orders are simulated, only recorded, or real."""

    PAPER = "paper"
    SHADOW = "shadow"
    LIVE = "live"


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    TRAILING_STOP = "trailing_stop"


class ConditionKind(StrEnum):
    """Extra terms of a trade command. Percentages are plain numbers (10 means 10 %)."""

    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    TRAILING_STOP = "trailing_stop"
    MAX_AMOUNT = "max_amount"
    ORDER_TYPE = "order_type"
    LIMIT_PRICE = "limit_price"
    EXPIRES_AT = "expires_at"


class KillSwitch(StrEnum):
    """ACTIVE trades; REDUCING only exits; HALTED opens nothing and keeps protection."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


@dataclass(frozen=True, slots=True)
class Pair:
    """A spot market, written `BASE/QUOTE`."""

    base: str
    quote: str

    @classmethod
    def parse(cls, text: str) -> Pair:
        """Read `BTC/USDT`; raises InvalidField for anything else."""
        if not _PAIR.match(text):
            raise InvalidField("pair", f"{text!r} is not BASE/QUOTE, for example BTC/USDT")
        base, quote = text.split("/")
        return cls(base, quote)

    def __str__(self) -> str:
        return f"{self.base}/{self.quote}"
