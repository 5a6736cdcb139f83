"""What the crawler makes of timelines and searches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.sources.adapters.registry import load_crawlers
from apps.sources.adapters.x.crawler import XCrawler
from tests.apps.sources.x.conftest import Make
from tests.outside.x.process import LocalX
from tradebot.contracts.errors import NotConfigured
from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.ports import CrawlerPlugin

Name = Callable[[str], str]


def texts(messages: Any) -> list[str]:
    return [message.data for message in messages]


def only(messages: Any) -> CrawlerMessage:
    [message] = messages
    found: CrawlerMessage = message
    return found


@pytest.mark.parametrize("way", ["timelines", "search"])
def test_posts_of_an_account_come_oldest_first_with_all_they_say(x: LocalX, make: Make, name: Name, way: str) -> None:
    ann = name("ann")
    first = x.post(ann, "Buying DOGE &amp; more")
    x.post(ann, "Look", photos=["https://pbs.twimg.com/media/a.jpg"])

    crawler = make(accounts=[f"@{ann}"], accounts_by=way)
    one, two = crawler.fetch()

    assert (one.id, one.data, one.type, one.author, one.channel) == (first, "Buying DOGE &amp; more", "text", ann, "")
    assert (one.source, one.revision) == ("twitter", 0)
    assert one.url == f"https://x.com/{ann}/status/{first}"
    assert abs(one.timestamp - datetime.now(UTC)) < timedelta(seconds=10)
    assert (two.type, two.media_urls) == ("image", ["https://pbs.twimg.com/media/a.jpg"])
    assert all(crawler.validate(message) for message in (one, two))
    assert list(make(crawler.state, accounts=[ann], accounts_by=way).fetch()) == []


def test_a_search_of_ones_own_is_a_feed_too(x: LocalX, make: Make, name: Name) -> None:
    word = name("halving")
    x.post(name("bob"), f"The {word} is near")
    x.post(name("bob"), "Nothing of interest")

    assert texts(make(searches=[word]).fetch()) == [f"The {word} is near"]


def test_more_than_a_page_is_read_to_the_end(x: LocalX, make: Make, name: Name) -> None:
    ann = name("ann")
    x.posts([{"username": ann, "text": f"post {number}"} for number in range(25)])

    crawler = make(accounts=[ann], accounts_by="search", max_results=10)

    assert texts(crawler.fetch()) == [f"post {number}" for number in range(25)]
    assert [entry["endpoint"] for entry in x.requests()].count("GET /2/tweets/search/recent") == 3


def test_what_a_poll_may_not_read_any_more_follows_in_the_next(x: LocalX, make: Make, name: Name) -> None:
    ann = name("ann")
    x.posts([{"username": ann, "text": f"post {number}"} for number in range(45)])
    settings = {"accounts": [ann], "accounts_by": "search", "max_results": 10, "page_limit": 2}

    first = make(**settings)
    got = texts(first.fetch())
    state = first.state
    for _ in range(6):
        following = make(state, **settings)
        got += texts(following.fetch())
        state = following.state

    assert got[:20] == [f"post {number}" for number in range(25, 45)]
    assert sorted(got) == sorted(f"post {number}" for number in range(45))


def test_an_edited_post_keeps_its_id_and_raises_its_revision(x: LocalX, make: Make, name: Name) -> None:
    ann = name("ann")
    post = x.post(ann, "Buying")
    crawler = make(accounts=[ann])
    first = only(crawler.fetch())

    x.edit(post, "Selling")
    again = make(crawler.state, accounts=[ann])
    second = only(again.fetch())

    assert (first.id, first.revision, first.data) == (post, 0, "Buying")
    assert (second.id, second.revision, second.data) == (post, 1, "Selling")
    assert again.deletions == []


def test_a_post_that_appears_late_is_not_missed(x: LocalX, make: Make, name: Name) -> None:
    ann = name("ann")
    x.post(ann, "early")
    late = x.post(ann, "late", hidden=True)
    x.post(ann, "on time")
    crawler = make(accounts=[ann])
    assert texts(crawler.fetch()) == ["early", "on time"]

    x.do("show", id=late)

    assert texts(make(crawler.state, accounts=[ann]).fetch()) == ["late"]


def test_a_deleted_post_is_told_once(x: LocalX, make: Make, name: Name) -> None:
    ann = name("ann")
    gone = x.post(ann, "oops")
    x.post(ann, "stays")
    crawler = make(accounts=[ann])
    list(crawler.fetch())

    x.do("delete", id=gone)
    second = make(crawler.state, accounts=[ann])
    list(second.fetch())
    third = make(second.state, accounts=[ann])
    list(third.fetch())

    assert [(one.source, one.native_id) for one in second.deletions] == [("twitter", gone)]
    assert third.deletions == []


def test_a_deletion_that_could_not_be_checked_is_checked_next_time(x: LocalX, make: Make, name: Name) -> None:
    ann = name("ann")
    gone = x.post(ann, "oops")
    crawler = make(accounts=[ann])
    list(crawler.fetch())

    x.do("delete", id=gone)
    x.faults({"endpoint": "GET /2/tweets", "kind": "status", "status": 503})
    second = make(crawler.state, accounts=[ann])
    list(second.fetch())
    third = make(second.state, accounts=[ann])
    list(third.fetch())

    assert second.deletions == []
    assert [one.native_id for one in third.deletions] == [gone]


def test_a_retweet_is_its_authors_word_and_not_the_retweeters(x: LocalX, make: Make, name: Name) -> None:
    ann, bob = name("ann"), name("bob")
    long_words = "Buy " + "very " * 60 + "much"
    original = x.post(bob, long_words, at="2026-01-01T00:00:00+00:00", photos=["https://pbs.twimg.com/media/b.jpg"])
    x.post(ann, retweets=original)

    message = only(make(accounts=[ann]).fetch())

    assert (message.id, message.author, message.data) == (original, bob, long_words)
    assert message.timestamp == datetime(2026, 1, 1, tzinfo=UTC)
    assert message.media_urls == ["https://pbs.twimg.com/media/b.jpg"]


@pytest.mark.parametrize("way", ["timelines", "search"])
def test_retweets_and_replies_can_be_left_out(x: LocalX, make: Make, name: Name, way: str) -> None:
    ann, bob = name("ann"), name("bob")
    original = x.post(bob, "Buy")
    x.post(ann, retweets=original)
    x.post(ann, "No", replies_to=original)
    x.post(ann, "Mine")

    crawler = make(accounts=[ann], accounts_by=way, retweets="skip", replies=False)

    assert texts(crawler.fetch()) == ["Mine"]


def test_a_retweet_whose_original_is_gone_says_nothing(x: LocalX, make: Make, name: Name) -> None:
    ann, bob = name("ann"), name("bob")
    original = x.post(bob, "Buy")
    x.post(ann, retweets=original)
    x.do("delete", id=original)

    assert list(make(accounts=[ann]).fetch()) == []


def test_a_quote_and_a_reply_are_what_their_author_added(x: LocalX, make: Make, name: Name) -> None:
    ann, bob = name("ann"), name("bob")
    original = x.post(bob, "Sell everything", photos=["https://pbs.twimg.com/media/b.jpg"])
    x.post(ann, "I disagree", quotes=original)
    x.post(ann, "So do I", replies_to=original)

    messages = list(make(accounts=[ann]).fetch())

    assert [(message.author, message.data, message.media_urls) for message in messages] == [
        (ann, "I disagree", []),
        (ann, "So do I", []),
    ]


def test_long_posts_are_whole(x: LocalX, make: Make, name: Name) -> None:
    words = "word " * 200 + "end"
    x.post(name("ann"), words)

    assert texts(make(accounts=[name("ann")]).fetch()) == [words]


def test_a_video_gives_its_preview_and_an_unusable_picture_is_left_out(x: LocalX, make: Make, name: Name) -> None:
    ann = name("ann")
    x.post(ann, "film", videos=["https://pbs.twimg.com/ext_tw_video_thumb/1/pu/img/a.jpg"])
    x.post(ann, "inner", photos=["http://169.254.169.254/latest"])
    x.post(ann, photos=["file:///etc/passwd"])

    film, inner = make(accounts=[ann]).fetch()

    assert (film.type, film.media_urls) == ("video", ["https://pbs.twimg.com/ext_tw_video_thumb/1/pu/img/a.jpg"])
    assert (inner.type, inner.media_urls, inner.data) == ("text", [], "inner")


def test_a_post_from_the_future_comes_once_and_hides_none(x: LocalX, make: Make, name: Name) -> None:
    ann = name("ann")
    moment = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    x.post(ann, "from the future", at=moment)
    crawler = make(accounts=[ann])
    assert texts(crawler.fetch()) == ["from the future"]

    x.post(ann, "now")

    assert texts(make(crawler.state, accounts=[ann]).fetch()) == ["now"]


def test_accounts_are_asked_for_once_and_found_under_a_new_name(x: LocalX, make: Make, name: Name) -> None:
    ann, anna = name("ann"), name("anna")
    x.post(ann, "one")
    crawler = make(accounts=[ann], accounts_by="search")
    list(crawler.fetch())
    x.do("users", users=[{"username": ann, "rename": anna}, {"username": ann}])
    x.post(anna, "two")
    x.post(ann, "an impostor under the old name")

    again = make(crawler.state, accounts=[ann], accounts_by="search")
    message = only(again.fetch())

    assert (message.author, message.data) == (anna, "two")
    assert [entry["endpoint"] for entry in x.requests()].count("GET /2/users/by") == 1


def test_a_new_name_is_told_as_soon_as_accounts_are_asked_for_again(x: LocalX, make: Make, name: Name) -> None:
    ann, anna = name("ann"), name("anna")
    x.post(ann, "one")
    crawler = make(accounts=[ann])
    list(crawler.fetch())
    x.do("users", users=[{"username": ann, "rename": anna}])
    crawler.state["accounts"][ann]["at"] = 0

    again = make(crawler.state, accounts=[ann])
    list(again.fetch())

    assert f"is called {anna} now" in again.notes[ann]


def test_many_accounts_share_searches_and_keep_their_places(x: LocalX, make: Make, name: Name) -> None:
    names = [name(f"a{number}") for number in range(40)]
    x.posts([{"username": one, "text": f"of {one}"} for one in names])

    crawler = make(accounts=names)
    got = texts(crawler.fetch())
    x.requests(forget=True)
    x.post(names[39], "again")
    more = make(crawler.state, accounts=[*names[1:], name("new")])
    later = texts(more.fetch())

    assert sorted(got) == sorted(f"of {one}" for one in names)
    assert later == ["again"]
    searches = [entry["query"]["query"] for entry in x.requests() if entry["endpoint"].endswith("recent")]
    assert len(searches) == len(crawler.state["groups"]) <= 3
    assert all(len(query) <= 512 for query in searches)
    assert len({member for group in more.state["groups"].values() for member in group}) == 39


@pytest.mark.parametrize(("before", "after"), [("timelines", "search"), ("search", "timelines")])
def test_asked_for_in_another_way_accounts_are_read_on_from_where_they_were(
    x: LocalX, make: Make, name: Name, before: str, after: str
) -> None:
    ann = name("ann")
    x.post(ann, "old", at=(datetime.now(UTC) - timedelta(hours=5)).isoformat())
    crawler = make(accounts=[ann], accounts_by=before, lookback_minutes=360)
    assert texts(crawler.fetch()) == ["old"]

    missed = (datetime.now(UTC) - timedelta(hours=4)).isoformat()
    x.post(ann, "while nobody polled", at=missed)
    crawler = make(crawler.state, accounts=[ann], accounts_by=after, lookback_minutes=1)

    assert texts(crawler.fetch()) == ["while nobody polled"]


def test_it_is_a_crawler_like_any_other() -> None:
    assert load_crawlers()["twitter"] is XCrawler
    assert isinstance(XCrawler(), CrawlerPlugin)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({}, "accounts: name at least one"),
        ({"accounts": ["no such name!"]}, "accounts"),
        ({"accounts": ["ann"], "bearer_token": ""}, "bearer_token"),
        ({"accounts": ["ann"], "bearer_token": "a b"}, "bearer_token: has blanks"),
        ({"accounts": ["ann"], "acounts": []}, "acounts"),
        ({"accounts": ["ann"], "max_results": 5}, "max_results"),
        ({"accounts": ["ann"], "api_base": "file:///etc"}, "api_base: must begin with http"),
        ({"accounts": ["ann"], "api_base": "http://10.0.0.1"}, "api_base"),
        ({"searches": ["x" * 600]}, r"searches\[0\]: has 600 characters"),
    ],
)
def test_a_wrong_setting_is_named(make: Make, wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(NotConfigured, match=named):
        make(**wrong)


def test_a_missing_token_is_named_with_the_remedy() -> None:
    with pytest.raises(NotConfigured, match=r"bearer_token.*env:NAME"):
        XCrawler().init({"accounts": ["ann"]})
