"""Which of the coins that a text names it is about: not those that only measure, pay for or are compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol, TypeVar

_YARDSTICKS = frozenset({"BTC", "ETH", "SOL", "BNB"})
"""Coins that others are measured against, paid with or built on."""
_DERIVED = frozenset({"STETH", "WSTETH", "CBETH", "WETH", "WBTC", "VTHO"})
"""Coins that stand for another or come out of it."""
_STABLE = frozenset({"USDT", "USDC", "DAI", "BUSD", "FDUSD", "TUSD", "USDE", "USD1", "PYUSD", "RLUSD"})
_SUM = re.compile(r"(?<![\d.,])\d?\.\d{1,3}\s?(?:个|枚|顆|颗)?\s?$")
"""A sum of less than ten, as somebody pays or has it."""
_COMPARED = re.compile(
    r"(?:\b(?:than|vs\.?|versus|against|flip(?:s|ped|ping)?|the new|whilst|while|when)|比|跟着|不看|换成)"
    r"\s?(?:the )?\$?$",
    re.IGNORECASE,
)
"""Up to a coin that another is compared with or changed for."""
_BEATEN = re.compile(r"\bbeat(?:s|ing)? $", re.IGNORECASE)
"""Up to a coin of which some figure is beaten."""
_LISTED = re.compile(r"\s*(?:,|，|、|/|&|\+|\||\n|and|or|和|与|跟|及|plus|,\s?and)\s*[$#•*-]*\s*", re.IGNORECASE)
_TOO = re.compile(r"也(?:可以|可|行|能|一样)|都可以|\b(?:too|as well)[.!]?$", re.IGNORECASE)
"""Two coins are spoken of alike."""
_OTHERS = re.compile(r"\balts?\b|山寨(?![季合])|小币|市占|BTC\.D\b", re.IGNORECASE)
"""With these bitcoin is the yardstick of all other coins."""
_BAIT = re.compile(
    r"https?://|名额|席位|先打|返还|"
    r"\b(?:fees?|claim|recover\w*|dear|seats?|proof|license|invest|hacked it back|giveaway|get back)\b",
    re.IGNORECASE,
)
"""A small sum beside one of these is the bait or the price of a fraud."""
_READY = re.compile(r"(?:have|prepare|get|bring|keep) (?:your )?usd[tc]\b|usd[tc] ready", re.IGNORECASE)


class Named(Protocol):
    """A coin named at `text[start:end]`; `kind` as in coins.Mention."""

    @property
    def symbol(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def kind(self) -> str: ...


N = TypeVar("N", bound=Named)


def about(text: str, mentions: Sequence[N]) -> list[N]:
    """The mentions of coins that `text` is about. One that is named alone stays, but for bitcoin as the measure of the
    alts and for the money of a pump."""
    symbols = {each.symbol for each in mentions}
    if len(symbols) < 2:
        baited = all(_is_sum(text, each) for each in mentions) and _BAIT.search(text)
        return [] if baited or _only_measures(text, symbols) else list(mentions)
    kept = _without(mentions, lambda each: _is_sum(text, each))
    kept = _without(kept, lambda each: _is_compared(text, each))
    kept = _without(kept, lambda each: each.symbol in _DERIVED)
    yardsticks = _measuring(text, kept)
    return [each for each in kept if each.symbol not in yardsticks]


def _is_sum(text: str, mention: Named) -> bool:
    return bool(_SUM.search(text[max(0, mention.start - 12) : mention.start]))


def _is_compared(text: str, mention: Named) -> bool:
    if _COMPARED.search(text[max(0, mention.start - 16) : mention.start]):
        return True
    return text.startswith(("'s", "’s"), mention.end) and bool(_BEATEN.search(text[: mention.start]))


def _only_measures(text: str, symbols: set[str]) -> bool:
    return ("BTC" in symbols and bool(_OTHERS.search(text))) or (symbols <= _STABLE and bool(_READY.search(text)))


def _without(mentions: Sequence[N], drop: Callable[[N], bool]) -> list[N]:
    """Without the coins all of whose mentions are dropped; all of them where none would be left."""
    left = {each.symbol for each in mentions if not drop(each)}
    return [each for each in mentions if each.symbol in left] if left - _STABLE else list(mentions)


def _measuring(text: str, kept: Sequence[Named]) -> set[str]:
    """The large coins that stand beside another as its yardstick: not those listed with it, put first or in a pair."""
    others = [each.symbol for each in kept if each.symbol not in _YARDSTICKS | _STABLE]
    if not others or (_TOO.search(text) and len(set(others)) == 1):
        return set()
    plain = [each for each in kept if each.symbol in _YARDSTICKS and each.kind in ("symbol", "name", "topic")]
    listed = {
        each.symbol
        for first, second in pairwise(kept)
        if _LISTED.fullmatch(text[first.end : second.start])
        for each in (first, second)
    }
    told = {each.symbol for each in kept if each not in plain}
    return {each.symbol for each in plain} - listed - told
