"""Whether a post means the words that decided: in its own name, on no condition, and not as fiction."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from apps.signals.domain.coins import catalogue
from apps.signals.domain.mood import negated
from tradebot.contracts.messages import Evidence

READ = 20_000
"""Characters that are looked at."""
LONGEST = 60
"""Characters of a quote that can be said to stand in one sentence; longer ones are the whole post."""
_END = re.compile(r"(?<!\d)[.!?;]+(?=\s|$)|[。！？；\n]+|(?<=[\u4e00-\u9fff])[!?;,](?=但|现在|不过|已)")
_QUOTED = re.compile(r"[\"“「『‘]([^\"”」』’\n]{3,200})[\"”」』’]|(?<![\w'])'([^'\n]{3,120})'(?!\w)")
_WEAKENED = {"condition": "stand under a condition", "hedged": "are hedged or stand under a condition"}
_SAYS = {
    "fiction": "it is fiction or a joke",
    "withdrawn": "it takes something back",
    "denied": "it says that what others tell is not so",
    "undecided": "it takes neither side",
    "taunt": "it asks others to sell to its author",
    "hearsay": "it is hearsay of hearsay",
}

_CLAUSE = re.compile(r"[.!?,;:，。！？；：\n]|\b(?:but|and|because|while|although|yet)\b")
_NOT_ZH = re.compile(r"(?:不(?![断错过止少仅])|没有?|别|勿|未|并非)[^，。！？；,]{0,3}$")
PLAIN = frozenset({"BTC", "ETH", "XRP", "BNB", "DOGE", "LTC", "SHIB", "USDT", "USDC", "XLM", "XMR"})
"""Symbols that are no other word."""

Span = tuple[int, int]


def unmeant(text: str, evidence: Sequence[Evidence]) -> str:
    """Why a post must not be acted on although it is about a coin; empty where it may be meant. `evidence`: the quotes
    that carry the verdict; those that have a span in `text` and are no longer than LONGEST are looked at."""
    plain = text[:READ].casefold().replace("’s", "'s")
    patterns = _patterns()
    for kind, says in _SAYS.items():
        if hit := patterns[kind].search(plain):
            return f"{says}: “{' '.join(hit[0].split())[:60]}”"
    decided = _spans(plain, evidence)
    if not decided:
        return ""
    if all(_within(span, [hit.span() for hit in _QUOTED.finditer(plain)]) for span in decided):
        return "the words that decided are quoted from somebody else"
    for kind, says in _WEAKENED.items():
        if all(_within(span, _conditional(plain, patterns[kind])) for span in decided):
            return f"the words that decided {says}"
    denied = [_negated(plain, start) for start, _ in decided]
    bare = [plain.startswith("not ", start) for start, _ in decided]
    if any(denied) and all(one or other for one, other in zip(denied, bare, strict=True)):
        return "it only says what is not the case"
    return _elsewhere(text[:READ], plain, patterns["context"])


def _negated(plain: str, start: int) -> bool:
    clause = _CLAUSE.split(plain[max(0, start - 40) : start])[-1]
    return bool(_NOT_ZH.search(clause)) or negated(" ".join(clause.split()[-5:]))


def _elsewhere(text: str, plain: str, context: re.Pattern[str]) -> str:
    """Why the coin may be no coin: a bare symbol that means other things too, in a text about something else."""
    named = catalogue().mentions(text)
    if not named or any(each.kind != "symbol" or each.symbol in PLAIN for each in named):
        return ""
    if context.search(plain):
        return ""
    return f"{', '.join(sorted({each.symbol for each in named}))} may mean something else: nothing is said of markets"


def _spans(plain: str, evidence: Iterable[Evidence]) -> list[Span]:
    """Where short quotes stand; those of pictures (without a span) at their first place."""
    found: list[Span] = []
    for each in evidence:
        if len(each.quote) > LONGEST:
            continue
        start = each.span[0] if each.span else plain.find(each.quote.casefold())
        if start >= 0:
            found.append((start, start + len(each.quote)))
    return found


def _within(span: Span, places: Iterable[Span]) -> bool:
    return any(start <= span[0] and span[1] <= end for start, end in places)


def _conditional(plain: str, condition: re.Pattern[str]) -> list[Span]:
    return [(start, end) for start, end in _sentences(plain) if condition.search(plain, start, end)]


def _sentences(plain: str) -> Iterator[Span]:
    start = 0
    for hit in _END.finditer(plain):
        yield start, hit.end()
        start = hit.end()
    yield start, len(plain)


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    lists = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    lists["hedged"] += lists["condition"]
    return {kind: re.compile("|".join(words)) for kind, words in lists.items()}
