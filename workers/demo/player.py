"""Plays the script into the pipeline at its own pace: waits, sets the market, publishes, and reports how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

import msgspec

from tradebot.contracts.messages import CrawlerMessage
from workers.demo.script import Beat
from workers.ingest import Progress

TICK_SECONDS = 0.25


class Pipeline(Protocol):
    """What the player needs of the running stack. `wait` blocks until nothing is outstanding for these posts."""

    def set_price(self, pair: str, price: Decimal) -> None: ...
    def publish(self, messages: Sequence[CrawlerMessage]) -> None: ...
    def progress(self, messages: Sequence[CrawlerMessage]) -> Progress: ...
    def wait(self, messages: Sequence[CrawlerMessage], show: Callable[[Progress], None]) -> Progress: ...


class Watcher(Protocol):
    """Who is told what happens."""

    def post(self, beat: Beat) -> None: ...
    def progress(self, now: Progress) -> None: ...


@dataclass(slots=True)
class Player:
    """`speed` 2 plays twice as fast, 0 without pauses; `pause` waits that many seconds."""

    pipeline: Pipeline
    watcher: Watcher
    speed: float = 1.0
    pause: Callable[[float], None] = time.sleep

    def play(self, beats: Sequence[Beat], known: Collection[str]) -> Progress:
        """Publish every post whose root is not `known` yet, then wait for all of them. Returns where they ended."""
        started: list[CrawlerMessage] = [beat.message for beat in beats if beat.message.root_id in known]
        for gap, beat in _paced(beats):
            if beat.message.root_id in known:
                continue
            self._linger(gap, started)
            self._settle(beat, started)
            self._start(beat)
            started.append(beat.message)
        return self.pipeline.wait(started, self.watcher.progress)

    def _linger(self, gap: float, started: Sequence[CrawlerMessage]) -> None:
        left = gap / self.speed if self.speed > 0 else 0.0
        while left > 0:
            self.watcher.progress(self.pipeline.progress(started))
            self.pause(min(TICK_SECONDS, left))
            left -= TICK_SECONDS

    def _settle(self, beat: Beat, started: Sequence[CrawlerMessage]) -> None:
        """Wait for the posts that this one builds on, so that what it finds does not depend on the workers' haste."""
        needed = [message for message in started if message.id in beat.after]
        if needed:
            self.pipeline.wait(needed, lambda _: None)

    def _start(self, beat: Beat) -> None:
        for pair, price in beat.prices.items():
            self.pipeline.set_price(pair, price)
        self.watcher.post(beat)
        self.pipeline.publish([msgspec.structs.replace(beat.message, seen_at=datetime.now(UTC))])


def _paced(beats: Sequence[Beat]) -> Iterator[tuple[float, Beat]]:
    """Each post with the seconds since the newest one before it; one dated earlier follows at once."""
    newest = beats[0].message.timestamp
    for beat in beats:
        yield max(0.0, (beat.message.timestamp - newest).total_seconds()), beat
        newest = max(newest, beat.message.timestamp)
