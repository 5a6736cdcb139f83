"""What strangers write into feeds and onto the broker: one bad entry takes no other along."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from apps.sources import services
from apps.sources.adapters.rss import FeedCrawler
from apps.sources.models import Post, Source
from tests.apps.sources.servers import Server
from tests.factories import crawler_message
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.messages import CrawlerMessage
from workers import publisher
from workers.clean import clean
from workers.crawl import crawl

pytestmark = pytest.mark.django_db

NUL, HALF = "a\x00b", "a\ud800b"
ENTRY = "<item><title>{title}</title><guid>{number}</guid><link>http://blog.example/{link}</link></item>"


def feed_of(*entries: dict[str, str]) -> bytes:
    items = [
        ENTRY.format(**{"title": "Sample news", "link": "a", **entry}, number=place)
        for place, entry in enumerate(entries)
    ]
    return f'<rss version="2.0"><channel>{"".join(items)}</channel></rss>'.encode()


@pytest.fixture
def watched(server: Server, settings: Any) -> Source:
    """A feed on the local server, watched as `sample-blog`."""
    settings.GUARDED_ALLOW = [server.endpoint]
    return Source.objects.create(name="sample-blog", kind="rss", url=server.url("/feed"), interval_seconds=60)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[publisher.Parcel]:
    """What would have gone to the broker."""
    found: list[publisher.Parcel] = []
    monkeypatch.setattr(publisher, "send", found.extend)
    return found


def _items(sent: Iterable[publisher.Parcel]) -> list[dict[str, Any]]:
    return [item for parcel in sent for item in parcel.items]


def _yield(monkeypatch: pytest.MonkeyPatch, *messages: CrawlerMessage) -> None:
    """Let the watched crawler find exactly these, whoever wrote them."""
    monkeypatch.setattr(FeedCrawler, "fetch", lambda self: list(messages))
    monkeypatch.setattr(FeedCrawler, "validate", lambda self, message: True)


@pytest.mark.parametrize(("link", "kept"), [("a&#0;b", "http://blog.example/ab"), ("a&#1;b", "")])
def test_an_odd_link_costs_a_feeds_post_only_its_link(
    server: Server, watched: Source, sent: list[publisher.Parcel], link: str, kept: str
) -> None:
    server.give("/feed", feed_of({"link": link}, {}))

    assert crawl(watched.name) == 2

    assert [item["url"] for item in _items(sent)] == [kept, "http://blog.example/a"]


@pytest.mark.parametrize("entity", ["&#0;", "&#xD800;", "&#55296;", "&#x110000;", f"&#{'9' * 5_000};", "&#x;"])
def test_an_odd_title_darkens_no_feed(
    server: Server, watched: Source, sent: list[publisher.Parcel], entity: str
) -> None:
    server.give("/feed", feed_of({"title": f"Sample {entity}news"}, {"title": "Other news"}))

    assert crawl(watched.name) == 2

    assert "Other news" in {item["data"] for item in _items(sent)}
    assert msgspec.json.encode(_items(sent)).count(b"\\u0000") == 0


@pytest.mark.parametrize("odd", [NUL, HALF], ids=["nul", "half surrogate"])
@pytest.mark.parametrize("field", ["id", "root_id", "author", "channel", "url"])
def test_a_message_that_no_database_could_hold_is_dropped_and_noted(
    watched: Source, sent: list[publisher.Parcel], monkeypatch: pytest.MonkeyPatch, field: str, odd: str
) -> None:
    _yield(monkeypatch, crawler_message(**{field: odd}), crawler_message(data="Good news"))

    assert crawl(watched.name) == 1

    assert [item["data"] for item in _items(sent)] == ["Good news"]
    watched.refresh_from_db()
    assert watched.last_result == "1 new of 2"
    assert watched.last_error.startswith(f"1 of 2 dropped; {field}: ")
    assert watched.failures == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"source": "nobody"}, "source"),
        ({"media_urls": ["http://127.0.0.1/a.png"], "type": "image"}, "media_urls[0]"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"timestamp": datetime(2030, 1, 1)}, "timestamp"),  # noqa: DTZ001 - a plugin may forget the zone
        ({"data": 5}, "data"),
    ],
)
def test_a_crawled_message_must_keep_the_rules_for_pushed_ones(
    watched: Source, sent: list[publisher.Parcel], monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], field: str
) -> None:
    _yield(monkeypatch, crawler_message(**changes))

    assert crawl(watched.name) == 0

    assert sent == []
    watched.refresh_from_db()
    assert f"dropped; {field}: " in watched.last_error


def test_posts_that_can_not_be_published_make_the_source_pause(watched: Source, server: Server) -> None:
    server.give("/feed", feed_of({}))

    def broken(messages: Iterable[CrawlerMessage]) -> None:
        raise UnicodeEncodeError("utf-8", NUL, 0, 1, "synthetic \x00")

    assert crawl(watched.name, broken) == 0

    watched.refresh_from_db()
    assert (watched.failures, watched.last_result, watched.state) == (1, "failed", {})
    assert "UnicodeEncodeError" in watched.last_error
    assert watched.next_run_at > datetime.now(UTC)


def test_a_broker_that_does_not_confirm_is_not_the_sources_fault(watched: Source, server: Server) -> None:
    server.give("/feed", feed_of({}))

    def away(messages: Iterable[CrawlerMessage]) -> None:
        raise publisher.NotConfirmed("away")

    with pytest.raises(publisher.NotConfirmed):
        crawl(watched.name, away)

    watched.refresh_from_db()
    assert watched.failures == 0


@pytest.mark.parametrize("odd", [NUL, HALF], ids=["nul", "half surrogate"])
def test_what_a_plugin_remembers_or_complains_of_is_kept_readable(
    watched: Source, sent: list[publisher.Parcel], monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    def remembering(self: FeedCrawler) -> list[CrawlerMessage]:
        self.state = {"seen": odd}
        return []

    def complaining(self: FeedCrawler) -> list[CrawlerMessage]:
        raise ValueError(odd)

    monkeypatch.setattr(FeedCrawler, "fetch", remembering)
    crawl(watched.name)
    watched.refresh_from_db()
    assert watched.state["seen"].startswith("a\\u")

    monkeypatch.setattr(FeedCrawler, "fetch", complaining)
    crawl(watched.name)
    watched.refresh_from_db()
    assert watched.last_error == "ValueError: ab"


def test_a_long_post_of_a_feed_is_cut_and_not_lost(
    server: Server, watched: Source, sent: list[publisher.Parcel]
) -> None:
    server.give("/feed", feed_of({"title": "样" * 60_000}))

    assert crawl(watched.name) == 1

    [item] = _items(sent)
    assert 90_000 < len(item["data"].encode()) <= 100_000


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": f"http://blog.example/{NUL}"}, "url"),
        ({"root_id": NUL}, "root_id"),
        ({"root_id": "r" * 201}, "root_id"),
        ({"media_urls": [f"http://blog.example/{NUL}"]}, "media_urls[0]"),
    ],
)
def test_the_clean_stage_refuses_by_name_what_somebody_put_onto_the_broker(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        clean([crawler_message(**changes)])

    assert caught.value.field == field
    assert not Post.objects.exists()


def test_a_good_message_with_every_field_is_still_recorded() -> None:
    services.record_posts([crawler_message(url="https://blog.example/a", channel="sample", revision=1)])

    assert Post.objects.get().url == "https://blog.example/a"
