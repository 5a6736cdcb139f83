"""Feeds as posts, and what a source's row says about how its crawl went."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.sources import services
from apps.sources.adapters.registry import load_crawlers, make_crawler, source_names
from apps.sources.adapters.rss import FeedCrawler
from apps.sources.models import Source
from tests.apps.sources.servers import Server
from tradebot.contracts.errors import NotConfigured, PermanentError, TransientError
from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.ports import CrawlerPlugin
from workers.crawl import crawl, crawl_due

RSS = """<?xml version="1.0"?><rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/"><channel>
<title>Sample news</title>
<item><guid isPermaLink="false">n-2</guid><title>Second</title>
<description>&lt;p&gt;More &lt;b&gt;words&lt;/b&gt;&lt;/p&gt;</description>
<link>https://news.example/2</link><pubDate>Sat, 01 Jul 2023 15:00:00 GMT</pubDate><author>desk</author>
<enclosure url="https://news.example/2.png" type="image/png" length="1"/></item>
<item><guid isPermaLink="false">n-1</guid><title>First</title><description>Words</description>
<pubDate>Sat, 01 Jul 2023 14:00:00 GMT</pubDate></item>
</channel></rss>"""


@pytest.fixture
def feed(server: Server, settings: Any) -> Server:
    settings.GUARDED_ALLOW = [server.endpoint]
    return server


def crawler(server: Server, path: str = "/feed", **state: Any) -> FeedCrawler:
    made = FeedCrawler()
    made.init({"name": "sample-news", "url": server.url(path), "state": state})
    return made


def fetched(server: Server, xml: str, **headers: str) -> list[CrawlerMessage]:
    server.give("/feed", xml.encode(), **headers)
    return list(crawler(server).fetch())


def test_entries_come_oldest_first_with_all_they_say(feed: Server) -> None:
    first, second = fetched(feed, RSS)

    assert (first.id, first.data, first.type, first.author) == ("n-1", "First\n\nWords", "text", "sample-news")
    assert (second.source, second.channel, second.author) == ("rss", "sample-news", "desk")
    assert (second.type, second.media_urls) == ("image", ["https://news.example/2.png"])
    assert second.url == "https://news.example/2"
    assert second.timestamp == datetime(2023, 7, 1, 15, tzinfo=UTC)
    assert all(crawler(feed).validate(message) for message in (first, second))


def test_atom_is_read_as_well(feed: Server) -> None:
    [message] = fetched(
        feed,
        """<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>urn:1</id><title>样本</title>
        <content type="html">&lt;p&gt;上线&lt;/p&gt;</content><updated>2023-07-01T14:30:00+02:00</updated>
        <author><name>desk</name></author></entry></feed>""",
    )

    assert (message.id, message.author) == ("urn:1", "desk")
    assert message.timestamp == datetime(2023, 7, 1, 12, 30, tzinfo=UTC)


def test_a_second_poll_asks_only_for_what_changed(feed: Server) -> None:
    feed.give("/feed", RSS.encode(), ETag='"v1"', Last_Modified="Sat, 01 Jul 2023 15:00:00 GMT")
    first = crawler(feed)
    list(first.fetch())
    feed.give("/feed", status=304)
    second = crawler(feed, **first.state)

    assert list(second.fetch()) == []
    assert feed.seen[-1][1]["if-none-match"] == '"v1"'
    assert feed.seen[-1][1]["if-modified-since"] == "Sat, 01 Jul 2023 15:00:00 GMT"
    assert second.state["etag"] == '"v1"'


def test_what_was_remembered_of_another_address_is_forgotten(feed: Server) -> None:
    assert crawler(feed, url="https://other.example/", etag='"v1"').state == {}


def item(inner: str) -> str:
    return f'<rss version="2.0"><channel><item>{inner}</item></channel></rss>'


def test_without_a_guid_the_link_and_then_the_words_tell_entries_apart(feed: Server) -> None:
    [linked] = fetched(feed, item("<title>A</title><link>https://news.example/a</link>"))
    [bare] = fetched(feed, item("<title>A</title>"))
    [same] = fetched(feed, item("<title>A</title>"))
    [long] = fetched(feed, item(f"<guid>{'x' * 500}</guid><title>A</title>"))

    assert linked.id == "https://news.example/a"
    assert bare.id == same.id != linked.id
    assert len(long.id) <= 200


def test_an_entry_without_a_date_never_looks_fresh(feed: Server) -> None:
    polled = datetime(2030, 1, 1, 12, tzinfo=UTC)
    feed.give("/feed", item("<title>A</title>").encode())

    [on_first_poll] = crawler(feed).fetch()
    [later] = crawler(feed, url=feed.url("/feed"), polled_at=polled.isoformat()).fetch()

    assert on_first_poll.timestamp == datetime(1970, 1, 1, tzinfo=UTC)
    assert later.timestamp == polled


def test_pictures_inside_the_network_are_left_out(feed: Server) -> None:
    [message] = fetched(feed, item('<title>A</title><enclosure url="http://10.0.0.1/a.png" type="image/png"/>'))

    assert (message.type, message.media_urls) == ("text", [])


def test_a_broken_feed_gives_what_can_be_read(feed: Server) -> None:
    assert [message.id for message in fetched(feed, RSS.replace("</channel></rss>", ""))] == ["n-1", "n-2"]


@pytest.mark.parametrize("body", ["", "words", "/etc/passwd", "file:///etc/passwd", "<html><body>hi</body></html>"])
def test_what_is_no_feed_is_an_error(feed: Server, body: str) -> None:
    with pytest.raises(PermanentError, match="feed"):
        fetched(feed, body)


def test_a_feed_without_end_is_refused(feed: Server) -> None:
    with pytest.raises(PermanentError, match="larger"):
        fetched(feed, item("<title>A</title>") + " " * 5_000_000)


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "http://127.0.0.1:1/feed", "feed.xml"])
def test_a_feed_without_a_usable_address_is_not_configured(url: str) -> None:
    with pytest.raises(NotConfigured, match="url"):
        FeedCrawler().init({"name": "x", "url": url})


def test_the_feed_crawler_is_a_crawler_and_registered() -> None:
    assert isinstance(FeedCrawler(), CrawlerPlugin)
    assert load_crawlers()["rss"] is FeedCrawler
    assert {"rss", "twitter", "telegram", "web"} <= source_names()


DATA = Path(os.environ.get("TRADEBOT_SHARED_DATA", "../shared/data")) / "crawl" / "feedparser_tests" / "wellformed"


@pytest.mark.skipif(not DATA.is_dir(), reason=f"shared feed recordings are not at {DATA}")
def test_every_recorded_feed_is_read_or_refused_in_words(feed: Server) -> None:
    read = 0
    for path in sorted(DATA.rglob("*.xml")):
        feed.give("/feed", path.read_bytes())
        read += len(list(crawler(feed).fetch()))

    assert read > 50


# --- crawling a source -----------------------------------------------------------------------------------------------


class Sink(list[CrawlerMessage]):
    """A broker that takes everything."""

    def __call__(self, messages: Iterable[CrawlerMessage]) -> None:
        self.extend(messages)


def source(server: Server, **changes: Any) -> Source:
    fields = {"name": "sample-news", "kind": "rss", "url": server.url("/feed"), "interval_seconds": 60}
    return Source.objects.create(**{**fields, **changes})


@pytest.mark.django_db
def test_a_crawl_publishes_what_is_new_and_remembers_the_rest(feed: Server) -> None:
    feed.give("/feed", RSS.encode(), ETag='"v1"')
    row, sink = source(feed), Sink()

    assert crawl(row.name, sink) == 2
    services.record_posts(sink)
    assert crawl(row.name, sink) == 0

    row.refresh_from_db()
    assert [message.id for message in sink] == ["n-1", "n-2"]
    assert (row.last_result, row.last_error, row.state["etag"]) == ("0 new of 0", "", '"v1"')


@pytest.mark.django_db
def test_what_a_crawl_learned_is_kept_only_when_the_broker_took_the_posts(feed: Server) -> None:
    feed.give("/feed", RSS.encode(), ETag='"v1"')
    row = source(feed)

    def down(messages: Iterable[CrawlerMessage]) -> None:
        raise TransientError("no broker")

    with pytest.raises(TransientError):
        crawl(row.name, down)

    row.refresh_from_db()
    assert row.state == {}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"url": "http://127.0.0.1:1/"}, "url"), ({"kind": "magic"}, "no crawler"), ({}, "404")],
    ids=["inside", "unknown plugin", "missing"],
)
def test_a_crawl_that_fails_says_why_and_pauses_longer_each_time(
    feed: Server, changes: dict[str, str], reason: str
) -> None:
    row = source(feed, **changes)
    pauses = []
    for _ in range(3):
        before = datetime.now(UTC)
        assert crawl(row.name, Sink()) == 0
        row.refresh_from_db()
        pauses.append(row.next_run_at - before)

    assert reason in row.last_error
    assert row.failures == 3
    assert timedelta(seconds=60) < pauses[0] < pauses[1] < pauses[2] <= timedelta(hours=1, seconds=5)


@pytest.mark.django_db
def test_a_plugin_that_breaks_stops_only_its_own_source(feed: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: FeedCrawler) -> list[CrawlerMessage]:
        raise ZeroDivisionError("plugin bug")

    monkeypatch.setattr(FeedCrawler, "fetch", broken)
    row = source(feed)

    assert crawl(row.name, Sink()) == 0

    row.refresh_from_db()
    assert row.last_error == "ZeroDivisionError: plugin bug"


@pytest.mark.django_db
def test_a_success_clears_the_failures(feed: Server) -> None:
    row = source(feed)
    crawl(row.name, Sink())
    feed.give("/feed", RSS.encode())
    crawl(row.name, Sink())

    row.refresh_from_db()
    assert (row.failures, row.last_error) == (0, "")


@pytest.mark.django_db
def test_a_due_source_is_claimed_once(feed: Server) -> None:
    past = datetime.now(UTC) - timedelta(minutes=1)
    source(feed, name="due", next_run_at=past)
    source(feed, name="off", next_run_at=past, enabled=False)
    source(feed, name="later", next_run_at=datetime.now(UTC) + timedelta(minutes=1))

    assert [claimed.name for claimed in crawl_due()] == ["due"]
    assert crawl_due() == []


@pytest.mark.django_db
def test_a_source_that_is_gone_is_an_error() -> None:
    with pytest.raises(PermanentError, match="no source"):
        crawl("gone", Sink())


@pytest.mark.django_db
def test_a_crawler_gets_its_sources_configuration(feed: Server) -> None:
    row = source(feed, config={"max_entries": 5}, state={"url": feed.url("/feed"), "etag": '"v1"'})
    from apps.sources import selectors

    made = make_crawler(selectors.source_view(row))

    assert isinstance(made, FeedCrawler)
    assert made.state["etag"] == '"v1"'
