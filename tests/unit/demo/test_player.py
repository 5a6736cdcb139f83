"""How the demo plays: its pace, its waiting for what a post builds on, and that it repeats nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tradebot.contracts.messages import CrawlerMessage
from workers.demo.player import Player
from workers.demo.script import Beat, Expected
from workers.ingest import Progress

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def a_beat(
    name: str,
    second: float,
    *,
    after: tuple[str, ...] = (),
    prices: dict[str, Decimal] | None = None,
    revision: int = 0,
    orders: tuple[Expected, ...] = (),
) -> Beat:
    message = CrawlerMessage(
        id=name,
        root_id=f"root of {name}" + (f", edited {revision}" if revision else ""),
        seen_at=NOON,
        source="twitter",
        type="text",
        data=name,
        timestamp=NOON + timedelta(seconds=second),
        author="somebody",
        revision=revision,
    )
    return Beat(message, "", prices or {}, after, orders, "")


@dataclass
class Recorder:
    """A pipeline and a watcher that write down what happens."""

    events: list[str] = field(default_factory=list)

    def set_price(self, pair: str, price: Decimal) -> None:
        self.events.append(f"{pair} {price}")

    def publish(self, messages: Sequence[CrawlerMessage]) -> None:
        self.events += [f"publish {message.id}" for message in messages]

    def progress(self, messages: Sequence[CrawlerMessage]) -> Progress:
        return Progress(posts=len(messages))

    def wait(self, messages: Sequence[CrawlerMessage], show: Callable[[Progress], None]) -> Progress:
        self.events.append(f"wait {' '.join(message.id for message in messages)}".strip())
        return Progress(posts=len(messages))


class Audience:
    def post(self, beat: Beat) -> None:
        """Watches in silence."""

    def progress(self, now: Progress) -> None:
        """Watches in silence."""


def played(beats: list[Beat], known: set[str] | None = None, speed: float = 1) -> tuple[list[str], float]:
    """What happened, and how many seconds the player paused."""
    recorder, pauses = Recorder(), list[float]()
    Player(recorder, Audience(), speed, pauses.append).play(beats, known or set())
    return recorder.events, sum(pauses)


def test_posts_are_published_in_order_and_then_awaited() -> None:
    events, _ = played([a_beat("one", 0), a_beat("two", 1)])
    assert events == ["publish one", "publish two", "wait one two"]


def test_the_pace_is_that_of_the_posts() -> None:
    _, paused = played([a_beat("one", 0), a_beat("two", 2), a_beat("three", 3)])
    assert paused == 3


def test_twice_the_speed_halves_the_pauses_and_zero_drops_them() -> None:
    beats = [a_beat("one", 0), a_beat("two", 2)]
    assert played(beats, speed=2)[1] == 1
    assert played(beats, speed=0)[1] == 0


def test_a_post_dated_long_ago_delays_nobody() -> None:
    _, paused = played([a_beat("one", 0), a_beat("stale", -86_400), a_beat("two", 1)])
    assert paused == 1


def test_the_market_moves_before_the_post() -> None:
    events, _ = played([a_beat("one", 0, prices={"BTC/USDT": Decimal(100)})])
    assert events[:2] == ["BTC/USDT 100", "publish one"]


def test_a_post_waits_for_what_it_builds_on_before_its_prices_are_set() -> None:
    fall = a_beat("fall", 2, after=("rise",), prices={"SOL/USDT": Decimal(27)})
    events, _ = played([a_beat("rise", 0), a_beat("other", 1), fall])
    assert events == [
        "publish rise",
        "publish other",
        "wait rise",
        "SOL/USDT 27",
        "publish fall",
        "wait rise other fall",
    ]


def test_a_post_that_was_played_before_is_not_played_again() -> None:
    beats = [a_beat("one", 0, prices={"BTC/USDT": Decimal(100)}), a_beat("two", 1)]
    events, _ = played(beats, known={"root of one"})
    assert events == ["publish two", "wait one two"]


def test_a_second_run_only_looks() -> None:
    events, paused = played([a_beat("one", 0), a_beat("two", 5)], known={"root of one", "root of two"})
    assert events == ["wait one two"]
    assert paused == 0


def test_what_is_published_was_seen_just_now() -> None:
    seen: list[datetime] = []

    class Watching(Recorder):
        def publish(self, messages: Sequence[CrawlerMessage]) -> None:
            seen.extend(message.seen_at for message in messages)

    Player(Watching(), Audience()).play([a_beat("one", 0)], set())
    assert seen[0] > NOON + timedelta(days=1)
