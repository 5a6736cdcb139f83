"""Feeds that are edited, moved, gone, slow, undated or made to explode."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.sources.adapters.rss import FeedCrawler
from tests.apps.sources.servers import Server
from tests.outside.launch import launched
from tradebot.contracts.errors import NotConfigured, PermanentError, Throttled
from tradebot.contracts.messages import CrawlerMessage

ITEM = "<item><guid>g-1</guid><title>{title}</title>{more}</item>"


@pytest.fixture(scope="module")
def feeds() -> Iterator[str]:
    with launched("feeds") as address:
        yield address


@pytest.fixture
def feed(server: Server, settings: Any) -> Server:
    settings.GUARDED_ALLOW = [server.endpoint]
    return server


def crawler(url: str, settings: Any, state: dict[str, Any] | None = None, **config: Any) -> FeedCrawler:
    settings.GUARDED_ALLOW = [url.split("/")[2]]
    made = FeedCrawler()
    made.init({"name": "sample", "url": url, "state": state or {}, **config})
    return made


def read(made: FeedCrawler) -> list[CrawlerMessage]:
    return list(made.fetch())


def rss(*items: str) -> bytes:
    return f'<rss version="2.0"><channel>{"".join(items)}</channel></rss>'.encode()


# --- edits -----------------------------------------------------------------------------------------------------------


def test_an_edited_entry_is_a_new_revision_with_the_moment_of_the_first(feeds: str, settings: Any) -> None:
    first = crawler(f"{feeds}/edited", settings)
    before = read(first)
    second = crawler(f"{feeds}/edited", settings, first.state)
    after = read(second)

    assert [post.revision for post in before] == [0, 0]
    assert after[0].revision == 0
    assert after[1].revision > 0
    assert after[1].data != before[1].data
    assert (after[1].id, after[1].timestamp) == (before[1].id, before[1].timestamp)


def test_the_sources_own_moment_of_the_change_is_the_revision(feed: Server, settings: Any) -> None:
    atom = '<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>urn:1</id><title>{}</title><updated>{}</updated></entry></feed>'
    url = feed.give("/a", atom.format("Old", "2023-07-01T12:00:00Z").encode())
    first = crawler(url, settings)
    [before] = read(first)
    feed.give("/a", atom.format("New", "2023-07-01T12:30:00Z").encode())

    [after] = read(crawler(url, settings, first.state))

    assert (before.revision, before.timestamp) == (0, datetime(2023, 7, 1, 12, tzinfo=UTC))
    assert after.revision == int(datetime(2023, 7, 1, 12, 30, tzinfo=UTC).timestamp())
    assert after.timestamp == before.timestamp


def test_a_date_that_moves_without_new_words_is_no_revision(feed: Server, settings: Any) -> None:
    url = feed.give("/a", rss(ITEM.format(title="Same", more="<pubDate>Sat, 01 Jul 2023 14:00:00 GMT</pubDate>")))
    first = crawler(url, settings)
    [before] = read(first)
    feed.give("/a", rss(ITEM.format(title="Same", more="<pubDate>Sat, 01 Jul 2023 15:00:00 GMT</pubDate>")))

    [after] = read(crawler(url, settings, first.state))

    assert (after.revision, after.timestamp) == (before.revision, before.timestamp)


def test_a_crawl_that_died_finds_the_same_revisions_again(feed: Server, settings: Any) -> None:
    url = feed.give("/a", rss(ITEM.format(title="Old", more="")))
    first = crawler(url, settings)
    read(first)
    feed.give("/a", rss(ITEM.format(title="New", more="")))

    [once] = read(crawler(url, settings, first.state))
    [again] = read(crawler(url, settings, first.state))
    feed.give("/a", rss(ITEM.format(title="Newer", more="")))
    [other] = read(crawler(url, settings, first.state))

    assert once.revision == again.revision
    assert other.revision not in {0, once.revision}


def test_a_body_that_came_before_is_not_read_again(feeds: str, settings: Any) -> None:
    first = crawler(f"{feeds}/news", settings)
    assert len(read(first)) == 2

    assert read(crawler(f"{feeds}/news", settings, first.state)) == []


def test_a_cached_feed_costs_a_304(feeds: str, settings: Any) -> None:
    first = crawler(f"{feeds}/cached", settings)
    assert len(read(first)) == 2
    second = crawler(f"{feeds}/cached", settings, first.state)

    assert read(second) == []
    assert {name: second.state[name] for name in ("etag", "last_modified", "entries")} == {
        name: first.state[name] for name in ("etag", "last_modified", "entries")
    }


# --- what the server says --------------------------------------------------------------------------------------------


def test_a_feed_that_is_gone_pauses_for_a_day_and_says_the_remedy(feeds: str, settings: Any) -> None:
    with pytest.raises(Throttled, match=r"410.*disable") as caught:
        read(crawler(f"{feeds}/gone", settings))

    assert caught.value.until - datetime.now(UTC) > timedelta(hours=23)


def test_a_server_that_asks_to_wait_is_obeyed(feeds: str, settings: Any) -> None:
    with pytest.raises(Throttled, match="429") as caught:
        read(crawler(f"{feeds}/wait", settings))

    assert timedelta(minutes=19) < caught.value.until - datetime.now(UTC) <= timedelta(minutes=20)


@pytest.mark.parametrize("given", ["soon", "99999999999999999999", "-1", "Sat, 99 Jul 2023 14:00:00 GMT"])
def test_an_odd_retry_after_breaks_nothing(feed: Server, settings: Any, given: str) -> None:
    url = feed.give("/a", status=429, Retry_After=given)

    with pytest.raises(Exception, match="429"):
        read(crawler(url, settings))


def test_a_feed_that_moved_for_good_is_read_and_noted(feeds: str, settings: Any) -> None:
    moved, away = crawler(f"{feeds}/moved", settings), crawler(f"{feeds}/away", settings)

    assert len(read(moved)) == len(read(away)) == 2
    assert moved.notes == {"sample": f"has moved for good to {feeds}/news; change its url"}
    assert away.notes == {}


def test_credentials_are_asked_for_by_name_and_not_taken_along(feed: Server, canary: Server, settings: Any) -> None:
    url = feed.give("/a", status=302, Location=canary.give("/b", rss(ITEM.format(title="A", more=""))))
    settings.GUARDED_ALLOW = [feed.endpoint, canary.endpoint]
    made = FeedCrawler()
    made.init({"name": "sample", "url": url, "authorization": "Bearer sample-secret"})

    assert len(read(made)) == 1
    assert feed.seen[0][1]["authorization"] == "Bearer sample-secret"
    assert "authorization" not in canary.seen[0][1]
    with pytest.raises(PermanentError, match="authorization"):
        read(crawler(feed.give("/c", status=401), settings))


# --- hostile ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "reason"), [("bomb", "entity 'l1'"), ("huge", "larger than")])
def test_bombs_and_floods_are_refused_at_once(feeds: str, settings: Any, path: str, reason: str) -> None:
    started = time.monotonic()

    with pytest.raises(PermanentError, match=reason):
        read(crawler(f"{feeds}/{path}", settings))

    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE r [<!ENTITY % x SYSTEM "http://127.0.0.1/x.dtd"> %x;]>',
        f'<!DOCTYPE r [<!ENTITY x "{"y" * 5_000}">]>',
        '<!-- <a --><!DOCTYPE r SYSTEM "<!--" [<!ENTITY x "y"><!ENTITY z "&x;&x;">]>',
        '<?pi <a ?><!DOCTYPE r [<!ENTITY x "y">\n<!ENTITY z "&x;&x;">]>',
    ],
    ids=["file", "parameter", "long", "behind a comment", "behind an instruction"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp037"])
def test_no_way_of_writing_an_entity_hides_it(feed: Server, settings: Any, head: str, encoding: str) -> None:
    xml = f'<?xml version="1.0" encoding="{encoding}"?>{head}' + rss(ITEM.format(title="A", more="")).decode()

    with pytest.raises(PermanentError, match="entity"):
        read(crawler(feed.give("/a", xml.encode(encoding)), settings))


def test_an_article_about_entities_is_no_bomb(feed: Server, settings: Any) -> None:
    words = '<![CDATA[<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>]]>'

    [post] = read(
        crawler(feed.give("/a", rss(ITEM.format(title="XXE", more=f"<description>{words}</description>"))), settings)
    )

    assert post.data.startswith("XXE")


@pytest.mark.parametrize(
    "body",
    [b"\n" * 1_000_000, b"<a>" * 300_000, b"<!DOCTYPE \n" * 90_000, b"<!ENTITY \n" * 90_000],
    ids=["blanks", "depth", "doctypes", "entities"],
)
def test_what_would_stall_the_parser_is_over_at_once(feed: Server, settings: Any, body: bytes) -> None:
    started = time.monotonic()

    with pytest.raises(PermanentError):
        read(crawler(feed.give("/a", body), settings))

    assert time.monotonic() - started < 5


def test_an_encoding_that_decodes_for_hours_is_refused(feed: Server, settings: Any) -> None:
    url = feed.give("/a", rss(ITEM.format(title="A", more="")), Content_Type="application/xml; charset=punycode")

    with pytest.raises(PermanentError, match="encoding"):
        read(crawler(url, settings))


def test_entries_from_the_future_are_noted(feed: Server, settings: Any) -> None:
    more = "<pubDate>Sat, 01 Jul 2090 14:00:00 GMT</pubDate>"
    made = crawler(feed.give("/a", rss(ITEM.format(title="Prophecy", more=more))), settings)

    [post] = read(made)

    assert post.timestamp.year == 2090
    assert "future" in made.notes["future"]


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [{"max_entries": 0}, {"colour": "red"}, {"max_bytes": "much"}])
def test_a_wrong_setting_is_named(feed: Server, settings: Any, config: dict[str, Any]) -> None:
    with pytest.raises(NotConfigured, match=next(iter(config))):
        crawler(feed.url("/a"), settings, **config)


def test_pictures_of_the_text_are_taken_where_the_source_says_so(feed: Server, settings: Any) -> None:
    body = '&lt;p&gt;&lt;img alt="x" src="/chart.png"&gt;&lt;/p&gt;'
    url = feed.give("/a", rss(ITEM.format(title="A", more=f"<description>{body}</description>")))
    settings.MEDIA_ALLOW = [feed.endpoint]

    assert [post.media_urls for post in read(crawler(url, settings))] == [[]]
    assert [post.media_urls for post in read(crawler(url, settings, inline_images=True))] == [[feed.url("/chart.png")]]
