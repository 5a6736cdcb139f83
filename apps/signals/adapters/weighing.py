"""What each analyzer's vote weighs now: configured by the operator, and measured by its marks, read once a minute."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import structlog
from django.conf import settings
from django.db import DatabaseError

from apps.signals import accuracy_selectors
from apps.signals.domain.weights import Weights, parse

log = structlog.get_logger(__name__)

SECONDS = 60.0


class Weighing:
    """A `Weigh` for a Panel. While the database can't be read, what it said last stays."""

    def __init__(
        self,
        measured: Callable[[], Mapping[str, float]] = accuracy_selectors.factors,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = measured
        self._clock = clock
        self._due = float("-inf")
        self._weights = Weights(parse(settings.ANALYZER_WEIGHTS))

    def __call__(self) -> Weights:
        if self._clock() >= self._due:
            self._due = self._clock() + SECONDS
            self._weights = Weights(self._weights.configured, self._measured())
        return self._weights

    def _measured(self) -> Mapping[str, float]:
        try:
            return self._read()
        except DatabaseError as error:
            log.warning("accuracy_unread", error=type(error).__name__)
            return self._weights.measured
