"""The coin catalogue, and which coins a text names: cashtags, pairs, symbols, names, aliases, Chinese names."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

_FILE = Path(__file__).with_name("coins.toml")
_CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff"
_TOKEN = re.compile(rf"[^\W_{_CJK}]+")
_CASHTAG = re.compile(r"\$([^\W\d_]\w{1,14})")
_MIXED = re.compile(r"[A-Za-z][\u0370-\u058f]|[\u0370-\u058f][A-Za-z]")
"""A Latin letter beside a Greek, Cyrillic or Armenian one."""
_BLANKED = re.compile(r"https?://\S+|\bwww\.\S+|[\w.+-]{1,64}@[\w-]{1,60}\.[\w.-]{1,60}|@\w+")
_ADDRESS_SIGNS = ("@", "://", "www.")
"""One of these is in everything `_BLANKED` finds; looking for them first spares most texts its slow search."""
_QUOTES = ("USDT", "USDC", "BUSD", "FDUSD", "USD", "EUR", "BTC", "ETH", "PERP", "SWAP")
_PAIR_TAIL = re.compile(rf"\s?/\s?(?:{'|'.join(_QUOTES)})\b|-(?:{'|'.join(_QUOTES)})\b")
_GLUED = re.compile(rf"^([A-Z0-9]{{2,10}}?)(?:{'|'.join(_QUOTES[:5])})$")
_AMOUNT = re.compile(r"\d[\d.,]*\s?[kKmMbB]?\s?$")
_LONGEST_NAME = 4
_REACH = 3
_SHOUTING = 0.7


@dataclass(frozen=True, slots=True)
class CoinInfo:
    """One catalogue entry; coins.toml says what each field means."""

    symbol: str
    name: str
    names: tuple[str, ...] = ()
    proper: tuple[str, ...] = ()
    zh: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    lower: bool = False
    ambiguous: bool = False
    stable: bool = False
    description: str = ""

    @property
    def aliases(self) -> tuple[str, ...]:
        return (*self.names, *self.proper, *self.zh)


@dataclass(frozen=True, slots=True)
class Mention:
    """A coin named at `text[start:end]`. `kind`: cashtag, pair, symbol, name or topic."""

    symbol: str
    start: int
    end: int
    kind: str


class _Token(NamedTuple):
    text: str
    start: int
    end: int


class Catalogue:
    """The known coins, indexed for reading texts."""

    def __init__(self, coins: Iterable[CoinInfo], context: Iterable[str], close: Iterable[str]) -> None:
        self._context, self._close = frozenset(context), frozenset(close)
        self.coins = {coin.symbol: coin for coin in coins}
        self._names = {name: coin for coin in self.coins.values() for name in coin.names}
        self._proper = {name: coin for coin in self.coins.values() for name in coin.proper}
        self._first_words = {name.split(" ")[0].lower() for name in (*self._names, *self._proper)}
        self._zh = _alternatives({word: coin.symbol for coin in self.coins.values() for word in coin.zh})
        self._zh_symbols = {word: coin.symbol for coin in self.coins.values() for word in coin.zh}
        self._topics = {topic: coin.symbol for coin in self.coins.values() for topic in coin.topics}
        self._topic = re.compile(rf"\b(?:{'|'.join(map(re.escape, self._topics))})\b", re.IGNORECASE)

    def __iter__(self) -> Any:
        return iter(self.coins.values())

    def mentions(self, text: str) -> list[Mention]:
        """Every coin named in `text`, in order of place; topics only where no coin is named.

        A token that mixes scripts (a Cyrillic letter in BTC) never resolves; nothing in a URL or @handle does.
        """
        readable = text
        if any(sign in text for sign in _ADDRESS_SIGNS):
            readable = _BLANKED.sub(lambda found: " " * len(found[0]), text)
        found = [*self._latin(readable), *self._chinese(readable)]
        if not found and not self.names_unknown(readable):
            found = [*self._by_topic(readable)]
        return sorted(found, key=lambda mention: mention.start)

    def names_unknown(self, text: str) -> bool:
        """Whether `text` names a coin that is unknown or only looks like one: its meaning must not be guessed."""
        cashtags = (hit[1].upper() for hit in _CASHTAG.finditer(text))
        return bool(_MIXED.search(text)) or any(symbol not in self.coins for symbol in cashtags)

    def symbols(self, text: str) -> list[str]:
        """Symbols of the coins named in `text`, each once, in order of first mention."""
        return list(dict.fromkeys(mention.symbol for mention in self.mentions(text)))

    def _chinese(self, text: str) -> Iterable[Mention]:
        for hit in self._zh.finditer(text):
            yield Mention(self._zh_symbols[hit[0]], hit.start(), hit.end(), "name")

    def _by_topic(self, text: str) -> Iterable[Mention]:
        for hit in self._topic.finditer(text):
            yield Mention(self._topics[hit[0].lower()], hit.start(), hit.end(), "topic")

    def _latin(self, text: str) -> Iterable[Mention]:
        tokens = [_Token(hit[0], hit.start(), hit.end()) for hit in _TOKEN.finditer(text)]
        words = [token.text.lower() for token in tokens]
        shouting = _share_of_capitals(tokens) > _SHOUTING
        skip_until = -1
        for at, token in enumerate(tokens):
            if token.start < skip_until or not token.text.isascii() or _follows_homoglyphs(tokens, at, text):
                continue
            mention = self._name(tokens, words, at, text) or self._symbol(tokens, words, at, text, shouting)
            if mention:
                skip_until = mention.end
                yield mention

    def _name(self, tokens: list[_Token], words: list[str], at: int, text: str) -> Mention | None:
        if words[at] not in self._first_words:
            return None
        for size in range(min(_LONGEST_NAME, len(tokens) - at), 0, -1):
            chosen = tokens[at : at + size]
            if any(text[a.end : b.start] not in (" ", "-") for a, b in pairwise(chosen)):
                continue
            coin = self._names.get(" ".join(words[at : at + size])) or self._proper_name(chosen, words)
            if coin and not (coin.stable and _is_unit(text, chosen[0])):
                return self._with_pair(coin, chosen[0].start, chosen[-1].end, text, "name")
        return None

    def _proper_name(self, chosen: list[_Token], words: list[str]) -> CoinInfo | None:
        coin = self._proper.get(" ".join(token.text for token in chosen))
        if coin is None:
            return None
        rest = [word for word in words if word != chosen[0].text.lower()]
        named = any(word in self._names or word.upper() == coin.symbol for word in rest)
        return coin if named or not self._context.isdisjoint(rest) else None

    def _symbol(self, tokens: list[_Token], words: list[str], at: int, text: str, shouting: bool) -> Mention | None:
        token = tokens[at]
        tagged = text[max(0, token.start - 1) : token.start]
        coin = self.coins.get(token.text.upper())
        if coin is None:
            return self._glued(token)
        if tagged == "$" or (tagged == "#" and (token.text.isupper() or not coin.ambiguous)):
            return self._with_pair(coin, token.start, token.end, text, "cashtag")
        if not (token.text.isupper() or coin.lower):
            return None
        if _PAIR_TAIL.match(text, token.end):
            return self._with_pair(coin, token.start, token.end, text, "pair")
        if (coin.stable and _is_unit(text, token)) or (coin.ambiguous and not self._meant(words, at, shouting)):
            return None
        return Mention(coin.symbol, token.start, token.end, "symbol")

    def _glued(self, token: _Token) -> Mention | None:
        hit = _GLUED.match(token.text)
        coin = self.coins.get(hit[1]) if hit else None
        return Mention(coin.symbol, token.start, token.end, "pair") if coin else None

    def _meant(self, words: list[str], at: int, shouting: bool) -> bool:
        """Whether an ambiguous symbol stands beside words of the trade; among capitals only, nothing vouches for it."""
        if shouting and len(words) > _REACH:
            return False
        return not self._close.isdisjoint((*words[max(0, at - 1) : at], *words[at + 1 : at + _REACH]))

    @staticmethod
    def _with_pair(coin: CoinInfo, start: int, end: int, text: str, kind: str) -> Mention:
        """A quote currency glued on with a slash belongs to the mention: in BTC/USDT nobody speaks of Tether."""
        tail = _PAIR_TAIL.match(text, end)
        if text[max(0, start - 1) : start] in ("$", "#"):
            start, kind = start - 1, "cashtag"
        return Mention(coin.symbol, start, tail.end() if tail else end, "pair" if tail else kind)


def _follows_homoglyphs(tokens: list[_Token], at: int, text: str) -> bool:
    """Whether a token is the second half of a pair whose first half only looks like a coin."""
    return at > 0 and not tokens[at - 1].text.isascii() and text[tokens[at - 1].end : tokens[at].start] in ("/", "-")


def _is_unit(text: str, token: _Token) -> bool:
    """`600 USDT` is an amount, not a statement about Tether."""
    return bool(_AMOUNT.search(text[max(0, token.start - 20) : token.start]))


def _share_of_capitals(tokens: list[_Token]) -> float:
    words = [token.text for token in tokens if token.text.isalpha() and len(token.text) > 1]
    return sum(word.isupper() for word in words) / len(words) if words else 0.0


def _alternatives(words: dict[str, str]) -> re.Pattern[str]:
    """One pattern for all words, longest first, so that 比特币现金 is not read as 比特币."""
    return re.compile("|".join(sorted(map(re.escape, words), key=len, reverse=True)))


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """The shipped catalogue, read once."""
    file = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    coins = (CoinInfo(**{key: _frozen(value) for key, value in entry.items()}) for entry in file["coin"])
    return Catalogue(coins, file["context"].split(), file["close"].split())


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
