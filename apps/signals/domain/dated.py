"""Whether a post itself says that its news is old: a date that lies months before the post."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta

OLD = timedelta(days=60)
READ = 20_000
"""Characters that are looked at."""
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})[a-z]*\.?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_DATES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\.? (?:of )?{_MONTH},? {_YEAR}\b",
        rf"\b{_MONTH} (?P<day>\d{{1,2}})(?:st|nd|rd|th)?,? {_YEAR}\b",
        rf"\b{_MONTH},? {_YEAR}\b",
        rf"\b{_YEAR}[-/.](?P<number>\d{{1,2}})[-/.](?P<day>\d{{1,2}})\b",
        rf"{_YEAR}\s*年\s*(?:(?P<number>\d{{1,2}})\s*月)?",
        rf"\b(?:in|back in|of|during|before|on this day in|from) (?:the )?{_YEAR}\b(?! (?:onwards|until|to))",
        rf"\({_YEAR}\)",
        rf"\b{_YEAR} ?:",
    )
)
_COMPARED = re.compile(
    r"(?:since|than|like|as in|compared (?:with|to)|best|worst|biggest|highest|lowest|自从?|比)\W*(?:the )?$"
)
"""Before a date: it is what today is compared with."""
_FRESH = re.compile(
    r"\b(?:now|today|tonight|just|this (?:morning|minute|hour|week)|a minute ago|live)\b|刚|今天|今日|现在|即将"
)


def outdated(text: str, posted: datetime) -> str:
    """Why a post can't be news: the old date that it names. Empty where it names none or speaks of now as well."""
    plain = text[:READ].casefold()
    if _FRESH.search(plain):
        return ""
    old = [found for found in _named(plain) if posted.date() - found[1] > OLD]
    return f"it tells of {old[0][0]}" if old else ""


def _named(plain: str) -> Iterator[tuple[str, date]]:
    """Dates with their words; the last day that they may mean."""
    for pattern in _DATES:
        for hit in pattern.finditer(plain):
            if not _COMPARED.search(plain[max(0, hit.start() - 20) : hit.start()]) and (last := _last_day(hit)):
                yield hit[0].strip("() "), last


def _last_day(hit: re.Match[str]) -> date | None:
    said = hit.groupdict()
    month = _MONTHS.index(said["month"]) + 1 if said.get("month") else int(said.get("number") or 12)
    try:
        return date(int(said["year"]), month, int(said.get("day") or 28))
    except ValueError:
        return None
