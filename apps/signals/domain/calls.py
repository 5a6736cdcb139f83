"""Trade calls: the side, entry, stop and targets that a post names, and whether such numbers can be meant."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import Literal

from apps.signals.domain.phrases import Phrases
from tradebot.contracts.messages import TradeCall

READ = 2_000
"""Characters of a post that are looked at: a call is short."""
MOST = 8
"""Numbers of one kind that are kept."""
CLOSE = 24
"""Characters between a label and its number at most."""
FAR = Decimal("0.25")
"""How far an entry may be from the market, as a share of it."""
WILD = Decimal(10)
"""A target this many times the entry, or an entry this many times the target, is a slip or a lure."""
WORDY = 5
"""So many words a number are a story, and no call without words."""
TRIED = 3
"""How many numbers are tried as the entry of a call without words."""
BAND = Decimal("1.7")
"""How far its other prices may be from its entry, as a factor."""
CLEARLY = Decimal("1.3")
"""How much farther its targets must be than its stop."""
STOPS = 3
"""How many prices may go against it first: more entries, and the stop."""
LIKELY = Decimal(3)
"""How far a number without a label may be from those with one, as a factor, to be a price of the call."""
_LIST = re.compile(r"[\s,/、|&+>~–—→:：$\-.;]*(?:and|then|or|to|到|再|和|至)?[\s,/、|&+$~:：]*")
_OWN = re.compile(r"[ \t:：=@$~]{1,3}")
"""What stands between a label and the number that it belongs to."""
_WARNING = re.compile(r"n['’]t\b|\bnot\b|\bpast\b|\bcancel|\binvalid|\bif\b|别|不")
_CLAUSE = re.compile(r"[.!?](?=\s|$)|[。！？;；\n]")
_WORD = re.compile(r"[a-z']+|[\u4e00-\u9fff]{1,2}")
_NUMBER = re.compile(
    r"(?<![a-z\d.#])(?<!\d,)"
    r"(?P<digits>[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?|\d+,\d{1,2}(?![\d.])|0,\d+|\d*\.?\d+)(?P<times>k|万)?"
    r"(?!\d|\.\d|,\d{3}|\s?[%％倍成单笔天周月年日号枚万亿个]|\s?分(?!批)|[a-jl-z](?!nd )"
    r"|\s?(?:days?|hours?|weeks?|members|utc|-?\s?minutes?|am\b|pm\b))"
)
_BEHIND = {"走": "target", "先出一半": "target"} | dict.fromkeys(("get out", "out if bad"), "stop")
"""Labels that only stand behind a number, where they don't name an entry."""
_TIMES = {"k": Decimal(1_000), "万": Decimal(10_000), None: Decimal(1)}


@dataclass(frozen=True, slots=True)
class Found:
    """A call with the place of its words, `text[start:end]`."""

    call: TradeCall
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Label:
    kind: str
    start: int
    end: int


@dataclass(slots=True)
class _Numbers:
    entry: list[Decimal] = field(default_factory=list)
    stop: list[Decimal] = field(default_factory=list)
    target: list[Decimal] = field(default_factory=list)
    other: list[Decimal] = field(default_factory=list)


def parse(text: str) -> Found | None:
    """The call in `text`: a side, and at least two of entry, stop and target with numbers; or prices without words that
    stand as those of a call do, of which only the first is given, as its entry. None where it is none."""
    plain = text[:READ].lower()
    numbers = list(_NUMBER.finditer(plain)) if len(plain) == len(text[:READ]) else []
    return _labelled(plain, numbers) or _bare(plain, numbers)


def _labelled(plain: str, numbers: Sequence[re.Match[str]]) -> Found | None:
    labels = _labels(plain) if len(numbers) > 1 else []
    if len({label.kind for label in labels}) < 2:
        return None
    sorted_out = _sorted_out(plain, numbers, labels)
    if sum(map(bool, (sorted_out.entry, sorted_out.stop, sorted_out.target))) < 2:
        return None
    side = _side(plain, sorted_out)
    if not side:
        return None
    _placed(sorted_out, side)
    call = TradeCall(
        side=side,  # type: ignore[arg-type]
        entry=_span(sorted_out.entry),
        stop=sorted_out.stop[0] if sorted_out.stop else None,
        targets=list(dict.fromkeys(sorted_out.target))[:MOST],
    )
    first = min(labels[0].start, numbers[0].start())
    return Found(call, first, max(labels[-1].end, numbers[-1].end()))


