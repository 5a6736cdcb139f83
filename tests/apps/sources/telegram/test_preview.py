"""The crawler against t.me/s as a process: Scrapy, the guarded client, and everything that can go wrong there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import billiard
import pytest

from apps.sources.adapters.telegram.crawler import TelegramCrawler
from tests.apps.sources.telegram.conftest import Crawlers
from tests.outside.telegram.process import OutsideTelegram
from tradebot.contracts.errors import NotConfigured, PermanentError, Throttled, TransientError, UnsafeAddress


def fetched(crawler: TelegramCrawler) -> list[tuple[str, str]]:
    return [(message.id, message.data) for message in crawler.fetch()]


def preview(crawler: Crawlers, state: dict[str, Any] | None = None, **settings: Any) -> TelegramCrawler:
    return crawler(state, mode="preview", **settings)


def test_posts_come_as_messages(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "BTC leaves its range.\nSee the chart", at="2026-07-01T12:00:00+00:00")
    telegram.post("sample", "a chart", photos=1)
    telegram.post("sample", videos=1)
    watching = preview(crawler)
    text, image, video = watching.fetch()
    assert (text.source, text.type, text.id, text.revision) == ("telegram", "text", "1", 0)
    assert (text.data, text.author, text.channel) == ("BTC leaves its range.\nSee the chart", "sample", "sample")
    assert (text.url, text.timestamp) == ("https://t.me/sample/1", datetime(2026, 7, 1, 12, tzinfo=UTC))
    assert (image.type, image.data, len(image.media_urls)) == ("image", "a chart", 1)
    assert (video.type, video.data, len(video.media_urls)) == ("video", "", 1)
    assert all(watching.validate(message) for message in (text, image, video))


def test_an_album_is_one_message_with_all_its_pictures(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "three views", photos=3)
    telegram.post("sample", "after it")
    album, after = preview(crawler).fetch()
    assert (album.id, len(album.media_urls), after.id) == ("1", 3, "4")


def test_each_version_comes_once(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "first")
    telegram.post("sample", "second")
    watching = preview(crawler)
    assert fetched(watching) == [("1", "first"), ("2", "second")]
    assert fetched(watching) == []
    telegram.edit("sample", 1, "first, corrected")
    again = preview(crawler, watching.state)
    (edited,) = again.fetch()
    assert (edited.id, edited.data) == ("1", "first, corrected")
    assert edited.revision > 0
    telegram.edit("sample", 1, "first, corrected twice")
    (twice,) = again.fetch()
    assert twice.revision > edited.revision
    assert fetched(again) == []


def test_a_deleted_post_is_told(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    for number in range(3):
        telegram.post("sample", f"post {number}")
    watching = preview(crawler)
    fetched(watching)
    telegram.delete("sample", 2)
    assert fetched(watching) == []
    assert [(gone.source, gone.channel, gone.native_id) for gone in watching.deletions] == [("telegram", "sample", "2")]


def test_pages_are_read_down_to_what_is_known(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "first")
    watching = preview(crawler)
    fetched(watching)
    for number in range(45):
        telegram.post("sample", f"post {number}")
    assert [post_id for post_id, _ in fetched(watching)] == [str(number) for number in range(2, 47)]
    assert telegram.seen()["requests"][1:] == ["/s/sample", "/s/sample?before=27", "/s/sample?before=7"]


def test_quoted_and_forwarded_words_are_whose_they_are(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "ours")
    telegram.post("sample", "an answer", reply_to=1)
    telegram.post("sample", "theirs", forwarded="other_channel", forwarded_title="Other Channel")
    messages = list(preview(crawler).fetch())
    assert [(message.author, message.data) for message in messages] == [
        ("sample", "ours"),
        ("sample", "an answer"),
        ("other_channel", "theirs"),
    ]
    assert {message.channel for message in messages} == {"sample"}


def test_a_channel_without_preview_says_so(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    with pytest.raises(PermanentError, match="@sample has no public preview"):
        preview(crawler).fetch()
    telegram.do("channel", name="sample", preview=False)
    with pytest.raises(PermanentError, match="can be read in client mode"):
        preview(crawler).fetch()


def test_a_renamed_channel_is_never_mixed_in(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("stranger", "not ours")
    telegram.do("channel", name="sample", moved_to="/s/stranger")
    watching = preview(crawler)
    with pytest.raises(PermanentError, match="@sample leads to @stranger now"):
        watching.fetch()
    assert watching.state == {}


def test_another_channel_under_the_old_name_is_refused(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "ours")
    watching = preview(crawler)
    fetched(watching)
    telegram.do("channel", name="sample", id=999)
    with pytest.raises(PermanentError, match="is another channel now"):
        watching.fetch()


def test_429_stops_every_worker_until_the_time_is_over(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "words")
    telegram.preview_fails({"status": 429, "headers": {"Retry-After": "300"}})
    with pytest.raises(Throttled) as first:
        preview(crawler).fetch()
    assert timedelta(seconds=290) < first.value.until - datetime.now(UTC) < timedelta(seconds=310)
    asked = len(telegram.seen()["requests"])
    with pytest.raises(Throttled):
        preview(crawler, channel="other").fetch()
    assert len(telegram.seen()["requests"]) == asked


@pytest.mark.parametrize(
    ("fault", "error", "reason"),
    [
        ({"status": 503}, TransientError, "503"),
        ({"status": 500}, TransientError, "500"),
        ({"status": 404}, PermanentError, "404"),
        ({"cut": 0.4, "unframed": True}, TransientError, "breaks off"),
        ({"replace": [["js-message_history", "x"], ["tgme_channel_history", "y"]]}, PermanentError, "has changed"),
        ({"replace": [["data-post=", "data-item="]]}, PermanentError, "has changed"),
        ({"replace": [["<time datetime", "<b datetime"]]}, PermanentError, "has no date|no post has a date"),
        ({"replace": [["tgme_widget_message_text", "t"]]}, PermanentError, "has changed"),
    ],
)
def test_what_goes_wrong_is_said_and_changes_nothing(
    telegram: OutsideTelegram, crawler: Crawlers, fault: dict[str, Any], error: type[Exception], reason: str
) -> None:
    telegram.post("sample", "first")
    telegram.post("sample", "second")
    watching = preview(crawler)
    telegram.preview_fails(fault)
    with pytest.raises(error, match=reason):
        watching.fetch()
    assert watching.state == {}
    assert fetched(watching) == [("1", "first"), ("2", "second")]


def test_an_answer_that_is_cut_off_is_asked_for_again_once(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "words")
    telegram.preview_fails({"cut": 0.4}, {"cut": 0.4}, {"cut": 0.4})
    watching = preview(crawler)
    with pytest.raises(TransientError, match="no answer"):
        watching.fetch()
    assert fetched(watching) == [("1", "words")]
    assert len(telegram.seen()["requests"]) == 4


def test_a_failure_on_a_later_page_loses_nothing(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "first")
    watching = preview(crawler)
    fetched(watching)
    for number in range(30):
        telegram.post("sample", f"post {number}")
    telegram.preview_fails({}, {"status": 500})
    with pytest.raises(TransientError):
        watching.fetch()
    assert len(fetched(watching)) == 30


def test_words_that_vanish_from_a_page_with_pictures_are_no_edits(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    for number in range(4):
        telegram.post("sample", f"caption {number}", photos=1)
    watching = preview(crawler)
    fetched(watching)
    telegram.preview_fails({"replace": [["tgme_widget_message_text", "words"]]})
    with pytest.raises(PermanentError, match="no known post has words any more"):
        watching.fetch()
    assert fetched(watching) == []


def test_inner_addresses_are_not_read(telegram: OutsideTelegram, crawler: Crawlers, settings: Any) -> None:
    telegram.post("sample", "words")
    watching = preview(crawler)
    settings.GUARDED_ALLOW = []
    with pytest.raises(UnsafeAddress):
        watching.fetch()
    with pytest.raises(NotConfigured, match="preview_base"):
        preview(crawler)
    assert telegram.seen()["requests"] == []


def test_pictures_at_inner_addresses_are_left_out(telegram: OutsideTelegram, crawler: Crawlers, settings: Any) -> None:
    telegram.post("sample", "a chart", photos=1)
    telegram.post("sample", photos=1)
    settings.MEDIA_ALLOW = []
    messages = list(preview(crawler).fetch())
    assert [(message.type, message.data, message.media_urls) for message in messages] == [("text", "a chart", [])]


def test_auto_reads_the_preview_while_nobody_has_logged_in(
    telegram: OutsideTelegram, crawler: Crawlers, db: None
) -> None:
    telegram.post("sample", "words")
    assert fetched(crawler(mode="auto")) == [("1", "words")]
    assert telegram.seen()["calls"] == []


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"channel": "a b"}, "channel"),
        ({"channel": "https://example.com/x"}, "channel"),
        ({"api_id": "twelve"}, "api_id"),
        ({"mode": "fast"}, "mode"),
        ({"overlap": 0}, "overlap"),
        ({"pages": 10_000}, "pages"),
        ({"surprise": 1}, "surprise"),
        ({"session": "../x"}, "session"),
        ({"server": "127.0.0.1:1"}, "server, server_key"),
        ({"server": "10.0.0.1:443", "server_key": "x"}, "GUARDED_ALLOW"),
        ({"server": "somewhere:443", "server_key": "x"}, "must be an IP address"),
        ({"server": "10.0.0.1:https", "server_key": "x"}, "must be an IP address"),
        ({"preview_base": "file:///etc"}, "preview_base"),
        ({"mode": "client"}, "api_id, api_hash"),
    ],
)
def test_wrong_settings_name_their_key(wrong: dict[str, Any], key: str) -> None:
    with pytest.raises(NotConfigured, match=key):
        TelegramCrawler().init({"channel": "sample", **wrong})


@pytest.mark.parametrize("given", ["@sample", "sample", "https://t.me/s/sample", "t.me/sample/", "telegram.me/sample"])
def test_a_channel_may_be_written_in_any_usual_way(given: str) -> None:
    watching = TelegramCrawler()
    watching.init({"channel": given})
    assert watching._ready().channel == "sample"


def _in_a_child(address: str, allowed: list[str], counts: Any) -> None:
    from django.conf import settings

    settings.GUARDED_ALLOW = allowed
    for _ in range(3):
        watching = TelegramCrawler()
        watching.init({"channel": "sample", "mode": "preview", "preview_base": address})
        counts.put(len(list(watching.fetch())))


def test_a_celery_child_can_crawl_again_and_again(telegram: OutsideTelegram) -> None:
    telegram.post("sample", "first")
    telegram.post("sample", "second")
    counts: Any = billiard.Queue()
    # As the prefork pool makes its children: forked, and not allowed to have processes of their own.
    child = billiard.Process(target=_in_a_child, args=(telegram.preview, telegram.endpoints, counts), daemon=True)
    child.start()
    assert [counts.get(timeout=60) for _ in range(3)] == [2, 2, 2]
    child.join(10)
    assert child.exitcode == 0


def test_it_does_not_read_before_it_is_configured() -> None:
    with pytest.raises(NotConfigured):
        TelegramCrawler().fetch()
