"""A feed is read without a hole and without an end of repeating, whatever comes between."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.sources.adapters.x.progress import (
    Page,
    Post,
    Progress,
    Reading,
    Span,
    begin,
    dump,
    id_at,
    keep,
    load,
    merged,
    moment_of,
    poll,
)
from tradebot.contracts.errors import PermanentError, Throttled, TransientError

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
OVERLAP = timedelta(minutes=10)
PAGE = 3


class Shelf:
    """A feed as X shows it: newest first, PAGE posts a page (or `size`); some requests fail."""

    def __init__(self, *ids: int, size: int = PAGE) -> None:
        self.size = size
        self.stories: dict[int, list[int]] = {}
        self.failures: list[Exception] = []
        self.asked: list[Span] = []
        self.ordered = True
        for number in ids:
            self.add(number)

    def add(self, number: int) -> None:
        self.stories[number] = [number]

    def edit(self, story: int, number: int) -> None:
        self.stories[story].append(number)

    def ask(self, span: Span, token: str) -> Page:
        self.asked.append(span)
        if self.failures and (failure := self.failures.pop(0)) and str(failure) != "none":
            raise failure
        high = int(token) if token else span.high
        shown = sorted((history[-1], story) for story, history in self.stories.items())
        inside = [entry for entry in shown if span.low < entry[0] and (high is None or entry[0] < high)][::-1]
        posts = [Post(number, story, tuple(self.stories[story])) for number, story in inside[: self.size]]
        token = str(posts[-1].id) if len(inside) > self.size else ""
        return Page(posts if self.ordered else posts[::-1], token)


def at(seconds: float) -> int:
    return id_at(START + timedelta(seconds=seconds))


def read(shelf: Shelf, progress: Progress, *, pages: int = 10, now: float = 3600, **more: Any) -> Reading:
    moment = START + timedelta(seconds=now)
    return poll(progress, shelf.ask, pages=pages, **{"page": PAGE, "overlap": OVERLAP, "now": moment, **more})


def ids(reading: Reading) -> list[int]:
    return [post.id for post in reading.posts]


NOTHING = begin(START, timedelta(minutes=5))


def test_new_posts_come_oldest_first_and_once() -> None:
    shelf = Shelf(*(at(second) for second in range(8)))

    first = read(shelf, NOTHING)
    second = read(shelf, first.progress)

    assert ids(first) == sorted(at(second) for second in range(8))
    assert ids(second) == []


def test_a_first_poll_looks_back_as_far_as_it_is_told() -> None:
    shelf = Shelf(at(-3600), at(-10))

    assert ids(read(shelf, NOTHING)) == [at(-10)]


def test_what_a_page_limit_leaves_is_read_next_time_after_what_is_new() -> None:
    old = [at(second) for second in range(12)]
    shelf = Shelf(*old)

    first = read(shelf, NOTHING, pages=2)
    shelf.add(at(100))
    second = read(shelf, first.progress, pages=2)
    third = read(shelf, second.progress, pages=20)

    assert ids(first) == old[6:]
    assert at(100) in ids(second)
    assert sorted({*ids(first), *ids(second), *ids(third)}) == [*old, at(100)]
    assert third.progress.gaps == ()


def test_an_old_gap_is_closed_as_soon_as_there_are_pages_to_spare() -> None:
    old = [at(second) for second in range(30)]
    shelf = Shelf(*old)
    reading = read(shelf, NOTHING, pages=2)
    seen = set(ids(reading))

    for turn in range(20):
        shelf.add(at(100 + 10 * turn))
        reading = read(shelf, reading.progress, pages=4)
        seen |= set(ids(reading))

    assert reading.progress.gaps == ()
    assert set(old) <= seen


def test_a_gap_that_can_not_be_read_now_stays() -> None:
    shelf = Shelf(*(at(second) for second in range(12)))
    progress = read(shelf, NOTHING, pages=2).progress
    shelf.failures = [TransientError("none"), TransientError("5xx")]

    reading = read(shelf, progress)

    assert reading.progress.gaps == progress.gaps != ()
    assert str(reading.error) == "5xx"


def test_a_post_that_appears_late_under_an_old_id_is_found() -> None:
    shelf = Shelf(at(0), at(60))
    progress = read(shelf, NOTHING).progress

    shelf.add(at(30))

    assert ids(read(shelf, progress)) == [at(30)]


def test_an_edited_post_is_a_new_revision_and_no_deletion() -> None:
    shelf = Shelf(at(0), at(60))
    progress = read(shelf, NOTHING).progress

    shelf.edit(at(0), at(90))
    reading = read(shelf, progress)

    assert [(post.id, post.story) for post in reading.posts] == [(at(90), at(0))]
    assert reading.missing == {}
    assert ids(read(shelf, reading.progress)) == []


def test_a_post_that_is_not_shown_any_more_is_told_once_unless_it_is_to_be_kept() -> None:
    shelf = Shelf(at(0), at(60))
    progress = read(shelf, NOTHING).progress

    del shelf.stories[at(0)]
    reading = read(shelf, progress)

    assert reading.missing == {at(0): at(0)}
    assert read(shelf, reading.progress).missing == {}
    assert read(shelf, keep(reading.progress, reading.missing)).missing == {at(0): at(0)}


def test_a_post_from_the_future_hides_nothing_that_comes_before_it() -> None:
    shelf = Shelf(at(0), at(10_000_000))
    first = read(shelf, NOTHING, now=60)

    shelf.add(at(50))
    second = read(shelf, first.progress, now=120)

    assert ids(first) == [at(0), at(10_000_000)]
    assert ids(second) == [at(50)]


def test_pages_whose_posts_are_out_of_order_lose_nothing() -> None:
    shelf = Shelf(*(at(second) for second in range(12)))
    shelf.ordered = False

    seen: set[int] = set()
    progress = NOTHING
    for _ in range(12):
        reading = read(shelf, progress, pages=2)
        seen |= set(ids(reading))
        progress = reading.progress

    assert seen == {at(second) for second in range(12)}
    assert progress.gaps == ()


@pytest.mark.parametrize("failure", [TransientError("5xx"), PermanentError("401"), Throttled("429", START)])
def test_an_error_in_mid_run_keeps_what_was_read_and_says_so(failure: Exception) -> None:
    shelf = Shelf(*(at(second) for second in range(9)))
    shelf.failures = [TransientError("none"), failure]

    reading = read(shelf, NOTHING)
    rest = read(shelf, reading.progress)

    assert reading.error is failure
    assert ids(reading) == [at(6), at(7), at(8)]
    assert ids(rest) == [at(second) for second in range(6)]


def test_an_error_at_once_is_raised_and_changes_nothing() -> None:
    shelf = Shelf(at(0))
    shelf.failures = [TransientError("5xx")]

    with pytest.raises(TransientError, match="5xx"):
        read(shelf, NOTHING)


def test_what_is_older_than_the_search_reaches_is_given_up_and_told() -> None:
    shelf = Shelf(*(at(second) for second in range(12)))
    progress = read(shelf, NOTHING, pages=2).progress

    reading = read(shelf, progress, floor=at(3000))

    assert reading.lost
    assert reading.progress.gaps == ()
    assert all(span.low >= at(3000) for span in shelf.asked[-1:])


def test_a_token_that_leads_in_a_circle_ends() -> None:
    def ask(span: Span, token: str) -> Page:
        return Page([Post(at(9), at(9))], "again")

    reading = poll(NOTHING, ask, pages=50, overlap=OVERLAP, now=START + timedelta(hours=1))

    assert ids(reading) == [at(9)]


def test_empty_pages_that_promise_more_move_nothing() -> None:
    reading = poll(NOTHING, lambda span, token: Page([], token + "x"), pages=3, overlap=OVERLAP, now=START)

    assert reading.progress.top == NOTHING.top
    assert "shows no post" in str(reading.error)


def test_the_overlap_of_a_busy_feed_is_one_page() -> None:
    shelf = Shelf(*(at(second) for second in range(500)))
    progress = read(shelf, NOTHING, pages=200).progress
    shelf.asked.clear()

    read(shelf, progress, pages=200)

    assert len(progress.recent) == PAGE
    assert len(shelf.asked) == 1


def test_progress_survives_being_stored_as_json() -> None:
    shelf = Shelf(*(at(second) for second in range(12)))
    progress = read(shelf, NOTHING, pages=2).progress

    assert progress.gaps
    assert load(dump(progress)) == progress
    assert load({"top": "what"}) is None
    assert load(None) is None


def test_two_feeds_that_become_one_read_again_what_only_one_had_read() -> None:
    behind = Progress(at(10), ((at(1), at(3)),), {str(at(10)): at(10)})
    ahead = Progress(at(20), ((at(5), at(15)),), {str(at(20)): at(20)})

    both = merged(behind, ahead)

    assert both.top == at(10)
    assert both.gaps == ((at(1), at(3)), (at(5), at(10) + 1))
    assert both.recent == {**behind.recent, **ahead.recent}


def test_ids_tell_their_moment() -> None:
    # A real post: 1578516068309794817 was written at 2022-10-07 22:42:12 UTC (its own text says so).
    assert moment_of(1578516068309794817).replace(microsecond=0) == datetime(2022, 10, 7, 22, 42, 12, tzinfo=UTC)
    assert moment_of(at(7)) == START + timedelta(seconds=7)


class Life:
    """A feed that lives, a crawler that is killed, and what came through downstream, which knows every post's id."""

    page = 10

    def __init__(self, chance: random.Random, *, bursts: bool) -> None:
        self.chance = chance
        self.bursts = bursts
        self.shelf = Shelf(size=self.page)
        self.stored: dict[str, Any] = dump(NOTHING)
        self.downstream: set[int] = set()
        self.late: list[int] = []
        self.now = 0.0
        self.serial = 0

    @property
    def progress(self) -> Progress:
        progress = load(self.stored)
        assert progress is not None
        return progress

    def goes_on(self) -> None:
        """A burst of many pages, or some posts of which X's index shows a few only the next time; perhaps an edit."""
        self.now += self.chance.choice([0.5, 5, 30])
        late, self.late = self.late, []
        for number in late:
            self.shelf.add(number)
        burst = self.bursts and self.chance.random() < 0.3
        for _ in range(self.chance.randint(20, 60) if burst else self.chance.randint(0, 4)):
            number = self.next_id()
            if not burst and self.chance.random() < 0.3:
                self.late.append(number)
            else:
                self.shelf.add(number)
        if self.shelf.stories and self.chance.random() < 0.3:
            self.shelf.edit(self.chance.choice(list(self.shelf.stories)), self.next_id())

    def next_id(self) -> int:
        self.serial += 1
        return at(self.now) + self.serial

    def is_polled(self, pages: int, *, dies: str = "") -> None:
        moment = START + timedelta(seconds=self.now + 1)
        try:
            reading = poll(self.progress, self.shelf.ask, pages=pages, page=self.page, overlap=OVERLAP, now=moment)
        except TransientError:
            return
        if dies != "before the confirm":
            self.downstream.update(ids(reading))
        if not dies:
            self.stored = dump(reading.progress)


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_killed_anywhere_and_started_again_no_revision_is_lost(chance: random.Random) -> None:
    life = Life(chance, bursts=True)
    for _ in range(chance.randint(1, 20)):
        life.goes_on()
        life.shelf.failures = [TransientError(chance.choice(["none", "none", "5xx"])) for _ in range(5)]
        life.is_polled(chance.randint(2, 4), dies=chance.choice(["", "", "before the confirm", "after the confirm"]))
    for number in life.late:
        life.shelf.add(number)
    life.shelf.failures = []

    for _ in range(200):
        life.is_polled(3)
        if not life.progress.gaps:
            break

    assert {history[-1] for history in life.shelf.stories.values()} <= life.downstream
    assert life.progress.gaps == ()


@settings(max_examples=50, deadline=None)
@given(st.randoms(use_true_random=False))
def test_without_kills_and_bursts_nothing_is_handed_on_twice(chance: random.Random) -> None:
    life = Life(chance, bursts=False)
    handed: list[int] = []
    for _ in range(chance.randint(1, 20)):
        life.goes_on()
        moment = START + timedelta(seconds=life.now + 1)
        reading = poll(life.progress, life.shelf.ask, pages=4, page=life.page, overlap=OVERLAP, now=moment)
        handed += ids(reading)
        life.stored = dump(reading.progress)

    assert len(handed) == len(set(handed))