def _bare(plain: str, numbers: Sequence[re.Match[str]]) -> Found | None:
    """A side by how the prices lie: the entry, then the stop on one side of it and the targets on the other, or the
    other way round. The stop is the nearer, since nobody risks more than he hopes for. Only where there is little else
    in the text: of 281 posts written for training that read so, 277 meant that side."""
    if sum(1 for _ in _WORD.finditer(plain)) >= WORDY * len(numbers):
        return None
    worth = _values(numbers)
    for at, entry in enumerate(worth[:TRIED]):
        alike = [each for each in worth[at + 1 :] if each != entry and entry < BAND * each < BAND * BAND * entry]
        if len(alike) > 1:
            side = _farther(entry, alike)
            place = numbers[at].start(), numbers[-1].end()
            return Found(TradeCall(side=side, entry=[entry], stop=None, targets=[]), *place) if side else None
    return None


def _farther(entry: Decimal, others: Sequence[Decimal]) -> Literal["long", "short", ""]:
    """The side to which prices go clearly farther from the entry, where they go first to the one, then to the other."""
    groups = [list(group) for _, group in groupby(others, lambda each: each > entry)]
    if len(groups) != 2:
        return ""
    first, last = groups
    reach, back = (max(abs(each - entry) for each in group) for group in (first, last))
    if back > CLEARLY * reach and len(first) <= STOPS:
        return "long" if last[0] > entry else "short"
    if reach > CLEARLY * back and len(last) == 1:
        return "long" if first[0] > entry else "short"
    return ""


def fault(call: TradeCall) -> str:
    """Why nobody can mean these numbers; empty where they hold together.

    A long needs stop < entry < targets, each further than the one before; a short the reverse.
    """
    if any(number <= 0 for number in _all(call)):
        return "a price of the call is not above zero"
    # A short is a long seen in a mirror: with every price turned round the same order must hold.
    sign = 1 if call.side == "long" else -1
    entry, targets = [sign * each for each in call.entry], [sign * each for each in call.targets]
    stop = None if call.stop is None else sign * call.stop
    if stop is not None and entry and stop >= min(entry):
        return f"the stop {call.stop} of a {call.side} is on the wrong side of its entry {_shown(call.entry)}"
    if entry and any(each <= max(entry) for each in targets):
        return f"a target of a {call.side} is on the wrong side of its entry {_shown(call.entry)}"
    if stop is not None and any(each <= stop for each in targets):
        return f"a target of a {call.side} is on the side of its stop {call.stop}"
    return _disordered(call, targets)


def _disordered(call: TradeCall, targets: Sequence[Decimal]) -> str:
    if any(after <= before for before, after in pairwise(targets)):
        return f"the targets {_shown(call.targets)} of a {call.side} are out of order"
    if not (call.entry and call.targets):
        return ""
    if max(call.targets) > max(call.entry) * WILD or min(call.targets) * WILD < min(call.entry):
        return f"a target of {_shown(call.targets)} is out of all proportion to the entry {_shown(call.entry)}"
    return ""


def off_market(call: TradeCall, price: Decimal) -> str:
    """Why the call does not fit a market at `price` (quote currency); empty where it does, or nothing is known."""
    if price <= 0 or not call.entry:
        return ""
    near = min(call.entry, key=lambda each: abs(each - price))
    inside = min(call.entry) <= price <= max(call.entry)
    if not inside and abs(near - price) > FAR * price:
        return f"the entry {_shown(call.entry)} is far from the market at {price.normalize():f}"
    if call.stop is not None and (price <= call.stop if call.side == "long" else price >= call.stop):
        return f"the market at {price.normalize():f} is beyond the stop {call.stop} already"
    return ""


def kept_back(text: str) -> str:
    """Why a call is none that keeps its numbers to itself; empty where it does not."""
    hit = _found_in()["hidden"].search(text[:READ].lower())
    return f"the call keeps its numbers to itself: “{' '.join(hit[0].split())[:80]}”" if hit else ""


def doubt(text: str, price: Decimal | None = None) -> str:
    """Why a text's call must not be followed; empty where it has none or a sound one."""
    return kept_back(text) or doubted(parse(text), price)


def doubted(found: Found | None, price: Decimal | None = None) -> str:
    """Why a call that was found must not be followed."""
    if found is None:
        return ""
    return fault(found.call) or (off_market(found.call, price) if price is not None else "")


# --- reading ---------------------------------------------------------------------------------------------------------


def _sorted_out(plain: str, numbers: Sequence[re.Match[str]], labels: Sequence[_Label]) -> _Numbers:
    found, last, last_end = _Numbers(), "", -1
    values = _values(numbers)
    for place, number in enumerate(numbers):
        following = numbers[place + 1].start() if place + 1 < len(numbers) else len(plain)
        kind = _behind(plain, number, following) or _before(plain, number, labels, last, last_end)
        if kind and kind == last and not _alike(values[place], values[place - 1]):
            kind = ""
        last, last_end = kind, number.end()
        getattr(found, kind or "other").append(values[place])
    return found


