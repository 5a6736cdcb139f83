"""How far one feed of X was read: a watermark, and what lies under it unread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tradebot.contracts.errors import PermanentError, TransientError

SNOWFLAKE_EPOCH_MS = 1_288_834_974_657
"""2010-11-04T01:42:54.657Z. A post's id holds its millisecond since then, above 22 bits of machine and sequence."""

_MOST_GAPS = 20
_EARLY = timedelta(seconds=60)
"""How far X's clock may be ahead of ours."""

Gap = tuple[int, int]
Failure = TransientError | PermanentError


class Post(msgspec.Struct, frozen=True):
    """One post as a page holds it. `story`: the id of its first revision; `raw`: as X wrote it, `page`: where."""

    id: int
    story: int
    history: tuple[int, ...] = ()
    raw: Any = None
    page: Any = None


@dataclass(frozen=True, slots=True)
class Page:
    """Newest first. `unread`: entries that were no posts."""

    posts: Sequence[Post]
    next_token: str = ""
    unread: int = 0


class Progress(msgspec.Struct, frozen=True):
    """Every post up to `top` was handed over, but those between the ends of a gap. `recent`: ids in the overlap that
    were handed over, each with its story's id."""

    top: int
    gaps: tuple[Gap, ...] = ()
    recent: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class Span:
    """Ids above `low` and, if given, under `high`."""

    low: int
    high: int | None = None


Ask = Callable[[Span, str], Page]
"""One page of a span, newest first; the text is the page before's next_token."""


@dataclass(slots=True)
class Reading:
    """What one poll of a feed brought. `missing`: stories that stood in the overlap and are not shown any more."""

    progress: Progress
    posts: list[Post] = field(default_factory=list)
    missing: dict[int, int] = field(default_factory=dict)
    error: Failure | None = None
    lost: bool = False


def id_at(moment: datetime) -> int:
    """The smallest id that a post of this moment can have."""
    return max(0, int(moment.timestamp() * 1000) - SNOWFLAKE_EPOCH_MS) << 22


def moment_of(post_id: int) -> datetime:
    """When a post with this id was written."""
    # X's first ids count no time, and a forged one may count more than a datetime holds.
    millis = min((post_id >> 22) + SNOWFLAKE_EPOCH_MS, 253_370_764_800_000)
    return datetime.fromtimestamp(millis / 1000, UTC)


def begin(now: datetime, lookback: timedelta) -> Progress:
    """Of a feed that was never read."""
    return Progress(id_at(now - lookback))


def poll(
    progress: Progress, ask: Ask, *, pages: int, page: int = 100, overlap: timedelta, now: datetime, floor: int = 0
) -> Reading:
    """Read what is new, the overlap, and then what earlier polls left, newest first, in at most `pages` pages.

    `page`: posts that one page holds. The overlap is no longer, or reading it again would eat up the pages. `floor`: X
    refuses spans that begin under it. What was read is not read again but for the overlap, what was not read stays a
    gap: an error after the first page is told in `error`, one before it is raised.
    """
    budget = _Budget(pages)
    gaps, lost = _above(progress.gaps, floor)
    low = max(_low(progress, overlap, page), floor)
    fresh = _read(Span(low), ask, budget)
    reading = Reading(progress, list(fresh.posts), error=fresh.error, lost=lost or progress.top < floor)
    left = [(low, fresh.left)] if fresh.left is not None else []
    if not fresh.error:
        left += _fill(gaps, ask, budget, reading)
    else:
        left += gaps
    if fresh.left is None and not fresh.error:
        reading.missing = _missing(progress, fresh.posts, low)
    reading.progress = _after(progress, reading, left, page=page, overlap=overlap, now=now)
    known = progress.recent.keys()
    reading.posts = sorted({post.id: post for post in reading.posts if str(post.id) not in known}.values(), key=_by_id)
    return reading


def merged(one: Progress, other: Progress) -> Progress:
    """Of two feeds that become one: nothing that either has not read counts as read."""
    top = min(one.top, other.top)
    gaps = [(low, min(high, top + 1)) for low, high in (*one.gaps, *other.gaps) if low < top]
    return Progress(top, _joined(gaps), {**one.recent, **other.recent})


@dataclass(slots=True)
class _Budget:
    pages: int

    def take(self) -> bool:
        self.pages -= 1
        return self.pages >= 0


