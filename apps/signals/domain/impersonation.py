"""Whether a post speaks as an exchange though it is not the exchange that posts."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

OPEN_SOURCES = frozenset({"twitter", "telegram"})
"""Sources where anybody may take any name."""
LONG_ENOUGH = 7
"""Letters from which a name that differs from a known one by a letter or two is no coincidence."""
_SLIPS = 2
_HEADING = r"(?:official|announcements?|notice|listings?|assets|support|security notice)\s*(?:[^\w\s]|\n|$)"
_OFFICES = re.compile(
    r"official|support|customer|care|help|service|team|announce|listing|event|bonus|airdrop|vip|ambassador|admin|assets"
    r"|giveaway|reward|claim|客服|官方|公告|小助手"
)
_FIRST_PERSON = re.compile(
    r"\b(?:we|our (?:exchange|platform))(?: (?:will|have|are|shall)|'ll|'re)? (?:now |soon |decided to |going to )?"
    r"(?:list|delist|add|remove|open(?:ed)?|suspend|halt)(?:ing|ed)?\b|本平台|我们(?:将|即将)(?:上线|下架|开放)"
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange: `names` in a text, `voices` its own accounts, `speaks` signs of its own voice; names and longer
    voices also as a hasty reader `sees` and might `mistake` them."""

    name: str
    names: tuple[str, ...]
    voices: frozenset[str]
    named: re.Pattern[str]
    speaks: re.Pattern[str]
    sees: tuple[str, ...]
    mistakes: tuple[str, ...]

    def speaks_in(self, plain: str) -> bool:
        """Whether a text (case-folded) is told in this exchange's own voice."""
        return bool(self.speaks.search(plain) or (self.named.search(plain) and _FIRST_PERSON.search(plain)))


def impersonated(text: str, source: str, voice: str) -> str:
    """Why a post must not be taken for an exchange's own news; empty where it does not pose as that.

    `voice`: its channel, or its author where there is no channel. What somebody says *of* an exchange is not looked at.
    """
    if source not in OPEN_SOURCES:
        return ""
    name, plain = voice.casefold().lstrip("@"), text.casefold()
    if any(name in exchange.voices for exchange in _exchanges()):
        return ""
    if posed := _posed(name):
        return f"{voice!r} is named like an account of {posed} and is none of its accounts"
    for exchange in _exchanges():
        if any(own in plain for own in exchange.names) and exchange.speaks_in(plain):
            return f"it speaks as {exchange.name}, and {voice!r} is none of its accounts"
    return ""


@lru_cache(maxsize=4096)
def _posed(name: str) -> str:
    """The exchange that a name poses as, if any."""
    seen = _seen(name)
    return next((exchange.name for exchange in _exchanges() if _poses(seen, exchange)), "")


def _poses(seen: str, exchange: Exchange) -> bool:
    """Whether a name claims an office at the exchange, or differs from one of its accounts by a letter or two."""
    if any(own in seen for own in exchange.sees) and _OFFICES.search(seen):
        return True
    return any(_nearly(seen, known) for known in exchange.mistakes)


def _seen(name: str) -> str:
    """Letters as a hasty reader takes them: no accents, no dots and dashes, no digits at the end."""
    plain = unicodedata.normalize("NFKD", name).translate(_LOOKALIKES)
    return re.sub(r"[\W_]|\d+$", "", plain)


_LOOKALIKES = str.maketrans("авекмнорстухіјѕԁɡοαεικντυρ013", "abekmhopctyxijsdgoaeikvtupole")


def _nearly(name: str, known: str) -> bool:
    """Whether two names are the same but for a letter more, less, doubled or changed (at most two of them)."""
    return abs(len(name) - len(known)) <= _SLIPS and _distance(name, known) <= _SLIPS


def _distance(one: str, other: str) -> int:
    """Letters to add, drop or change (Levenshtein 1966)."""
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one, 1):
        last, row = row, [place]
        for at, wanted in enumerate(other):
            row.append(min(last[at + 1] + 1, row[at] + 1, last[at] + (letter != wanted)))
    return row[-1]


@cache
def _exchanges() -> tuple[Exchange, ...]:
    known = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return tuple(
        _exchange(name, tuple(each["names"]), frozenset(map(str.casefold, each["voices"])))
        for name, each in known.items()
    )


def _exchange(name: str, names: tuple[str, ...], voices: frozenset[str]) -> Exchange:
    any_name = "|".join(map(re.escape, names))
    latin = rf"(?<![\w.])(?:{any_name})(?!\w)"
    spoken = (
        rf"(?:^|\n)\W*(?:{any_name})[\W_]{{0,3}}{_HEADING}",
        rf"\bofficial (?:{any_name})\b",
        rf"{latin} official\b(?! (?:account|site|website|blog|app))",
        rf"(?:^|\n)\W*(?:the |your )?(?:{any_name}) (?:team|support)\W*(?:$|\n)",
        rf"\b(?:dear|hello|fellow) (?:{any_name})(?:ns|ans|ians)?\b|fellow binancians",
        rf"(?:{any_name})(?:官方|客服)|(?:{any_name})(?:公告|通知)(?!显示|称|指|说|里|中)|(?:尊敬|亲爱)的(?:{any_name})用户",
    )
    mistakes = tuple(known for own in sorted(voices) if len(known := _seen(own)) >= LONG_ENOUGH)
    sees = tuple(map(_seen, names))
    return Exchange(name, names, voices, re.compile(latin), re.compile("|".join(spoken)), sees, mistakes)
