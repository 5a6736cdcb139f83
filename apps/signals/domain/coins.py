"""The coin catalogue, and which coins a text names: cashtags, pairs, symbols, names, aliases, Chinese names."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from apps.signals.domain.han import simplified
from apps.signals.domain.implied import implied
from apps.signals.domain.mentioned import about
from apps.signals.domain.reading import (
    EVERYDAY,
    TOKEN,
    Reading,
    Token,
    Tokens,
    among_chinese,
    beside_han,
    follows_homoglyphs,
)

_FILE = Path(__file__).with_name("coins.toml")
_CASHTAG = re.compile(r"\$([^\W\d_]\w{1,14})")
_MIXED = re.compile(r"[A-Za-z][\u0370-\u058f]|[\u0370-\u058f][A-Za-z]")
"""A Latin letter beside a Greek, Cyrillic or Armenian one."""
_BLANKED = re.compile(r"https?://\S+|\bwww\.\S+|[\w.+-]{1,64}@[\w-]{1,60}\.[\w.-]{1,60}|@\w+")
_ADDRESS_SIGNS = ("@", "://", "www.")
"""One of these is in everything `_BLANKED` finds; looking for them first spares most texts its slow search."""
_QUOTES = ("USDT", "USDC", "BUSD", "FDUSD", "USD", "EUR", "BTC", "ETH", "PERP", "SWAP")
_PAIR_TAIL = re.compile(rf"\s?/\s?(?:{'|'.join(_QUOTES)})\b|-(?:{'|'.join(_QUOTES)})\b", re.IGNORECASE)
_GLUED = re.compile(rf"^([A-Z0-9]{{2,10}}?)(?:{'|'.join(_QUOTES[:5])})$")
_GLUED_ENDS = ("usdt", "usdc", "busd", "usd")
_AMOUNT = re.compile(r"\d[\d.,]*\s?[kKmMbB]?\s?$")
_WORDS = frozenset(
    {"dot", "uni", "atom", "comp", "mana", "sand", "sky", "fun", "hot", "waves", "dash", "gala", "ape", "luna"}
)
"""Symbols that are words in small letters."""
_NEVER_SMALL = EVERYDAY - {"OP", "NEAR", "LINK", "HYPE"}
_PHRASE = re.compile(r" (?:to|here|as|in|is real|the|my|by|below|above)\b")
"""What follows LINK, NEAR, OP and HYPE where they are words in capitals."""
_LOANS = _NEVER_SMALL | {"LINK", "OP", "AI", "AUTO", "W", "S", "T", "IP", "PUMP", "IO", "ME"}
"""Symbols that are words of Chinese chats and of headings, too."""
_ADJECTIVES = frozenset({"stellar", "maker", "terra", "flow", "portal", "blur", "ape", "graph", "compound", "render"})
"""Names that are such words in small letters that a word of the trade beside them says nothing."""
_VERBS = frozenset({"ROSE", "DRIFT", "SPELL", "HOOK"})
"""Symbols that prices and hackers do: never one in small letters."""
_MARKET = re.compile(
    r"[$%]|\d\.\d|\b(?:market|whales?|revenue|supply|oracles?|users|daily|reserves?|bank|founders?|bought|fees|share|float|"
    r"inflation|proposal|cheap|overvalued|undervalued|reward\w*|delist\w*|crypto\w*|binance|coinbase|spot|leverage\w*)\b",
    re.IGNORECASE,
)
"""What vouches for a symbol in capitals that is a word, too, in a sentence that isn't shouted."""
_SELDOM = frozenset({"TON", "ATOM", "MINA", "APT", "POL", "MANA"})
"""Symbols that are words so seldom that any talk of markets vouches for them in small letters."""
_HEADING = re.compile(r":.*\d", re.DOTALL)
"""After a name at the beginning: it heads a text with numbers."""
_PLACE = re.compile(
    r" (?:Beach|Street|St\.|Avenue|Ave\.|Road|Park|Square|Lake|River|Valley|Mountains?|Island|County|Airport|"
    r"Airlines?|Hotel|Resort|Hospital|Clinic|School|College|Church|Museum|Stadium|Arena|Gym|Café|Cafe|Restaurant|Bar|Diner|"
    r"Pier|FC|Brewery|Bakery)\b"
)
"""After a name: Solana Beach is a town."""
_STOP = re.compile(r"[,.;!?\n]")
_DIGIT = re.compile(r"\d")
_LOOK = str.maketrans(
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0405\u0406\u0408\u0423"
    "\u0430\u0435\u043e\u0440\u0441\u0445\u0455\u0456\u0458\u0443\u0501\u04bb\u051b\u043a\u0442\u043d\u0432"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"
    "\u03b1\u03bf\u03b9\u03bd\u03c1\u03c4\u03c5\u03c7\u03ba",
    "ABEKMHOPCTXSIJYaeopcxsijydhqkthbABEZHIKMNOPTYXaoivptuxk",
)
"""Cyrillic and Greek letters as the Latin ones that they look like."""
_LONGEST_NAME = 4
_REACH = 3


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
    tagged: bool = False
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


