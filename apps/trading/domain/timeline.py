"""Where the time went, from the first sight of a post to the venue's answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

WORK, WAIT = "work", "wait"
_MILLISECOND = timedelta(milliseconds=1)
_OURS = (("decide", "received_at", "decided_at"), ("exchange", "submitted_at", "acked_at"))


@dataclass(frozen=True, slots=True)
class Span:
    """One stretch of the way, in whole milliseconds since the post was seen. `kind`: work, or wait before it."""

    name: str
    kind: str
    start_ms: int
    ms: int


def timeline(
    seen_at: datetime, stages: Mapping[str, Sequence[str]], times: Mapping[str, datetime | None]
) -> list[Span]:
    """Stages as they began, each after the wait for it; then deciding, and the exchange's answer."""
    found: list[Span] = []
    now = seen_at
    for name, start, end in sorted(_stretches(stages, times), key=lambda stretch: stretch[1]):
        if start > now:
            found.append(_span(name, WAIT, seen_at, now, start))
        found.append(_span(name, WORK, seen_at, max(start, now), max(end, now)))
        now = max(now, end)
    return found


def _stretches(
    stages: Mapping[str, Sequence[str]], times: Mapping[str, datetime | None]
) -> Iterator[tuple[str, datetime, datetime]]:
    for name, (start, end) in stages.items():
        yield name, datetime.fromisoformat(start), datetime.fromisoformat(end)
    for name, first, last in _OURS:
        begin, done = times.get(first), times.get(last)
        if begin and done:
            yield name, begin, done


def _span(name: str, kind: str, seen_at: datetime, start: datetime, end: datetime) -> Span:
    return Span(name, kind, (start - seen_at) // _MILLISECOND, (end - start) // _MILLISECOND)
