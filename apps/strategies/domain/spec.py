"""What a strategy may say, and the one reader of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from uuid import UUID

from apps.strategies.domain.fields import Fields, InvalidFields
from apps.strategies.domain.windows import TimeWindow, read_window
from apps.strategies.domain.words import folded, folded_name
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.values import HUNDRED, Mode, OrderType

LONGEST_AGE = 7 * 24 * 3600
LONGEST_COOLDOWN = 30 * 24 * 60
ENTRY_TYPES = (OrderType.MARKET, OrderType.LIMIT)

DEFAULTS: Mapping[str, object] = MappingProxyType(
    {
        "name": "",
        "enabled": True,
        "mode": Mode.PAPER.value,
        "credential_id": None,
        "quote": "USDT",
        "min_confidence": 0.6,
        "time_windows": [],
        "max_signal_age": 300,
        "cooldown_minutes": 10,
    }
)
"""What a strategy means where it says nothing. Written into every version: a later default changes no old one."""

_SYMBOL = re.compile(r"[A-Z0-9]{1,20}")
_VENUE = re.compile(r"[a-z0-9_-]{1,40}")
BEST = "best"


@dataclass(frozen=True, slots=True)
class WatchList:
    """Whom, which words and which coins to heed. Names and keywords are folded; empty means all."""

    twitter_users: frozenset[str] = frozenset()
    telegram_groups: frozenset[str] = frozenset()
    feeds: frozenset[str] = frozenset()
    keywords: tuple[str, ...] = ()
    coins: frozenset[str] = frozenset()

    @property
    def any_source(self) -> bool:
        return not (self.twitter_users or self.telegram_groups or self.feeds)


@dataclass(frozen=True, slots=True)
class Terms:
    """How to act on one direction. Percentages are plain numbers (30 means 30 %), `max_amount` is in quote."""

    percentage: Decimal
    max_amount: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    trailing_stop: Decimal | None = None
    order_type: OrderType | None = None


@dataclass(frozen=True, slots=True)
class VenueChoice:
    """The exchange is chosen for every order: among all that the user has an account at, or only `preferred`, the
    first of them liked best."""

    preferred: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StrategySpec:
    """A whole strategy, every rule checked. `venue` and `credential_id` are never both set."""

    watch_list: WatchList
    bullish: Terms | None
    bearish: Terms | None
    quote: str
    min_confidence: float
    time_windows: tuple[TimeWindow, ...]
    max_signal_age: timedelta
    cooldown: timedelta
    mode: Mode
    credential_id: UUID | None
    name: str
    enabled: bool
    venue: VenueChoice | None = None


def parse_spec(raw: object) -> StrategySpec:
    """Read a strategy as JSON gives it.

    Raises InvalidFields (an InvalidField) with every broken rule: unknown keys, wrong types, numbers out of bounds.
    """
    problems: list[InvalidField] = []
    fields = Fields(raw, "", problems)
    spec = _spec(fields) if fields.readable else None
    if spec is None or problems:
        raise InvalidFields(problems)
    return spec


def _spec(fields: Fields) -> StrategySpec:
    bullish, bearish = _actions(fields)
    spec = StrategySpec(
        watch_list=_watch_list(fields.mapping("watch_list")),
        bullish=bullish,
        bearish=bearish,
        quote=fields.parsed("quote", "USDT", _symbol, "give a currency, for example USDT"),
        min_confidence=fields.share("min_confidence", 0.6),
        time_windows=tuple(map(read_window, fields.mappings("time_windows"))),
        max_signal_age=timedelta(seconds=fields.whole("max_signal_age", 300, 1, LONGEST_AGE)),
        cooldown=timedelta(minutes=fields.whole("cooldown_minutes", 10, 0, LONGEST_COOLDOWN)),
        mode=fields.choice("mode", tuple(Mode), Mode.PAPER),
        credential_id=_credential(fields),
        name=fields.text("name", longest=120),
        enabled=fields.flag("enabled", True),
        venue=_venue(fields),
    )
    fields.refuse_unknown()
    return spec


def _watch_list(fields: Fields) -> WatchList:
    a_name = "give a name of 1 to 200 characters"
    watch_list = WatchList(
        twitter_users=frozenset(fields.texts("twitter_users", folded_name, a_name)),
        telegram_groups=frozenset(fields.texts("telegram_groups", folded_name, a_name)),
        feeds=frozenset(fields.texts("feeds", folded_name, a_name)),
        keywords=fields.texts("keywords", folded, "give a word or phrase of 1 to 200 characters"),
        coins=frozenset(fields.texts("coins", _coin, "give a coin's ticker, for example BTC")),
    )
    fields.refuse_unknown()
    return watch_list


def _actions(fields: Fields) -> tuple[Terms | None, Terms | None]:
    actions = fields.mapping("actions")
    bullish = _terms(actions.mapping("bullish"), buys=True) if actions.has("bullish") else None
    bearish = _terms(actions.mapping("bearish"), buys=False) if actions.has("bearish") else None
    actions.known |= {"bullish", "bearish"}
    if actions.readable and not (actions.has("bullish") or actions.has("bearish")):
        fields.refuse("actions", "give bullish, bearish or both, for example {'bullish': {'percentage': 30}}")
    actions.refuse_unknown()
    return bullish, bearish


def _terms(fields: Fields, *, buys: bool) -> Terms:
    terms = Terms(
        percentage=_percentage(fields, "percentage", required=True) or HUNDRED,
        max_amount=fields.positive("max_amount", "give an amount of quote currency over 0") if buys else None,
        stop_loss=_percentage(fields, "stop_loss", whole=False),
        take_profit=_percentage(fields, "take_profit"),
        trailing_stop=_percentage(fields, "trailing_stop", whole=False),
        order_type=fields.choice("order_type", ENTRY_TYPES, OrderType.MARKET) if fields.has("order_type") else None,
    )
    if not buys and fields.has("max_amount"):
        fields.known.add("max_amount")
        fields.refuse("max_amount", "limits what a buy may spend; remove it from bearish")
    fields.known.add("order_type")
    fields.refuse_unknown()
    return terms


def _percentage(fields: Fields, key: str, *, required: bool = False, whole: bool = True) -> Decimal | None:
    upto = "at most 100" if whole else "under 100"
    value = fields.positive(key, f"give a percentage over 0 and {upto}", most=HUNDRED)
    if value == HUNDRED and not whole:
        fields.refuse(key, f"give a percentage over 0 and {upto}")
    if required and fields.readable and not fields.has(key):
        fields.refuse(key, f"is required: give a percentage over 0 and {upto}")
    return value


def _credential(fields: Fields) -> UUID | None:
    if fields.raw.get("credential_id", "") is None:
        fields.known.add("credential_id")
        return None
    return fields.parsed("credential_id", None, _uuid, "give one of your credentials' ids, or null for the default")


def _venue(fields: Fields) -> VenueChoice | None:
    fields.known.add("venue")
    said = fields.raw.get("venue")
    if said is None:
        return None
    if fields.raw.get("credential_id") is not None:
        fields.refuse("venue", "the account is given by credential_id already: remove one of the two")
    if said == BEST:
        return VenueChoice()
    if not isinstance(said, list | tuple) or not said:
        fields.refuse("venue", "give 'best', or a list of exchanges as ['kraken', 'binance'], or null")
        return None
    return VenueChoice(fields.texts("venue", _venue_name, "give an exchange's name, for example kraken"))


def _venue_name(text: str) -> str | None:
    return short if _VENUE.fullmatch(short := text.strip().lower()) else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _symbol(text: str) -> str | None:
    return short if _SYMBOL.fullmatch(short := text.strip().upper()) else None


def _coin(text: str) -> str | None:
    return _symbol(text.strip().lstrip("$"))
