"""Answers as they were recorded: the project's own sample always, those of the real X where the shared data is."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from apps.sources.adapters.x.crawler import XCrawler
from apps.sources.adapters.x.posts import messages, read_page
from apps.sources.domain.intake import PUBLIC_SOURCES, check_crawled
from tests.outside.x import recorded
from tests.outside.x.process import running

ROOT = Path(__file__).parents[4]
OWN = ROOT / "tests" / "outside" / "x" / "recordings"
SHARED = Path(os.environ.get("TRADEBOT_SHARED_DATA", ROOT.parent / "shared" / "data")) / "crawl" / "tweepy_cassettes"
NOW = datetime(2026, 1, 2, tzinfo=UTC)

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared recordings are not here")


def cassettes() -> list[Any]:
    known = recorded.recordings(SHARED) if SHARED.is_dir() else []
    posts = [one for one in known if b'"text"' in one.body]
    return [pytest.param(one, id=f"{one.name}-{index}") for index, one in enumerate(posts)]


def test_our_own_sample_is_read_as_its_authors_meant_it() -> None:
    page = read_page(msgspec.json.decode((OWN / "search.json").read_bytes()))
    retweet, edited, quote = messages(page.posts, seen_at=NOW)

    assert page.next_token == "b26v89c19zqg8o3sample"
    assert (retweet.id, retweet.author) == ("2006699999999999100", "second_sample")
    assert retweet.data.endswith("but not in the note.")
    assert (edited.id, edited.revision, edited.type) == ("2006700000000000100", 1, "video")
    assert edited.media_urls == [
        "https://pbs.twimg.com/media/sample-a.jpg",
        "https://pbs.twimg.com/ext_tw_video_thumb/2/pu/img/sample-b.jpg",
    ]
    assert (quote.author, quote.data) == ("first_sample", "I don't think so https://t.co/bbbbbbbbbb")


@needs_shared
@pytest.mark.parametrize("recording", cassettes())
def test_every_post_that_was_recorded_is_read(recording: recorded.Recording) -> None:
    body = msgspec.json.decode(recording.body)
    page = read_page(body)
    found = messages(page.posts, seen_at=NOW, author="recorded")

    count = len(body["data"]) if isinstance(body["data"], list) else 1
    assert len(page.posts) == len(found) == count
    assert page.next_token == body.get("meta", {}).get("next_token", "")
    for message in found:
        assert check_crawled(message, allowed_sources=PUBLIC_SOURCES) == message
        assert 2019 <= message.timestamp.year <= 2022


@needs_shared
def test_the_crawler_reads_a_recorded_timeline_from_the_server_that_replays_it(settings: Any) -> None:
    with running("--cassettes", str(SHARED)) as x:
        settings.GUARDED_ALLOW = [x.endpoint]
        crawler = XCrawler()
        crawler.init({"bearer_token": "t", "api_base": x.url, "accounts": ["Twitter", "TwitterDev"]})
        found = list(crawler.fetch())
        told = crawler.state["feeds"]["u783214"]

    assert [(message.author, message.id) for message in found] == [
        ("Twitter", "1565318587736285184"),
        ("Twitter", "1577730467436138524"),
    ]
    # These ids are older than what was asked for: they come through, and the watermark stays where it is.
    assert told["top"] > 1_577_730_467_436_138_524
