"""Every post once, whatever comes twice; copies are linked; what was stored is what goes on."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import msgspec
import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.sources import selectors, services
from apps.sources.domain.identity import post_id
from apps.sources.models import Post
from apps.sources.services import Outcome
from tests.factories import crawler_message
from tradebot.contracts.errors import PermanentError
from tradebot.contracts.messages import CrawlerMessage

pytestmark = pytest.mark.django_db

STORY = "Sample exchange will list the sample coin tomorrow at noon, deposits open this evening for everybody"


def again(message: CrawlerMessage, **changes: object) -> CrawlerMessage:
    """Another sighting of the same post."""
    return msgspec.structs.replace(message, root_id=str(uuid4()), **changes)


def outcomes(*messages: CrawlerMessage) -> list[Outcome]:
    return [entry.outcome for entry in services.record_posts(messages)]


def head_of(message: CrawlerMessage) -> object:
    return Post.objects.get(pk=post_id(message)).near_duplicate_of_id


def test_a_new_post_is_stored_clean_and_raw() -> None:
    message = crawler_message(data="<p>BTC &amp; ETH\u200b up</p>", channel="ignored", url="https://a.example/1")

    [recorded] = services.record_posts([message])
    row = Post.objects.get()

    assert recorded.outcome is Outcome.NEW
    assert (recorded.post.text, recorded.post.language) == ("BTC & ETH up", "en")
    assert (row.raw_text, row.channel, row.root_id) == (message.data, "", message.root_id)
    assert recorded.post == selectors.posts([row.pk])[row.pk]


def test_a_redelivery_finds_what_was_stored_and_does_not_decide_again() -> None:
    message = crawler_message()
    services.record_posts([message])
    Post.objects.update(clean_text="what an older version made of it")

    [recorded] = services.record_posts([message])

    assert recorded.outcome is Outcome.REDELIVERED
    assert recorded.post.text == "what an older version made of it"


def test_another_sighting_is_a_duplicate_even_with_other_words() -> None:
    message = crawler_message()

    assert outcomes(message) == [Outcome.NEW]
    assert outcomes(again(message, data="other words")) == [Outcome.DUPLICATE]
    assert Post.objects.get().clean_text == message.data


def test_one_batch_may_hold_the_same_post_twice() -> None:
    message = crawler_message()

    assert outcomes(message, again(message), crawler_message()) == [Outcome.NEW, Outcome.DUPLICATE, Outcome.NEW]
    assert Post.objects.count() == 2


def test_an_edit_is_a_post_of_its_own_in_the_same_story_and_no_copy_of_it() -> None:
    message = crawler_message(data=STORY)
    edit = again(message, revision=1, data=STORY + "!")

    assert outcomes(message) == [Outcome.NEW]
    assert outcomes(edit) == [Outcome.NEW]
    assert Post.objects.values("story_id").distinct().count() == 1
    assert head_of(edit) is None


def test_a_copy_is_stored_and_linked_to_the_first_of_its_kind() -> None:
    first, copy, copy_of_copy = (crawler_message(data=text) for text in (STORY, STORY.upper(), STORY + "!!"))

    assert outcomes(first) == [Outcome.NEW]
    assert outcomes(copy) == [Outcome.NEW]
    assert outcomes(copy_of_copy) == [Outcome.NEW]
    assert [head_of(message) for message in (first, copy, copy_of_copy)] == [None, post_id(first), post_id(first)]


def test_copies_within_one_batch_are_linked() -> None:
    messages = [crawler_message(data=STORY) for _ in range(5)]

    services.record_posts(messages)

    assert Post.objects.filter(near_duplicate_of__isnull=True).count() == 1
    assert Post.objects.filter(near_duplicate_of__isnull=False).count() == 4


def test_an_old_post_is_not_the_head_of_todays_copies() -> None:
    yesterday = crawler_message(data=STORY)
    yesterday = msgspec.structs.replace(yesterday, seen_at=yesterday.seen_at - timedelta(hours=25))
    today = crawler_message(data=STORY)

    services.record_posts([yesterday])
    services.record_posts([today])

    assert head_of(today) is None


def test_short_and_empty_posts_are_copies_of_nothing() -> None:
    messages = [crawler_message(data="gm") for _ in range(2)]
    messages += [crawler_message(data="", type="image", media_urls=["https://a.example/1.png"]) for _ in range(2)]

    services.record_posts(messages)

    assert not Post.objects.filter(near_duplicate_of__isnull=False).exists()


def test_a_private_post_belongs_to_its_user_and_never_stands_for_a_public_one() -> None:
    user = get_user_model().objects.create_user("sample")
    private = crawler_message(source=f"push:{user.pk}", data=STORY)
    public, own = crawler_message(data=STORY), crawler_message(source=f"push:{user.pk}", data=STORY)

    for message in (private, public, own):
        services.record_posts([message])

    assert Post.objects.get(pk=post_id(private)).owner_id == user.pk
    assert head_of(public) is None
    assert head_of(own) == post_id(private)
    assert post_id(private) not in selectors.visible_to(uuid4()).values_list("pk", flat=True)
    assert selectors.visible_to(user.pk).count() == 3


@pytest.mark.parametrize("source", ["push:nobody", f"push:{UUID(int=1)}"])
def test_a_pushed_post_of_nobody_is_refused(source: str) -> None:
    with pytest.raises(PermanentError, match="source"):
        services.record_posts([crawler_message(source=source)])


def test_what_a_database_cannot_hold_does_not_stop_a_batch() -> None:
    services.record_posts([crawler_message(data="nul\x00 and half \ud83d"), crawler_message()])

    assert Post.objects.count() == 2


def test_fifty_posts_take_few_statements() -> None:
    messages = [crawler_message(data=f"{number} {STORY} {number * 7919}") for number in range(50)]

    with CaptureQueriesContext(
        connection,
    ) as queries:
        services.record_posts(messages)

    statements = [query["sql"] for query in queries if not query["sql"].startswith(("SAVEPOINT", "RELEASE"))]
    assert len(statements) <= 4


def test_sightings_tell_who_recorded_a_post() -> None:
    message = crawler_message()
    services.record_posts([message])

    assert selectors.sightings([post_id(message), uuid4()]) == {post_id(message): message.root_id}