class Catalogue:
    """The known coins, indexed for reading texts."""

    def __init__(self, coins: Iterable[CoinInfo], context: Iterable[str], close: Iterable[str]) -> None:
        self._context, self._close = frozenset(context), frozenset(close)
        self.coins = {coin.symbol: coin for coin in coins}
        self._names = {name: coin for coin in self.coins.values() for name in coin.names}
        self._proper = {name: coin for coin in self.coins.values() for name in coin.proper}
        self._small_proper = {name.lower(): coin for name, coin in self._proper.items()}
        self._all_names = {*self._names, *self._small_proper}
        self._first_words = {name.split(" ")[0].lower() for name in (*self._names, *self._proper)}
        self._tagged = {coin.symbol for coin in self.coins.values() if coin.tagged}
        self._known = self._first_words | {symbol.lower() for symbol in self.coins}
        self._untagged = self._first_words | {symbol.lower() for symbol in self.coins if symbol not in self._tagged}
        articled = (name.lower().split(" ") for name in (*self._names, *self._proper))
        self._gate = self._untagged - {"the"} | {words[1] for words in articled if words[0] == "the" and len(words) > 1}
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
        imitated = self._imitated(readable)
        found = [each for each in (*self._latin(readable), *self._chinese(readable)) if each.symbol not in imitated]
        if not found and not imitated and not self.names_unknown(readable):
            found = [*self._by_topic(readable)] or _implied(readable, readable != text)
        return sorted(found, key=lambda mention: mention.start)

    def names_unknown(self, text: str) -> bool:
        """Whether `text` names a coin that is unknown or only looks like one: its meaning must not be guessed."""
        cashtags = (hit[1].upper() for hit in _CASHTAG.finditer(text))
        return bool(_MIXED.search(text)) or any(symbol not in self.coins for symbol in cashtags)

    def symbols(self, text: str) -> list[str]:
        """Symbols of the coins that `text` is about, each once, in order of first mention: those it names, but not
        those that only measure or pay for another."""
        return list(dict.fromkeys(mention.symbol for mention in about(text, self.mentions(text))))

    def _chinese(self, text: str) -> Iterable[Mention]:
        for hit in self._zh.finditer(simplified(text)):
            yield Mention(self._zh_symbols[hit[0]], hit.start(), hit.end(), "name")

    def _by_topic(self, text: str) -> Iterable[Mention]:
        for hit in self._topic.finditer(text):
            yield Mention(self._topics[hit[0].lower()], hit.start(), hit.end(), "topic")

    def _imitated(self, text: str) -> set[str]:
        """Coins whose symbol or name stands here in letters of another script: their real names count for nothing."""
        if text.isascii():
            return set()
        seen = {hit[0]: unicodedata.normalize("NFKC", hit[0]).translate(_LOOK) for hit in TOKEN.finditer(text)}
        read = {plain for token, plain in seen.items() if plain != token and plain.isascii()}
        coins = (self.coins.get(plain.upper()) or self._names.get(plain.lower()) for plain in read)
        return {coin.symbol for coin in coins if coin}

    def _latin(self, text: str) -> Iterable[Mention]:
        tagged = "$" in text or "#" in text
        tokens = Tokens(text)
        words = [token.lower() for token in tokens.texts]
        none = self._gate.isdisjoint(words) and self._tagged.isdisjoint(tokens.texts)
        if none and not tagged and "USD" not in text:
            return
        known = self._known if tagged else self._untagged
        reading = Reading.of(text, tokens, words)
        skip_until = -1
        for at, word in enumerate(reading.words):
            if word not in self._known and not word.endswith(_GLUED_ENDS):
                continue
            token = reading.tokens[at]
            if word not in known and not token.text.isupper():
                continue
            if token.start < skip_until or not token.text.isascii() or follows_homoglyphs(reading.tokens, at, text):
                continue
            mention = self._name(reading, at) or self._symbol(reading, at)
            if mention:
                skip_until = mention.end
                yield mention

    def _name(self, reading: Reading, at: int) -> Mention | None:
        tokens, words, text = reading.tokens, reading.words, reading.text
        if words[at] not in self._first_words:
            return None
        for size in range(min(_LONGEST_NAME, len(tokens) - at), 0, -1):
            if " ".join(words[at : at + size]) not in self._all_names:
                continue
            chosen = tokens.chosen(at, size)
            if any(text[a.end : b.start] not in (" ", "-") for a, b in pairwise(chosen)):
                continue
            coin = self._names.get(" ".join(words[at : at + size])) or self._proper_name(reading, chosen, at)
            if coin and not (coin.stable and _is_unit(text, chosen[0])) and not _PLACE.match(text, chosen[-1].end):
                return self._with_pair(coin, chosen[0].start, chosen[-1].end, text, "name")
        return None

    def _proper_name(self, reading: Reading, chosen: list[Token], at: int) -> CoinInfo | None:
        said = " ".join(token.text for token in chosen)
        if coin := self._proper.get(said):
            rest = [word for word in reading.words if word != chosen[0].text.lower()]
            named = any(word in self._names or word.upper() == coin.symbol for word in rest)
            ruled = at == 0 and bool(_HEADING.match(reading.text, chosen[-1].end))
            return coin if named or ruled or reading.trade or not self._context.isdisjoint(rest) else None
        small = self._small_proper.get(said)
        if small is None:
            return None
        end = at + len(chosen) - 1
        near = at in reading.heads or reading.priced(end) or (said not in _ADJECTIVES and self._meant(reading, end))
        return small if near else None

    def _symbol(self, reading: Reading, at: int) -> Mention | None:
        token, text = reading.tokens[at], reading.text
        tagged = text[max(0, token.start - 1) : token.start]
        coin = self.coins.get(token.text.upper())
        if coin is None:
            return self._glued(token)
        if tagged == "$" or (tagged == "#" and (token.text.isupper() or not coin.ambiguous)):
            return self._with_pair(coin, token.start, token.end, text, "cashtag")
        if not (token.text.isupper() or coin.lower or self._small(coin, reading, at)):
            return None
        if _PAIR_TAIL.match(text, token.end):
            return self._with_pair(coin, token.start, token.end, text, "pair")
        unit = coin.stable and _is_unit(text, token)
        with_ = len(token.text) == 1 and text[token.end : token.end + 1] == "/"
        if unit or with_ or (coin.ambiguous and not self._clear(coin, reading, at)):
            return None
        return Mention(coin.symbol, token.start, token.end, "symbol")

    def _small(self, coin: CoinInfo, reading: Reading, at: int) -> bool:
        """Whether a symbol that is not in capitals is one: no ordinary word, the market of a trade, or beside words of
        the trade."""
        word = reading.words[at]
        if coin.tagged or coin.symbol in _VERBS:
            return False
        if (not coin.ambiguous and word not in _WORDS and len(word) > 2) or at in reading.heads:
            return True
        return coin.symbol not in _NEVER_SMALL and (self._meant(reading, at) or self._told(coin, reading, at))

    def _told(self, coin: CoinInfo, reading: Reading, at: int) -> bool:
        """Whether a symbol that may be a word is one by where it stands: it begins the text, has a price or a sum, or
        is a Latin word in a Chinese text."""
        if at == 0 and reading.priced(0):
            return True
        if reading.headed(at) and coin.symbol not in _LOANS:
            rest = reading.words[1:]
            vouched = not (self._context.isdisjoint(rest) and self._close.isdisjoint(rest))
            return vouched or bool(_DIGIT.search(reading.text))
        if coin.symbol in EVERYDAY:
            return coin.symbol not in _LOANS and reading.chinese and beside_han(reading, at)
        if coin.symbol in _SELDOM and reading.words[max(0, at - 1)] not in ("a", "the"):
            rest = reading.words[:at] + reading.words[at + 1 :]
            if not (self._context.isdisjoint(rest) and self._close.isdisjoint(rest)) or _MARKET.search(reading.text):
                return True
        return reading.priced(at) or (reading.chinese and beside_han(reading, at))

    def _glued(self, token: Token) -> Mention | None:
        hit = _GLUED.match(token.text)
        coin = self.coins.get(hit[1]) if hit else None
        return Mention(coin.symbol, token.start, token.end, "pair") if coin else None

    def _clear(self, coin: CoinInfo, reading: Reading, at: int) -> bool:
        """Whether an ambiguous symbol is meant: by its price, a Chinese sentence, or what else is spoken of."""
        token, words = reading.tokens[at], reading.words
        if coin.tagged:
            return token.text.isupper() and reading.priced(at)
        if at in reading.heads or reading.priced(at) or among_chinese(reading.text, token):
            return True
        if self._meant(reading, at) or (coin.symbol not in _NEVER_SMALL and self._told(coin, reading, at)):
            return True
        if reading.shouting or token.text in _NEVER_SMALL or not token.text.isupper():
            return False
        rest = words[:at] + words[at + 1 :]
        close, context = not self._close.isdisjoint(rest), not self._context.isdisjoint(rest)
        if token.text in EVERYDAY:
            everyday = _PHRASE.match(reading.text, token.end)
            return reading.trade or ((close or context or bool(_MARKET.search(reading.text))) and not everyday)
        return reading.trade or close or context or bool(_MARKET.search(reading.text))

    def _meant(self, reading: Reading, at: int) -> bool:
        """Whether an ambiguous symbol stands beside words of the trade; among capitals only, nothing vouches for it."""
        words, tokens, text = reading.words, reading.tokens, reading.text
        beside = [*words[max(0, at - 1) : at], *words[at + 1 : at + 2]]
        if len(words) > at + 2 and not _STOP.search(text, tokens[at].end, tokens[at + 2].start):
            beside.append(words[at + 2])
        return not self._close.isdisjoint(beside) and (len(words) <= _REACH or not reading.shouting)

    @staticmethod
    def _with_pair(coin: CoinInfo, start: int, end: int, text: str, kind: str) -> Mention:
        """A quote currency glued on with a slash belongs to the mention: in BTC/USDT nobody speaks of Tether."""
        tail = _PAIR_TAIL.match(text, end)
        if text[max(0, start - 1) : start] in ("$", "#"):
            start, kind = start - 1, "cashtag"
        return Mention(coin.symbol, start, tail.end() if tail else end, "pair" if tail else kind)


def _implied(text: str, addressed: bool) -> list[Mention]:
    hit = implied(text, addressed)
    return [Mention(hit.symbol, hit.start, hit.end, "topic")] if hit else []


def _is_unit(text: str, token: Token) -> bool:
    """`600 USDT` is an amount, not a statement about Tether."""
    return bool(_AMOUNT.search(text[max(0, token.start - 20) : token.start]))


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
