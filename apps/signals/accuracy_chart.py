"""The picture of who was right: group by horizon, share of hits with its interval and what prices alone give. SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.signals.accuracy_selectors import Score
from apps.signals.domain.accuracy import Tally, spoken

LABEL, PANEL, GAP, ROW, HEAD = 190, 170, 105, 24, 46
NAMES = {"all": "All signals", "analyzer": "Analyzer", "event": "Event", "coin": "Coin", "author": "Author"}
ROWS_A_KIND = 10
LONGEST = 19
Group = tuple[str, str]


def chart(scores: Sequence[Score]) -> SafeString:
    """One line a group, one panel a horizon; empty where nothing was marked yet. Names are strangers' and escaped."""
    if not scores:
        return SafeString("")
    horizons = sorted({score.horizon for score in scores})
    groups = _groups(scores)
    known = {(score.kind, score.name, score.horizon): score.tally for score in scores}
    width, height = LABEL + len(horizons) * (PANEL + GAP), HEAD + ROW * len(groups) + 8
    parts = [_head(number, horizon, height) for number, horizon in enumerate(horizons)]
    for line, group in enumerate(groups):
        middle = HEAD + ROW * line + ROW // 2
        parts.append(_label(group, middle))
        for number, horizon in enumerate(horizons):
            parts.append(_line(known.get((*group, horizon), Tally()), _left(number), middle))
    return format_html(
        '<svg class="accuracy" viewBox="0 0 {} {}" width="{}" role="img" aria-label="{}">{}</svg>',
        width,
        height,
        width,
        "Share of calls that were right, by group and horizon",
        format_html_join("", "{}", ((part,) for part in parts)),
    )


def _groups(scores: Iterable[Score]) -> list[Group]:
    """By kind in the order of NAMES, those with the most calls first, so many of each kind."""
    calls: dict[Group, int] = {}
    for score in scores:
        group = (score.kind, score.name)
        calls[group] = max(calls.get(group, 0), score.tally.calls)
    ranked = sorted(calls, key=lambda group: (-calls[group], group))
    return [group for kind in NAMES for group in [each for each in ranked if each[0] == kind][:ROWS_A_KIND]]


def _left(number: int) -> int:
    return LABEL + number * (PANEL + GAP)


def _label(group: Group, middle: int) -> SafeString:
    kind, name = group
    shown = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
    return format_html(
        '<text x="0" y="{}"><tspan class="kind">{}</tspan> {}<title>{}</title></text>',
        middle + 4,
        NAMES[kind],
        shown,
        name,
    )


def _head(number: int, horizon: int, height: int) -> SafeString:
    """The title of a panel and its scale: 0, 50 and 100 percent."""
    left = _left(number)
    marks = ((left + PANEL * percent // 100, percent, HEAD - 6, height) for percent in (0, 50, 100))
    return format_html(
        '<text x="{}" y="16" class="title">after {}</text>{}',
        left,
        spoken(horizon),
        format_html_join(
            "",
            '<text x="{0}" y="34" class="scale">{1} %</text><line x1="{0}" x2="{0}" y1="{2}" y2="{3}" class="grid"/>',
            marks,
        ),
    )


def _line(tally: Tally, left: int, middle: int) -> SafeString:
    if tally.rate is None:
        return format_html('<text x="{}" y="{}" class="none">no calls</text>', left + 4, middle + 4)
    low, high = tally.interval
    told = f"{tally.hits} of {tally.calls} right, 95 % interval {low:.0%} to {high:.0%}"
    return format_html(
        '<g><title>{}</title>{}{}<line x1="{}" x2="{}" y1="{}" y2="{}" class="interval"/>'
        '<circle cx="{}" cy="{}" r="4.5" class="rate"/><text x="{}" y="{}" class="count">{}</text></g>',
        told,
        _tick(tally.momentum, left, middle, "momentum"),
        _tick(tally.up, left, middle, "up"),
        _x(low, left),
        _x(high, left),
        middle,
        middle,
        _x(tally.rate, left),
        middle,
        left + PANEL + 8,
        middle + 4,
        f"{tally.rate:.0%} of {tally.calls}",
    )


def _tick(share: float | None, left: int, middle: int, kind: str) -> SafeString:
    if share is None:
        return SafeString("")
    at = _x(share, left)
    return format_html(
        '<line x1="{}" x2="{}" y1="{}" y2="{}" class="{}"><title>{} {}</title></line>',
        at,
        at,
        middle - 8,
        middle + 8,
        kind,
        kind,
        f"{share:.0%}",
    )


def _x(share: float, left: int) -> str:
    return f"{left + PANEL * share:.1f}"
