"""Which coin a post means that names none: by prices and things that only that coin has, and by nicknames."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from apps.signals.domain.han import simplified

READ = 4_000
"""Characters that are looked at."""
_LARGE = ("BTC", "ETH")
"""Coins that stand for the whole market where no other coin is spoken of."""
_NUMBER = re.compile(r"\d\d")
_HAN = re.compile("[\u4e00-\u9fff]")


class Implied(NamedTuple):
    """A coin that `text[start:end]` points at."""

    symbol: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Sign:
    """One entry of implied.toml, which says what each field means."""

    symbol: str
    words: tuple[str, ...]
    pattern: re.Pattern[str] | None
    zh: re.Pattern[str] | None
    market: bool

    @classmethod
    def of(cls, entry: dict[str, Any]) -> _Sign:
        pattern, zh = (re.compile(entry[key]) if key in entry else None for key in ("pattern", "zh"))
        return cls(entry["symbol"], tuple(entry.get("words", ())), pattern, zh, entry.get("market", False))

    def found(self, plain: str, numbers: bool, chinese: bool) -> re.Match[str] | None:
        hit = None
        if self.pattern and (any(word in plain for word in self.words) if self.words else numbers):
            hit = self.pattern.search(plain)
        return hit or (self.zh.search(plain) if self.zh and chinese else None)


@dataclass(frozen=True, slots=True)
class _Signs:
    other: re.Pattern[str]
    market: re.Pattern[str]
    signs: tuple[_Sign, ...]


def implied(text: str, addressed: bool = False) -> Implied | None:
    """The coin that `text` means without naming one; None where nothing points at one. A text that speaks of other
    coins or holds an address (`addressed`) is not taken to mean bitcoin or ether."""
    read = text[:READ]
    plain = simplified(read).lower()
    return next(_candidates(_signs(), plain, addressed), None) if len(plain) == len(read) else None


def _candidates(signs: _Signs, plain: str, addressed: bool) -> Iterator[Implied]:
    numbers, chinese = bool(_NUMBER.search(plain)), bool(_HAN.search(plain))
    for sign in signs.signs:
        if not (hit := sign.found(plain, numbers, chinese)):
            continue
        if sign.market and not signs.market.search(plain):
            continue
        if sign.symbol not in _LARGE or not (addressed or signs.other.search(plain)):
            yield Implied(sign.symbol, hit.start(), hit.end())


@cache
def _signs() -> _Signs:
    file = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return _Signs(re.compile("|".join(file["other"])), re.compile(file["market"]), tuple(map(_Sign.of, file["sign"])))
