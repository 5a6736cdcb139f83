"""Whatever kills a crawl and wherever, and however posts are paged, edited and shuffled: each goes on once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.sources import crawl_services, services
from apps.sources.domain.identity import post_id
from apps.sources.models import Deletion, Post, Source
from apps.sources.services import Outcome
from tests.apps.sources.crawling.board import Board, message
from tests.apps.sources.crawling.conftest import watched
from tradebot.contracts.messages import CrawlerMessage
from workers.crawl import intake, session

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """As kill -9: nothing of ours may catch it."""


@dataclass
class Fate:
    """Kills at the n-th seam that a crawl comes by; 0 never."""

    left: int = 0

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


@dataclass
class Pipeline:
    """A broker, and the clean stage behind it. `gone_on`: which sightings of each post went on."""

    fate: Fate
    queue: list[CrawlerMessage] = field(default_factory=list)
    new: Counter[UUID] = field(default_factory=Counter)
    gone_on: defaultdict[UUID, set[str]] = field(default_factory=lambda: defaultdict(set))

    def publish(self, messages: Sequence[CrawlerMessage]) -> None:
        self.fate()
        for one in messages:
            # The broker may have taken some when we die.
            self.queue.append(one)
            self.fate()

    def clean(self, count: int, *, again: bool = False) -> None:
        """Some messages are recorded; `again`: the acknowledgement is lost, and they come once more."""
        batch = self.queue[:count]
        if not again:
            del self.queue[:count]
        for recorded in services.record_posts(batch):
            self.new[recorded.post.id] += recorded.outcome is Outcome.NEW
            if recorded.outcome is not Outcome.DUPLICATE:
                self.gone_on[recorded.post.id].add(recorded.message.root_id)


@pytest.fixture
def fate(shown: Board, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fate]:
    """Seams around everything that a crawl stores."""
    fate = Fate()
    shown.seam = fate
    monkeypatch.setattr(intake, "CHUNK", 2)
    for name in ("note_deletions", "finish_crawl"):
        monkeypatch.setattr(session.services, name, _between(fate, getattr(crawl_services, name)))
    return fate


def _between(fate: Fate, work):  # type: ignore[no-untyped-def]
    def wrapped(*args, **kwargs):  # type: ignore[no-untyped-def]
        fate()
        result = work(*args, **kwargs)
        fate()
        return result

    return wrapped


NUMBERS = st.integers(1, 40)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), NUMBERS),
        st.tuples(st.just("put late"), NUMBERS),
        st.tuples(st.just("edit"), NUMBERS),
        st.tuples(st.just("take down"), NUMBERS),
        st.tuples(st.just("swap"), NUMBERS),
        st.tuples(st.just("crawl"), st.just(0)),
        st.tuples(st.just("crawl and die"), NUMBERS),
        st.tuples(st.just("clean"), NUMBERS),
        st.tuples(st.just("clean twice"), NUMBERS),
    ),
    max_size=30,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_each_post_goes_on_once(shown: Board, fate: Fate, steps: list[tuple[str, int]]) -> None:
    for table in (Post, Source, Deletion):
        table.objects.all().delete()
    shown.notices.clear()
    shown.ever.clear()
    row, pipeline, known_and_gone = watched(), Pipeline(fate), set[str]()
    ever = set[UUID]()

    for step, number in [*steps, ("crawl", 0), ("clean", 1_000), ("crawl", 0)]:
        known = set(Source.objects.get(pk=row.pk).state.get("known", {}))
        act(shown, pipeline, row.name, step, number)
        ever |= {post_id(message(notice)) for notice in shown.notices}
        known_and_gone |= known - {str(notice.id) for notice in shown.notices}

    up = {post_id(message(notice)) for notice in shown.notices}
    assert up <= set(pipeline.new) <= ever
    assert set(pipeline.new.values()) <= {1}
    assert all(len(sightings) == 1 for sightings in pipeline.gone_on.values())
    assert set(Post.objects.filter(deleted_at__isnull=False).values_list("native_id", flat=True)) == known_and_gone


def act(shown: Board, pipeline: Pipeline, name: str, step: str, number: int) -> None:
    some = shown.notices[number % len(shown.notices)] if shown.notices else None
    if step.startswith("put"):
        # Ids in any order, and posts that are shown long after they were written.
        for each in range(number * 10, number * 10 + number % 7 + 1):
            if each not in shown.ever:
                shown.put(each, timedelta(hours=number) if step == "put late" else timedelta())
    elif step == "edit" and some:
        some.revision += 1
        # An edited notice is put on top, as it is where edits can be found at all.
        shown.notices.remove(some)
        shown.notices.append(some)
    elif step == "take down" and some:
        shown.notices.remove(some)
    elif step == "swap":
        shown.swapped = not shown.swapped
    elif step.startswith("crawl"):
        crawl(pipeline, name, number)
    elif step.startswith("clean"):
        pipeline.clean(number, again=step == "clean twice")


def crawl(pipeline: Pipeline, name: str, die_at: int) -> None:
    pipeline.fate.left = die_at
    try:
        session.crawl(name, pipeline.publish)
    except Killed:
        pass
    finally:
        pipeline.fate.left = 0
