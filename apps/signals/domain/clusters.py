"""Which posts tell one story, who tells it of their own, and how much surer that makes us."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from tradebot.contracts.ids import stable_id
from tradebot.contracts.values import Direction

Sketch = frozenset[int]
Vector = NDArray[np.float32]

SKETCH = 64
"""How many of a text's 3-gram hashes are kept, the smallest ones (Broder 1997)."""
COPY = 0.6
"""Share of 3-grams in common from which one text is a copy of the other."""
COPY_VECTOR = 0.92
"""Cosine from which a text says the same in nearly the same words."""
NO_COPY = 0.3
"""Cosine below which nobody looks at the letters any more."""
SAME_EVENT = 0.45
"""Cosine from which two texts of one event, coin and direction tell one story: reports of one lie at 0.45 to 0.83,
of two events of one kind at 0.2 to 0.4 (measured)."""
SAME_MEANING = 0.75
"""The same for texts that name no event."""
NO_NEWS = frozenset({"", "trade_call"})
"""Events that happen to nobody but their author: two people's calls of one coin are two stories."""
SHARE = 0.3
"""What an independent voice's own certainty adds, in log-odds: voices of one market are never quite independent."""
MOST_SUPPORT = 1.0
"""All voices together add this much log-odds at most: 0.55 becomes 0.77, 0.9 becomes 0.96."""
CEILING = 0.99
CHANCE = 1 / 3
READABLE = 0.6
"""Share of Latin letters from which the embedder, which reads English only, is asked what a text means."""

