"""One event, one signal that acts: posts on real rows find their story, alone and at the same moment."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from threading import Barrier, BrokenBarrierError
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.core.checks import run_checks
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.models import User
from apps.signals import cluster_services, cluster_settings, selectors, services
from apps.signals.cluster_services import Calling
from apps.signals.models import Analysis, Signal
from apps.signals.models_clusters import Cluster, ClusterPost, Voice
from tests.apps.signals.conftest import NEWS, SAME_NEWS, judged, recorded, said
from tradebot import sql
from tradebot.contracts.messages import AnalysisSignal, Features
from tradebot.contracts.values import Direction
from workers import analyze as stage
from workers.analyze import analyze
from workers.features import features
from workers.judging import Meaning, calling, meaning

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("coins")]


def test_two_authors_with_one_event_tell_one_story_and_the_second_is_surer() -> None:
    first, second = said(NEWS, "one"), said(SAME_NEWS, "two")
    assert first.cluster_id == second.cluster_id != ""
    told = ClusterPost.objects.get(signal=second.signal_id)
    assert told.copy_of is None
    assert second.confidence > told.confidence
    assert Signal.objects.get(pk=second.signal_id).versions["story"]["support"] == {"twitter:one": first.confidence}
    assert Cluster.objects.count() == 1


def test_in_one_batch_it_is_the_same() -> None:
    first, second = judged(recorded(NEWS, author="one"), recorded(SAME_NEWS, author="two"))
    assert first.cluster_id == second.cluster_id
    assert second.confidence > ClusterPost.objects.get(signal=second.signal_id).confidence


def test_a_copy_joins_and_proves_nothing() -> None:
    first, copy = said(NEWS, "one"), said(NEWS + "!", "two")
    assert first.cluster_id == copy.cluster_id
    told = ClusterPost.objects.get(signal=copy.signal_id)
    assert (told.copy_of, told.confidence) == (UUID(first.signal_id), copy.confidence)


def test_a_post_that_contradicts_is_a_story_of_its_own() -> None:
    first, second = said(NEWS, "one"), said("Binance will delist PEPE", "two")
    assert (first.type, second.type) == (Direction.BULLISH, Direction.BEARISH)
    assert first.cluster_id != second.cluster_id


def test_a_neutral_post_tells_no_story() -> None:
    (signal,) = judged(recorded("Should I sell my ETH or keep holding?"))
    assert (signal.type, signal.cluster_id) == (Direction.NEUTRAL, "")
    assert not Cluster.objects.exists()


def test_a_private_post_and_a_public_one_never_meet(alice: User, bob: User) -> None:
    stories = [
        said(NEWS, "one").cluster_id,
        said(NEWS, "one", source=f"push:{alice.pk}", owner_id=str(alice.pk)).cluster_id,
        said(NEWS, "one", source=f"push:{bob.pk}", owner_id=str(bob.pk)).cluster_id,
    ]
    assert len(set(stories)) == 3


def test_after_the_window_it_is_news_again() -> None:
    first = said(NEWS, "one")
    Cluster.objects.update(opened_at=timezone.now() - timedelta(minutes=31))
    assert said(NEWS, "two").cluster_id != first.cluster_id


def test_without_a_window_every_post_is_its_own_story(settings: Settings) -> None:
    settings.STORY_MINUTES = 0
    assert said(NEWS, "one").cluster_id != said(NEWS, "two").cluster_id


def test_a_redelivery_gives_the_same_story_and_counts_nothing_twice() -> None:
    made = features([recorded(NEWS, author="one")])
    said(SAME_NEWS, "two")
    assert analyze(made) == analyze(made)
    assert (Cluster.objects.count(), ClusterPost.objects.count()) == (1, 2)
    assert Voice.objects.get(name="twitter:one").posts == 1


def test_voices_are_counted_by_channel_where_there_is_one() -> None:
    said(NEWS, "one", source="telegram", channel="news")
    said("Good SOL upgrade, buying more", "two", source="telegram", channel="news")
    assert list(Voice.objects.values_list("name", "posts")) == [("telegram:news", 2)]


def test_what_was_stored_before_there_were_stories_is_given_as_it_is() -> None:
    (made,) = features([recorded(NEWS, author="one")])
    (first,) = analyze([made])
    Signal.objects.update(cluster=None)
    Cluster.objects.all().delete()
    (again,) = analyze([made])
    assert (again.signal_id, again.cluster_id) == (first.signal_id, "")


def places() -> list[tuple[str, bool, int]]:
    """Who told what there is, whether as a copy, and its place; in the order of their voices."""
    told = ClusterPost.objects.order_by("voice").values_list("voice", "copy_of", "place")
    return [(voice.removeprefix("twitter:"), copy_of is not None, place) for voice, copy_of, place in told]


class TestThePlace:
    """A post's number in its story, and what depends on it."""

    NUMBERED = [("a", False, 1), ("b", False, 2), ("c", True, 1), ("d", True, 2), ("e", True, 1), ("f", False, 3)]
    TEXTS = (NEWS, SAME_NEWS, NEWS + "!", NEWS + "!!", SAME_NEWS + "!", "Big: Binance opens PEPE spot trading soon")

    def test_is_counted_among_posts_of_their_own_and_among_the_copies_of_each(self) -> None:
        assert len({said(text, author).cluster_id for text, author in zip(self.TEXTS, "abcdef", strict=True)}) == 1
        assert places() == self.NUMBERED

    def test_in_one_batch_and_behind_what_was_told_before_is_the_same(self) -> None:
        said(self.TEXTS[0], "a")
        judged(*(recorded(text, author=author) for text, author in zip(self.TEXTS[1:4], "bcd", strict=True)))
        judged(*(recorded(text, author=author) for text, author in zip(self.TEXTS[4:], "ef", strict=True)))
        assert places() == self.NUMBERED

    def test_stays_after_a_redelivery(self) -> None:
        made = features([recorded(NEWS, author="a"), recorded(SAME_NEWS, author="b")])
        (first,) = analyze(made[:1])
        said(NEWS + "!", "c")
        assert first in analyze(made)
        # As if the workers that judged them had been at it at this moment.
        Analysis.objects.all().delete()
        assert first in analyze(made)
        assert places() == [("a", False, 1), ("b", False, 2), ("c", True, 1)]

    def test_says_with_whom_a_new_post_is_compared(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cluster_services, "MOST_OF_A_STORY", 2)
        for text, author in zip(self.TEXTS, "abcdef", strict=True):
            said(text, author)
        last = said("PEPE: listing on Binance is confirmed for this week", "g")
        story = Signal.objects.get(pk=last.signal_id).versions["story"]
        assert (story["joined"], sorted(story["support"])) == (True, ["twitter:a", "twitter:b"])

    def test_of_copies_takes_none_from_those_who_tell_it_of_their_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cluster_services, "MOST_OF_A_STORY", 2)
        for author in "abcde":
            said(NEWS, author)
        said(SAME_NEWS, "f")
        last = said(self.TEXTS[-1], "g")
        assert sorted(Signal.objects.get(pk=last.signal_id).versions["story"]["support"]) == ["twitter:a", "twitter:f"]

    def test_hides_nobody_from_their_own_voice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A post that is far behind finds its row when it is delivered again."""
        for author in "abc":
            said(NEWS, author)
        made = features([recorded(NEWS, author="z")])
        (first,) = analyze(made)
        monkeypatch.setattr(cluster_services, "MOST_OF_A_STORY", 1)
        known = cluster_services._read(
            sql.together(*cluster_services._questions([calling_of(made[0], first)], cluster_settings.current()))
        )
        assert [each.telling.voice for each in known.members] == ["twitter:a", "twitter:b", "twitter:z"]

    def test_is_none_of_a_worker_that_does_not_number_yet_whose_posts_still_count(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cluster_services, "MOST_OF_A_STORY", 1)
        said(NEWS, "a")
        said(SAME_NEWS, "b")
        ClusterPost.objects.filter(voice="twitter:b").update(place=ClusterPost._meta.get_field("place").db_default)
        last = said(self.TEXTS[-1], "c")
        assert sorted(Signal.objects.get(pk=last.signal_id).versions["story"]["support"]) == ["twitter:a", "twitter:b"]
        assert places() == [("a", False, 1), ("b", False, 0), ("c", False, 2)]

    def test_is_given_by_time_to_what_was_told_before_there_were_places(self) -> None:
        for text, author in zip(self.TEXTS, "abcdef", strict=True):
            said(text, author)
        ClusterPost.objects.update(place=0)
        with connection.cursor() as cursor:
            cursor.execute(import_module("apps.signals.migrations.0004_places").NUMBERED)
        assert places() == self.NUMBERED


def calling_of(post: Features, signal: AnalysisSignal) -> Calling:
    """The post as its story compares it."""
    verdicts = stage.get_panel().judge([post])[0]
    return calling(post, UUID(signal.signal_id), meaning(post, verdicts, stage.get_panel().quorum), {})


@pytest.mark.parametrize(("name", "value"), [("STORY_MINUTES", -1), ("MANIPULATION_LIMIT", "much")])
def test_a_setting_that_is_wrong_is_told_at_start_up(settings: Settings, name: str, value: Any) -> None:
    setattr(settings, name, value)
    assert any(name in found.msg for found in run_checks())


def test_operators_see_who_told_a_story() -> None:
    said(NEWS, "one")
    said(SAME_NEWS, "two")
    client = Client()
    client.force_login(User.objects.create_superuser(username="operator"))
    story = Cluster.objects.get()
    page = client.get(reverse("admin:signals_cluster_change", args=[story.pk])).content.decode()
    assert "twitter:one" in page
    assert "twitter:two" in page
    assert client.get(reverse("admin:signals_cluster_changelist"), {"q": "PEPE"}).status_code == 200
    assert client.post(reverse("admin:signals_cluster_change", args=[story.pk]), {"event": "x"}).status_code == 403


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("texts", [(NEWS, SAME_NEWS), (NEWS, NEWS)], ids=["two reports", "a copy"])
def test_two_workers_with_posts_of_one_story_make_one(texts: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits, before it stores, until the other has looked as well: who looks unlocked would see nobody."""
    both = Barrier(2)
    join = cluster_services.join

    def waiting(*args: Any, **rest: Any) -> Any:
        found = join(*args, **rest)
        with suppress(BrokenBarrierError):
            both.wait(timeout=0.5)
        return found

    monkeypatch.setattr(cluster_services, "join", waiting)
    made = [features([recorded(text, author=f"one{at}")]) for at, text in enumerate(texts)]
    panel = stage.get_panel()  # serves one thread at a time
    verdicts = {post.post_id: panel.judge([post]) for (post,) in made}
    known = SimpleNamespace(judge=lambda posts: verdicts[posts[0].post_id], quorum=panel.quorum)
    monkeypatch.setattr(stage, "get_panel", lambda: known)

    def work(post: list[Features]) -> list[AnalysisSignal]:
        try:
            return analyze(post)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        (first,), (second,) = pool.map(work, made)

    assert first.cluster_id == second.cluster_id != ""
    assert (Cluster.objects.count(), ClusterPost.objects.count()) == (1, 2)


def test_a_post_whose_signal_was_stored_otherwise_meanwhile_leaves_no_half_story(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another worker, with another model, found it neutral between our reading and our writing."""
    post, other = recorded(NEWS, author="one"), recorded(SAME_NEWS, author="two")
    made = features([post, other])
    unjudged = selectors.standings([UUID(each.post_id) for each in (post, other)])
    meaning = stage.meaning

    def neutral(*args: Any) -> Meaning:
        meant = meaning(*args)
        return replace(meant, judgement=replace(meant.judgement, direction=Direction.NEUTRAL))

    monkeypatch.setattr(stage, "meaning", neutral)
    analyze(made[:1])
    monkeypatch.undo()
    monkeypatch.setattr(selectors, "standings", lambda ids: unjudged)

    first, second = analyze(made)

    assert (first.type, first.cluster_id) == (Direction.NEUTRAL, "")
    assert second.type is Direction.BULLISH
    assert ClusterPost.objects.filter(cluster=second.cluster_id).count() == 1
    assert services.mark_dispatched([UUID(second.signal_id)])
