"""Hours of the week in which a strategy may act."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from apps.strategies.domain.fields import Fields

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MIDNIGHT = 24 * 60

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """From `start` to before `end` (minutes of the day) on `days` (0 is Monday), by the clocks of `zone`.

    With `end` <= `start` it runs past midnight and belongs to the day on which it starts.
    """

    days: frozenset[int]
    start: int
    end: int
    zone: ZoneInfo

    def covers(self, moment: datetime) -> bool:
        local = moment.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        if self.start < self.end:
            return local.weekday() in self.days and self.start <= minute < self.end
        yesterday = (local - timedelta(days=1)).weekday()
        return (local.weekday() in self.days and minute >= self.start) or (yesterday in self.days and minute < self.end)


def read_window(fields: Fields) -> TimeWindow:
    """`{"days": ["mon"], "start": "09:00", "end": "17:30", "time_zone": "Europe/Berlin"}`; each may be absent."""
    days = fields.texts("days", _day, f"give days as {', '.join(DAYS)}")
    start = fields.parsed("start", 0, _minutes, "give a time of day as HH:MM")
    end = fields.parsed("end", MIDNIGHT, _minutes, "give a time of day as HH:MM, 24:00 for midnight")
    zone = fields.parsed("time_zone", ZoneInfo("UTC"), _zone, "give an IANA time zone, for example Europe/Berlin")
    if start == end:
        fields.refuse("end", "differs from start, or the window is empty; for the whole day leave both out")
    fields.refuse_unknown()
    return TimeWindow(frozenset(map(DAYS.index, days or DAYS)), start, end, zone)


def _day(text: str) -> str | None:
    return short if (short := text.strip().lower()[:3]) in DAYS else None


def _minutes(text: str) -> int | None:
    if not _CLOCK.fullmatch(text):
        return None
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _zone(text: str) -> ZoneInfo | None:
    return ZoneInfo(text) if text in _zones() else None


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
