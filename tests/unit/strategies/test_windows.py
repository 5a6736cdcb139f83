"""Hours of the week in which a strategy may act."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.strategies.domain.spec import parse_spec
from apps.strategies.domain.windows import TimeWindow
from tests.unit.strategies.factories import ANYTHING


def window(**said: Any) -> TimeWindow:
    return parse_spec({**ANYTHING, "time_windows": [said]}).time_windows[0]


def at(text: str) -> datetime:
    """A moment of the week that begins on Monday the 3rd of July 2023."""
    return datetime.strptime(f"2023-07 {text}", "%Y-%m %d %H:%M").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "inside"), [("03 09:00", True), ("03 17:29", True), ("03 17:30", False), ("03 08:59", False)]
)
def test_a_window_begins_at_its_start_and_ends_before_its_end(moment: str, inside: bool) -> None:
    assert window(start="09:00", end="17:30").covers(at(moment)) is inside


@pytest.mark.parametrize(
    ("moment", "inside"),
    [("07 22:00", True), ("08 01:59", True), ("08 02:00", False), ("07 01:00", False), ("08 22:00", False)],
)
def test_a_night_belongs_to_the_day_on_which_it_starts(moment: str, inside: bool) -> None:
    assert window(days=["fri"], start="22:00", end="02:00").covers(at(moment)) is inside


def test_hours_are_those_of_the_clocks_there() -> None:
    new_york = window(start="09:30", end="16:00", time_zone="America/New_York")
    assert new_york.covers(at("03 13:30"))
    assert not new_york.covers(at("03 09:30"))


def test_days_are_those_of_the_calendar_there() -> None:
    assert window(days=["Tuesday"], time_zone="Asia/Shanghai").covers(at("03 20:00"))


@given(st.integers(0, 1439), st.integers(0, 1439), st.datetimes(datetime(2023, 1, 1), datetime(2024, 1, 1)))  # noqa: DTZ001
def test_a_window_and_the_rest_of_the_day_cover_every_moment_once(start: int, end: int, moment: datetime) -> None:
    if start == end:
        return
    one, other = (
        window(start=f"{a // 60:02}:{a % 60:02}", end=f"{b // 60:02}:{b % 60:02}")
        for a, b in ((start, end), (end, start))
    )
    now = moment.replace(tzinfo=UTC)
    assert one.covers(now) is not other.covers(now)
    assert one.covers(now) is one.covers(now + timedelta(days=7))
