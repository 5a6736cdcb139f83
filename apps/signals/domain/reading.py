"""A text cut into words, and what stands around each: prices, sums, Chinese, capitals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

_CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff"
TOKEN = re.compile(rf"[^\W_{_CJK}]+")
_PRICE = re.compile(r"(?: (?:at|from|under|over|above|below|closed under))?[:：]? ?[@$]? ?\d*[.,]\d")
_HEADS = re.compile(
    r"[:：?]|\. |, | (?:is|isn't|was|did|didn't|does|down|up|goes|went|going|needs|thoughts|has|still|getting|looks|"
    r"holds|unlock|reached|dips|next|pops|gets|army|people|users|founders)\b"
)
"""What follows a coin that a post begins with."""
_HELD = re.compile(r"(?<![\d.])\d[\d.,]*\s?(?:[kmb]|bn|million|billion|trillion)?(?: of)?(?: staked)? $", re.IGNORECASE)
"""A sum of coins, up to the coin."""
_DECIMAL = re.compile(r"(?<![\w.])\d{0,6}\.\d{1,9}(?![\w.]|%)")
_TRADE_NUMBERS = 2
"""So many prices with decimals make a text a trade, whose first word is its market."""
_HAN = re.compile("[\u4e00-\u9fff]")
EVERYDAY = frozenset(
    {"NOT", "ONE", "HOT", "FUN", "GAS", "MOVE", "WEN", "MEME", "ALT", "ID", "PI", "AR", "OP", "NEAR", "LINK", "SKY"}
    | {"HYPE", "RENDER"}
)
"""Symbols that are such common words that the trade must be spoken of right beside them."""
_SHOUTING = 0.7


class Token(NamedTuple):
    text: str
    start: int
    end: int


class Tokens:
    """The words of a text, made when asked for: most are never looked at."""

    __slots__ = ("_hits", "texts")

    def __init__(self, text: str) -> None:
        self._hits = list(TOKEN.finditer(text))
        self.texts = [hit[0] for hit in self._hits]

    def __len__(self) -> int:
        return len(self._hits)

    def __getitem__(self, at: int) -> Token:
        hit = self._hits[at]
        return Token(hit[0], hit.start(), hit.end())

    def __iter__(self) -> Iterator[Token]:
        return (Token(hit[0], hit.start(), hit.end()) for hit in self._hits)

    def chosen(self, at: int, size: int) -> list[Token]:
        return [self[place] for place in range(at, at + size)]


@dataclass(frozen=True, slots=True)
class Reading:
    """A text in tokens. `trade`: it holds prices like a trade; `heads`: the places of tokens that then name its market,
    those that begin it or a line of it."""

    text: str
    tokens: Tokens
    words: list[str]
    trade: bool
    heads: frozenset[int]

    @classmethod
    def of(cls, text: str, tokens: Tokens, words: list[str]) -> Reading:
        """`words`: the tokens in small letters."""
        trade = text.count(".") >= _TRADE_NUMBERS and len(_DECIMAL.findall(text)) >= _TRADE_NUMBERS
        begins = (at for at, token in enumerate(tokens) if at == 0 or "\n" in text[tokens[at - 1].end : token.start])
        return cls(text, tokens, words, trade, frozenset(begins if trade else ()))

    @property
    def shouting(self) -> bool:
        """Whether most words are in capitals."""
        return _share_of_capitals(self.tokens) > _SHOUTING

    def priced(self, at: int) -> bool:
        """Whether a price stands right behind a token, as in `LINK 18.4`; behind one in small letters where it begins
        the text."""
        token = self.tokens[at]
        told = token.text.isupper() or token.text.istitle() or at == 0 or token.text.upper() not in EVERYDAY
        return told and bool(_PRICE.match(self.text, token.end))

    def headed(self, at: int) -> bool:
        """Whether the text begins with a token and goes on as about a coin."""
        return at == 0 and bool(_HEADS.match(self.text, self.tokens[0].end))

    def summed(self, at: int) -> bool:
        """Whether a sum stands right before a token in capitals, as in `1.9M LINK`."""
        token = self.tokens[at]
        return token.text.isupper() and bool(_HELD.search(self.text, max(0, token.start - 24), token.start))

    @property
    def chinese(self) -> bool:
        """Whether there is more Chinese than anything else, so that a Latin word is a name."""
        return len(_HAN.findall(self.text)) > 3 * len(self.tokens)


def follows_homoglyphs(tokens: Tokens, at: int, text: str) -> bool:
    """Whether a token is the second half of a pair whose first half only looks like a coin."""
    return at > 0 and not tokens[at - 1].text.isascii() and text[tokens[at - 1].end : tokens[at].start] in ("/", "-")


def beside_han(reading: Reading, at: int) -> bool:
    token = reading.tokens[at]
    around = reading.text[max(0, token.start - 2) : token.start] + reading.text[token.end : token.end + 2]
    return at == 0 or bool(_HAN.search(around))


def among_chinese(text: str, token: Token) -> bool:
    """Whether a token in capitals stands in a Chinese sentence, where no English word is shouted."""
    around = text[max(0, token.start - 3) : token.start] + text[token.end : token.end + 3]
    return token.text.isupper() and bool(_HAN.search(around))


def _share_of_capitals(tokens: Tokens) -> float:
    words = [token.text for token in tokens if token.text.isalpha() and len(token.text) > 1]
    return sum(word.isupper() for word in words) / len(words) if words else 0.0