def _placed(numbers: _Numbers, side: str) -> None:
    """Give numbers without a label the place that only they can have: near the others, on the right side of them."""
    known = [*numbers.entry, *numbers.stop, *numbers.target]
    likely = [each for each in numbers.other if _alike(each, known[0])]
    up = side == "long"
    if not numbers.entry and numbers.stop:
        bound = numbers.target[0] if numbers.target else None
        numbers.entry += [
            each
            for each in likely
            if (each > numbers.stop[0]) is up and each != numbers.stop[0] and (bound is None or (each < bound) is up)
        ][:2]
    elif numbers.entry and not numbers.target:
        edge = max(numbers.entry) if up else min(numbers.entry)
        numbers.target += [each for each in likely if each != edge and (each > edge) is up]


def _behind(plain: str, number: re.Match[str], following: int) -> str:
    """The kind that a label right behind the number gives it, unless that label belongs to the next number."""
    hit = _words()["after"].match(plain, number.end())
    if hit is None or (following < len(plain) and _OWN.fullmatch(plain, hit.end(), following)):
        return ""
    return _kind(plain, number.end() + len(hit["gap"]), hit.end())


def _before(plain: str, number: re.Match[str], labels: Sequence[_Label], last: str, last_end: int) -> str:
    at = bisect_right(labels, number.start(), key=lambda label: label.start) - 1
    label = labels[at] if at >= 0 else None
    near = label is not None and label.end > last_end and number.start() - label.end <= CLOSE
    if label and near and not _CLAUSE.search(plain, label.end, number.start()):
        return label.kind
    if last and _LIST.fullmatch(plain, last_end, number.start()):
        return last
    between = plain[last_end : number.start()]
    return last if last == "target" and len(between) <= CLOSE and not _WARNING.search(between) else ""


def _kind(plain: str, start: int, end: int) -> str:
    said = plain[start:end]
    named = next((kind for kind in ("stop", "target", "entry") if _words()[kind].match(plain, start)), "")
    return named or _BEHIND.get(said, "entry")


def _labels(plain: str) -> list[_Label]:
    """Labels that do not overlap, by place; of those that begin together the longest."""
    kinds = ("stop", "target", "entry")
    found = [_Label(kind, *hit.span()) for kind in kinds for hit in _found_in()[kind].finditer(plain)]
    kept: list[_Label] = []
    for label in sorted(found, key=lambda each: (each.start, -each.end)):
        if not kept or label.start >= kept[-1].end:
            kept.append(label)
    return kept


def _side(plain: str, numbers: _Numbers) -> str:
    """As said; where both sides are named or none, as the numbers have it."""
    hits = {side: hit.start() for side in ("long", "short") if (hit := _found_in()[side].search(plain))}
    if len(hits) == 1:
        return next(iter(hits))
    told = _implied(numbers)
    return told or (min(hits, key=lambda side: hits[side]) if hits else "")


def _implied(numbers: _Numbers) -> str:
    low, high = (numbers.stop, numbers.target) if numbers.stop and numbers.target else (numbers.stop, numbers.entry)
    if not low or not high:
        low, high = numbers.entry, numbers.target
    if not low or not high or low[0] == high[0]:
        return ""
    return "long" if low[0] < high[0] else "short"


def _span(entry: Sequence[Decimal]) -> list[Decimal]:
    return list(dict.fromkeys((min(entry), max(entry)))) if entry else []


def _values(numbers: Sequence[re.Match[str]]) -> list[Decimal]:
    """Their worth; in `67.2-67.6k` the k is meant for both, and so it is in a list that began with one."""
    worth = [_digits(number["digits"]) * _TIMES[number["times"]] for number in numbers]
    thousands = max((each for each, number in zip(worth, numbers, strict=True) if number["times"]), default=None)
    if thousands is None:
        return worth
    return [each * 1000 if _alike(each * 1000, thousands) else each for each in worth]


def _alike(one: Decimal, other: Decimal) -> bool:
    """Whether two numbers can be prices of one call."""
    return other / LIKELY <= one <= other * LIKELY


def _digits(text: str) -> Decimal:
    decimal_comma = text.startswith("0,") or (text.count(",") == 1 and len(text) - text.index(",") < 4)
    return Decimal(text.replace(",", "." if decimal_comma else ""))


def _all(call: TradeCall) -> Iterator[Decimal]:
    yield from call.entry
    yield from call.targets
    if call.stop is not None:
        yield call.stop


def _shown(numbers: Sequence[Decimal]) -> str:
    return " to ".join(f"{number:f}" for number in numbers)


@cache
def _words() -> dict[str, re.Pattern[str]]:
    lists = tomllib.loads(Path(__file__).with_name("calls.toml").read_text(encoding="utf-8"))
    after = lists.pop("after")
    return {name: re.compile("|".join(words)) for name, words in lists.items()} | {
        "after": re.compile(rf"(?P<gap>[ \t]?)(?:{'|'.join(after)})")
    }


@cache
def _found_in() -> dict[str, Phrases]:
    lists = tomllib.loads(Path(__file__).with_name("calls.toml").read_text(encoding="utf-8"))
    return {name: Phrases(words) for name, words in lists.items()}