_LONGEST = 5_000
_NAMES = re.compile(r"https?://\S+|@\w+")
_SIGNS = re.compile(r"[\W_]+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


@dataclass(frozen=True, slots=True)
class Telling:
    """What a post tells, in the form in which stories are compared. `voice`: the channel, or the author where there is
    none. `vector`: None where the embedder can't read the text. `confidence` is the post's own, before anybody's
    support. `owner_id`: the only user who may see it."""

    signal_id: UUID
    direction: Direction
    coins: tuple[str, ...]
    event: str
    voice: str
    at: datetime
    confidence: float
    numbers: tuple[str, ...]
    sketch: Sketch
    vector: Vector | None
    owner_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A post of a story: what it told, when the story began, and of which post it is a copy, if of one."""

    telling: Telling
    cluster_id: UUID
    opened_at: datetime
    copy_of: UUID | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a post belongs. `joined`: others told the story before. `support`: the voices that tell it of their own,
    with their confidence. `copies`: voices of the posts that copy it or are copied by it, its own with them."""

    member: Member
    joined: bool = False
    confidence: float = 0.0
    support: dict[str, float] = field(default_factory=dict)
    copies: frozenset[str] = frozenset()


def telling(
    signal_id: UUID,
    *,
    direction: Direction,
    coins: tuple[str, ...],
    event: str,
    voice: str,
    at: datetime,
    confidence: float,
    text: str,
    vector: NDArray[np.float32],
    owner_id: UUID | None = None,
) -> Telling:
    """A post as stories compare it; `vector`: 384 float32 of length one."""
    short = text[:_LONGEST]
    readable = readable_share(short) >= READABLE and vector.size > 0
    return Telling(
        signal_id=signal_id,
        direction=direction,
        coins=coins,
        event=event,
        voice=voice,
        at=at,
        confidence=confidence,
        numbers=tuple(sorted(each[:40] for each in _NUMBER.findall(_NAMES.sub("", short))[:50])),
        sketch=sketch(short),
        vector=vector if readable else None,
        owner_id=owner_id,
    )


def place(told: Telling, members: Sequence[Member], window: timedelta) -> Placed:
    """The story that `told` belongs to: the oldest one that any of its posts tells as well, else one of its own.

    The same post again keeps its place. A window of zero: every post is a story of its own.
    """
    if known := next((each for each in members if each.telling.signal_id == told.signal_id), None):
        return _among(told, known.cluster_id, known.opened_at, members)
    open_now = (each for each in members if window and abs(told.at - each.opened_at) <= window)
    closed = _outdated(told, members)
    same = [each for each in open_now if each.cluster_id not in closed and tells_the_same(told, each.telling)]
    if not same:
        own = Member(told, stable_id("cluster", told.signal_id), told.at)
        return Placed(own, confidence=told.confidence, copies=frozenset({told.voice}))
    eldest = min(same, key=lambda each: (each.opened_at, str(each.cluster_id)))
    return _among(told, eldest.cluster_id, eldest.opened_at, members)


def _outdated(told: Telling, members: Sequence[Member]) -> set[UUID]:
    """Stories in which this voice gave other numbers: what it says now is an update, even if others say the same."""
    if told.event not in NO_NEWS:
        return set()
    own = [each for each in members if each.telling.voice == told.voice]
    same = {each.cluster_id for each in own if each.telling.numbers == told.numbers}
    return {each.cluster_id for each in own} - same


def tells_the_same(one: Telling, other: Telling) -> bool:
    """Whether two posts tell one story: one owner, one direction, a coin in common, and one event or nearly one text.

    Who speaks again with other numbers gives a new instruction, unless it is news: "target 300" is not "target 320".
    """
    if one.direction != other.direction or one.owner_id != other.owner_id or not set(one.coins) & set(other.coins):
        return False
    if one.event == other.event and one.event not in NO_NEWS:
        near = similarity(one, other)
        return near is None or near >= SAME_EVENT or is_copy(one, other)
    if one.voice == other.voice and one.numbers != other.numbers:
        return False
    near = similarity(one, other)
    return is_copy(one, other) or (near is not None and near >= SAME_MEANING)


def is_copy(one: Telling, other: Telling) -> bool:
    """Whether one says what the other says, in the same or nearly the same words."""
    near = similarity(one, other)
    if near is not None and (near >= COPY_VECTOR or near < NO_COPY):
        return near >= COPY_VECTOR
    return shared(one.sketch, other.sketch) >= COPY


def similarity(one: Telling, other: Telling) -> float | None:
    """Cosine of what two texts mean; None where the embedder can't read one of them."""
    if one.vector is None or other.vector is None:
        return None
    return float(one.vector @ other.vector)


def raised(confidence: float, support: Iterable[float]) -> float:
    """The confidence with independent voices behind it: in log-odds each adds a share of its own certainty beyond
    chance, all together a bounded sum. Never lower than before, never over CEILING unless it was."""
    added = min(MOST_SUPPORT, math.fsum(SHARE * max(0.0, _log_odds(each) - _log_odds(CHANCE)) for each in support))
    if not added:
        return confidence
    higher = 1 / (1 + math.exp(-(_log_odds(confidence) + added)))
    return max(confidence, round(min(higher, CEILING), 4))


def sketch(text: str) -> Sketch:
    """The smallest hashes of a text's 3-grams, without case, links, handles and signs; empty for an empty text."""
    letters = _SIGNS.sub("", _NAMES.sub("", text.casefold()))[:_LONGEST]
    codes = np.frombuffer(f"  {letters}".encode("utf-32-le", "replace"), dtype="<u4").astype(np.uint64)
    if not letters:
        return frozenset()
    grams = codes[:-2] * np.uint64(1 << 42) + codes[1:-1] * np.uint64(1 << 21) + codes[2:]
    hashes = (_scrambled(grams) >> np.uint64(32)).astype(np.uint32)
    return frozenset(np.unique(hashes)[:SKETCH].tolist())


def shared(one: Sketch, other: Sketch) -> float:
    """Estimated share of two texts' 3-grams that both have (Jaccard), 0..1."""
    if not one or not other:
        return 0.0
    smallest = sorted(one | other)[:SKETCH]
    both = one & other
    return sum(each in both for each in smallest) / len(smallest)


def readable_share(text: str) -> float:
    """Share of a text's letters that are Latin ones; 0 of a text without letters."""
    letters = [each for each in text if each.isalpha()]
    return sum(each.isascii() for each in letters) / len(letters) if letters else 0.0


def _among(told: Telling, cluster_id: UUID, opened_at: datetime, members: Sequence[Member]) -> Placed:
    others = [each for each in members if each.cluster_id == cluster_id and each.telling.signal_id != told.signal_id]
    copied = next((each for each in others if each.copy_of is None and is_copy(told, each.telling)), None)
    original = copied.telling.signal_id if copied else None
    family = [each for each in others if original and original in (each.telling.signal_id, each.copy_of)]
    support: dict[str, float] = {}
    for each in others:
        if each.copy_of is None and each is not copied and each.telling.voice != told.voice:
            support[each.telling.voice] = max(support.get(each.telling.voice, 0.0), each.telling.confidence)
    return Placed(
        member=Member(told, cluster_id, opened_at, original),
        joined=bool(others),
        confidence=raised(told.confidence, support.values()),
        support=support,
        copies=frozenset({told.voice, *(each.telling.voice for each in family)}),
    )


def _log_odds(chance: float) -> float:
    inside = min(max(chance, 1e-4), 1 - 1e-4)
    return math.log(inside / (1 - inside))


def _scrambled(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # splitmix64's finaliser: every input bit changes about half of the output bits.
    values = values + _MIX[0]
    values = (values ^ (values >> np.uint64(30))) * _MIX[1]
    values = (values ^ (values >> np.uint64(27))) * _MIX[2]
    return values ^ (values >> np.uint64(31))
