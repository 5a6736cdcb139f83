"""What operators set about marks: horizons, neutral band, window, venues; read once and checked at start-up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from apps.signals.domain import accuracy, weights
from tradebot.contracts.errors import InvalidField

LONGEST_WINDOW = 365


@dataclass(frozen=True, slots=True)
class AccuracySettings:
    """Horizons in minutes; `decisive`: the one that weights and demotions go by. `band` is a share (0.002: 0.2 %)."""

    horizons: tuple[int, ...]
    decisive: int
    band: float
    window: timedelta
    least_calls: int
    venues: tuple[str, ...]


def current() -> AccuracySettings:
    """The settings as they are now; raises InvalidField naming the one that is wrong."""
    days, least = settings.ACCURACY_WINDOW_DAYS, settings.ACCURACY_LEAST_CALLS
    horizons, decisive = _horizons(settings.ACCURACY_HORIZONS, settings.ACCURACY_DECISIVE)
    if not 1 <= days <= LONGEST_WINDOW:
        raise InvalidField("ACCURACY_WINDOW_DAYS", f"{days}: give 1 to {LONGEST_WINDOW} days")
    if least < accuracy.LEAST:
        raise InvalidField("ACCURACY_LEAST_CALLS", f"{least}: fewer than {accuracy.LEAST} calls prove nothing")
    band = accuracy.band(settings.ACCURACY_BAND, "ACCURACY_BAND")
    return AccuracySettings(horizons, decisive, band, timedelta(days=days), least, tuple(settings.ACCURACY_VENUES))


@lru_cache(maxsize=4)
def _horizons(text: str, decisive: str) -> tuple[tuple[int, ...], int]:
    found = accuracy.horizons(text, "ACCURACY_HORIZONS")
    judged = accuracy.horizons(decisive, "ACCURACY_DECISIVE")
    if len(judged) != 1 or judged[0] not in found:
        raise InvalidField("ACCURACY_DECISIVE", f"{decisive[:40]!r}: name one of ACCURACY_HORIZONS, {text[:80]}")
    return found, judged[0]


def check(**_: Any) -> list[CheckMessage]:
    """Django's system check: a setting that is wrong is told before anything starts."""
    found: list[CheckMessage] = []
    for read in (current, lambda: weights.parse(settings.ANALYZER_WEIGHTS)):
        try:
            read()
        except InvalidField as error:
            found.append(Error(str(error), id="signals.E001"))
    return found
