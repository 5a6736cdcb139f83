"""The raw statements of recording: what they store and find, how many they are, and who wins when several record."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import msgspec
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.sources import selectors, services, statements
from apps.sources.domain.identity import post_id
from apps.sources.domain.near import bands
from apps.sources.models import Post
from apps.sources.services import Outcome
from tests.factories import crawler_message, now
from tradebot.contracts.messages import CrawlerMessage, to_wire
from workers.clean import clean

STORY = "Sample exchange will list the sample coin tomorrow at noon, deposits open this evening for everybody"


@pytest.mark.django_db
def test_one_new_post_takes_two_statements() -> None:
    with CaptureQueriesContext(connection) as queries:
        services.record_posts([crawler_message(data=STORY)])

    assert len(queries) == 2


@pytest.mark.django_db
def test_what_goes_on_is_what_reading_it_back_gives() -> None:
    tokyo = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=9)))
    message = crawler_message(
        data="quotes ' \" \\ {} %s 样本 🚀\nand a line",
        timestamp=tokyo,
        media_urls=["https://a.example/'1.png", "https://a.example/%22.png"],
        type="image",
        channel="ünï",
        source="telegram",
        revision=2**63 - 1,
    )

    [recorded] = services.record_posts([message])
    row = Post.objects.get()

    assert recorded.post == selectors.view(row) == selectors.posts([row.pk])[row.pk]
    assert recorded.post.posted_at.tzinfo is UTC
    assert row.raw_text == message.data
    assert abs(row.created_at - now()) < timedelta(minutes=1)


@pytest.mark.django_db
def test_a_redelivery_is_the_same_to_the_byte() -> None:
    tokyo = datetime(2030, 1, 2, 3, tzinfo=timezone(timedelta(hours=9)))
    message = crawler_message(data=STORY, timestamp=tokyo, media_urls=["https://a.example/1.png"], type="image")

    first, second = ([to_wire(post) for post in clean([message])] for _ in range(2))

    assert msgspec.json.encode(first) == msgspec.json.encode(second)


@pytest.mark.django_db
def test_no_posts_are_no_statement() -> None:
    with CaptureQueriesContext(connection) as queries:
        assert services.record_posts([]) == []

    assert len(queries) == 0


@pytest.mark.django_db
def test_what_is_there_already_is_not_inserted_and_not_new() -> None:
    known, fresh = crawler_message(), crawler_message()
    services.record_posts([known])
    [row] = Post.objects.filter(pk=post_id(known)).values()
    other = {**row, "id": post_id(fresh), "native_id": fresh.id}

    assert statements.insert([row, other]) == {post_id(fresh)}
    assert Post.objects.count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("mark", [0x0123_4567_89AB_CDEF, -0x0123_4567_89AB_CDEF])
def test_a_survey_gives_the_heads_that_differ_in_three_bits_at_most(mark: int) -> None:
    services.record_posts([crawler_message(data=STORY)])
    [row] = Post.objects.values()
    head = row["id"]
    Post.objects.update(simhash=mark, bands=bands(mark))

    def heads(*marks: int) -> list[object]:
        _, found = statements.survey([], marks=marks, owners=(), since=row["seen_at"])
        return [entry.id for entry in found]

    assert heads(mark) == heads(mark ^ 0b111) == heads(0, mark, mark) == [head]
    assert heads(mark ^ 0b1111) == heads() == []


@pytest.mark.django_db(transaction=True)
def test_workers_that_get_the_same_posts_at_once_record_each_once() -> None:
    messages = [crawler_message(data=f"{STORY} {number * 7919}") for number in range(20)]

    def record(batch: list[CrawlerMessage]) -> list[services.Recorded]:
        try:
            return services.record_posts(batch)
        finally:
            connection.close()

    others = [msgspec.structs.replace(message, root_id=str(uuid4())) for message in messages]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(record, [messages, messages[::-1], others, others[::-1]]))

    new = [entry.post.id for result in results for entry in result if entry.outcome is Outcome.NEW]
    assert sorted(new) == sorted(post_id(message) for message in messages)
    assert {entry.post.root_id == entry.message.root_id for result in results for entry in result} == {True, False}
    assert Post.objects.count() == len(messages)