@dataclass(slots=True)
class _Read:
    """`left`: ids of the span under it were not read; None when all were."""

    posts: list[Post] = field(default_factory=list)
    left: int | None = None
    error: Failure | None = None


def _read(span: Span, ask: Ask, budget: _Budget) -> _Read:
    found, token, tokens = _Read(), "", {""}
    while budget.take():
        try:
            page = ask(span, token)
        except (TransientError, PermanentError) as error:
            if not found.posts:
                raise
            found.error = error
            break
        found.posts += page.posts
        token = page.next_token
        if not token:
            return found
        if token in tokens:
            break
        tokens.add(token)
    # Pages come newest first: what is under the lowest id was not read.
    found.left = min((post.id for post in found.posts if _is_in(post.id, span)), default=span.high)
    if found.left is None:
        found.error = found.error or TransientError("X promises more pages and shows no post")
    return found


def _is_in(post_id: int, span: Span) -> bool:
    return span.low < post_id and (span.high is None or post_id < span.high)


def _fill(gaps: Iterable[Gap], ask: Ask, budget: _Budget, reading: Reading) -> list[Gap]:
    left: list[Gap] = []
    for low, high in sorted(gaps, reverse=True):
        if budget.pages <= 0 or reading.error:
            left.append((low, high))
            continue
        found = _try(Span(low, high), ask, budget)
        reading.posts += found.posts
        reading.error = found.error
        if found.left is not None and found.left > low + 1:
            left.append((low, found.left))
    return left


def _try(span: Span, ask: Ask, budget: _Budget) -> _Read:
    try:
        return _read(span, ask, budget)
    except (TransientError, PermanentError) as error:
        return _Read(left=span.high, error=error)


def _low(progress: Progress, overlap: timedelta, page: int) -> int:
    low = id_at(moment_of(progress.top) - overlap)
    if len(progress.recent) >= page:
        low = max(low, min(map(int, progress.recent)))
    return min(low, progress.top)


def _after(
    progress: Progress, reading: Reading, left: list[Gap], *, page: int, overlap: timedelta, now: datetime
) -> Progress:
    # A post from the future must not hide everything until then.
    latest = id_at(now + _EARLY)
    top = max([progress.top, *(post.id for post in reading.posts if post.id <= latest)])
    since = id_at(moment_of(top) - overlap)
    handed = {**progress.recent, **{str(post.id): post.story for post in reading.posts}}
    gone = {str(post) for post in reading.missing}
    kept = [name for name in handed if since < int(name) and name not in gone]
    newest = sorted(kept, key=int)[-page:]
    return Progress(top, _joined(left), {name: handed[name] for name in newest})


def _missing(progress: Progress, posts: Sequence[Post], low: int) -> dict[int, int]:
    shown = {post.id for post in posts} | {earlier for post in posts for earlier in post.history}
    return {int(name): story for name, story in progress.recent.items() if int(name) > low and int(name) not in shown}


def _above(gaps: Iterable[Gap], floor: int) -> tuple[list[Gap], bool]:
    """The gaps that can still be read, and whether any was cut."""
    kept = [(max(low, floor), high) for low, high in gaps if high > floor + 1]
    return kept, kept != list(gaps)


def _joined(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """Overlapping gaps as one; the nearest two as one while there are too many."""
    whole: list[Gap] = []
    for low, high in sorted(gaps):
        if whole and low < whole[-1][1]:
            whole[-1] = (whole[-1][0], max(high, whole[-1][1]))
        elif high > low + 1:
            whole.append((low, high))
    while len(whole) > _MOST_GAPS:
        at = min(range(len(whole) - 1), key=lambda index: whole[index + 1][0] - whole[index][1])
        whole[at : at + 2] = [(whole[at][0], whole[at + 1][1])]
    return tuple(whole)


def _by_id(post: Post) -> int:
    return post.id


def keep(progress: Progress, stories: Mapping[int, int]) -> Progress:
    """With these posts remembered again: nobody could tell what became of them."""
    recent = {**progress.recent, **{str(post): story for post, story in stories.items()}}
    return msgspec.structs.replace(progress, recent=recent)


def load(stored: Mapping[str, Any] | None) -> Progress | None:
    """As it was stored; None for what is none."""
    try:
        return msgspec.convert(stored, Progress, strict=False) if stored else None
    except msgspec.ValidationError:
        return None


def dump(progress: Progress) -> dict[str, Any]:
    """As JSON."""
    built: dict[str, Any] = msgspec.to_builtins(progress)
    return built
