"""What operators set about stories and manipulation; checked at start-up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from tradebot.contracts.errors import InvalidField

LONGEST_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class StorySettings:
    """`window`: how long after its first post a story takes others in; zero: every post is a story of its own. `limit`:
    the manipulation score (0 to 1) from which a signal is only a shadow."""

    window: timedelta
    limit: float


def current() -> StorySettings:
    """The settings as they are now; raises InvalidField naming the one that is wrong."""
    minutes, limit = settings.STORY_MINUTES, _share(settings.MANIPULATION_LIMIT)
    if not 0 <= minutes <= LONGEST_MINUTES:
        raise InvalidField("STORY_MINUTES", f"{minutes}: give 0 (no stories) to {LONGEST_MINUTES} minutes")
    return StorySettings(timedelta(minutes=minutes), limit)


def check(**_: Any) -> list[CheckMessage]:
    """For Django's checks: says at start-up what could not be read."""
    try:
        current()
    except InvalidField as error:
        return [Error(str(error), id="signals.E002")]
    return []


def _share(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= 1:
        raise InvalidField("MANIPULATION_LIMIT", f"{text[:40]!r}: give a score above 0, at most 1, like 0.6")
    return number
