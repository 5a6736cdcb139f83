"""The crawler through real Telethon against an MTProto server: history, edits, albums, pictures, refusals."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from PIL import Image

from apps.sources import telegram_sessions
from apps.sources.adapters.telegram.crawler import TelegramCrawler
from apps.sources.domain.intake import check_crawled
from tests.apps.sources.telegram.conftest import Crawlers
from tests.outside.telegram.process import OutsideTelegram
from tradebot import valkey
from tradebot.contracts.errors import InvalidField, NotConfigured, PermanentError, Throttled, TransientError
from tradebot.contracts.messages import CrawlerMessage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("logged_in")]


def client(crawler: Crawlers, state: dict[str, Any] | None = None, **settings: Any) -> TelegramCrawler:
    return crawler(state, mode="client", **settings)


def fetched(crawler: TelegramCrawler) -> list[tuple[str, str]]:
    return [(message.id, message.data) for message in crawler.fetch()]


def picture(colour: str) -> bytes:
    kept = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(kept, "JPEG")
    return kept.getvalue()


def test_history_comes_in_order_and_once(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    for number in range(1, 31):
        telegram.post("sample", f"post {number}")
    watching = client(crawler)
    assert fetched(watching) == [(str(number), f"post {number}") for number in range(11, 31)]
    assert fetched(watching) == []
    for number in range(31, 300):
        telegram.post("sample", f"post {number}")
    assert [int(post_id) for post_id, _ in fetched(watching)] == list(range(31, 300))


def test_what_is_too_much_for_one_run_is_read_by_the_next(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "first")
    watching = client(crawler, pages=1)
    fetched(watching)
    for number in range(150):
        telegram.post("sample", f"post {number}")
    first, second = fetched(watching), fetched(watching)
    assert [int(post_id) for post_id, _ in [*first, *second]] == list(range(2, 152))


def test_an_edit_comes_with_its_time_as_revision(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "first")
    watching = client(crawler)
    (before,) = watching.fetch()
    telegram.edit("sample", 1, "corrected", at="2026-07-02T08:00:00+00:00")
    (after,) = watching.fetch()
    assert (before.revision, after.data) == (0, "corrected")
    assert after.revision // 10**6 == int(datetime(2026, 7, 2, 8, tzinfo=UTC).timestamp())
    assert fetched(watching) == []


def test_an_edit_that_changes_nothing_is_no_version(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "first")
    watching = client(crawler)
    fetched(watching)
    telegram.edit("sample", 1, "first")
    assert fetched(watching) == []


def test_deletions_are_told(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    for number in range(5):
        telegram.post("sample", f"post {number}")
    watching = client(crawler)
    fetched(watching)
    telegram.delete("sample", 2, 5)
    assert fetched(watching) == []
    assert [gone.native_id for gone in watching.deletions] == ["2", "5"]


def test_an_album_is_one_post_whose_pictures_are_stored(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "two charts", photos=2)
    watching = client(crawler)
    (album,) = watching.fetch()
    assert (album.id, album.type, album.data, len(album.media_urls)) == ("1", "image", "two charts", 2)
    assert watching.stored_media == set(album.media_urls)


def test_a_picture_is_kept_as_telegram_sent_it(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "a chart", photos=1)
    number = 5_429_460_311_875_460_150
    for offset in range(50):
        telegram.do("picture", number=number + offset, data=picture("red").hex())
    (message,) = client(crawler).fetch()
    assert message.media_urls == ["media:" + sha256(picture("red")).hexdigest()]


def test_what_is_no_picture_is_told_and_the_words_come(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    number = 5_429_460_311_875_460_150
    for offset in range(200):
        telegram.do("picture", number=number + offset, data=b"<svg/>".hex())
    telegram.post("sample", "a chart", photos=1)
    watching = client(crawler)
    (message,) = watching.fetch()
    assert (message.type, message.data) == ("text", "a chart")
    assert "a picture of post 1 is an SVG drawing" in watching.notes["sample"]


def test_a_video_brings_its_still(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "moving", videos=1)
    (message,) = client(crawler).fetch()
    assert (message.type, len(message.media_urls)) == ("video", 1)


def test_forwarded_words_polls_and_service_messages(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.do("channel", name="origin")
    telegram.post("sample", "theirs", forwarded="origin")
    telegram.post("sample", "a person's", forwarded_title="Ada Sample")
    telegram.post("sample", "New name", service=True)
    telegram.post("sample", poll=["Up or down?", "Up", "Down"])
    assert [(message.author, message.data) for message in client(crawler).fetch()] == [
        ("origin", "theirs"),
        ("Ada Sample", "a person's"),
        ("sample", "Up or down?\nUp\nDown"),
    ]


def test_an_album_that_is_still_being_sent_waits(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "before")
    watching = client(crawler)
    fetched(watching)
    now = datetime.now(UTC)
    telegram.post("sample", "fresh", photos=2, at=now.isoformat())
    assert fetched(watching) == []
    telegram.post("sample", "after", at=now.isoformat())
    assert fetched(watching) == [("2", "fresh"), ("4", "after")]


def test_a_stored_picture_may_be_named_only_by_who_stored_it(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "a chart", photos=1)
    watching = client(crawler)
    (message,) = watching.fetch()
    assert check_crawled(message, allowed_sources={"telegram"}, stored=watching.stored_media)
    with pytest.raises(InvalidField, match="media_urls"):
        check_crawled(message, allowed_sources={"telegram"})
    strange = message.__class__(**{**_fields(message), "media_urls": ["file:///etc/passwd"]})
    with pytest.raises(InvalidField, match="media_urls"):
        check_crawled(strange, allowed_sources={"telegram"}, stored=["file:///etc/passwd"])


def _fields(message: CrawlerMessage) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__struct_fields__}


def test_a_name_is_looked_up_once(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "first")
    watching = client(crawler)
    fetched(watching)
    fetched(client(crawler, watching.state))
    assert telegram.seen()["calls"].count("ResolveUsernameRequest") == 1


def test_a_poll_that_finds_nothing_new_is_six_calls(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "first")
    watching = client(crawler)
    fetched(watching)
    before = len(telegram.seen()["calls"])
    assert fetched(watching) == []
    assert sorted(telegram.seen()["calls"][before:]) == [
        "GetConfigRequest",
        "GetDifferenceRequest",
        "GetHistoryRequest",
        "GetHistoryRequest",
        "GetStateRequest",
        "GetUsersRequest",
    ]


# --- what Telegram refuses -------------------------------------------------------------------------------------------


def test_flood_wait_stops_every_worker_with_this_session(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "first")
    telegram.rpc_fails("GetHistoryRequest", 420, "FLOOD_WAIT_600")
    with pytest.raises(Throttled) as refused:
        client(crawler).fetch()
    assert timedelta(seconds=590) < refused.value.until - datetime.now(UTC) < timedelta(seconds=610)
    calls = len(telegram.seen()["calls"])
    with pytest.raises(Throttled):
        client(crawler, channel="other").fetch()
    assert len(telegram.seen()["calls"]) == calls


def test_a_short_flood_wait_is_not_slept_through(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "first")
    telegram.rpc_fails("ResolveUsernameRequest", 420, "FLOOD_WAIT_5")
    began = datetime.now(UTC)
    with pytest.raises(Throttled):
        client(crawler).fetch()
    assert datetime.now(UTC) - began < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        ((400, "USERNAME_NOT_OCCUPIED"), PermanentError, "there is no @sample"),
        ((400, "CHANNEL_PRIVATE"), PermanentError, "is private"),
        ((400, "SURPRISING_ANSWER"), PermanentError, "SURPRISING_ANSWER"),
        ((401, "SESSION_REVOKED"), NotConfigured, "not logged in any more"),
        ((406, "AUTH_KEY_DUPLICATED"), NotConfigured, "from two addresses"),
    ],
)
def test_refusals_say_what_to_do(
    telegram: OutsideTelegram, crawler: Crawlers, answer: tuple[int, str], error: type[Exception], reason: str
) -> None:
    telegram.post("sample", "first")
    telegram.rpc_fails("ResolveUsernameRequest", *answer)
    watching = client(crawler)
    with pytest.raises(error, match=reason):
        watching.fetch()
    assert watching.state == {}
    assert fetched(watching) == [("1", "first")]


def test_a_revoked_session_asks_for_a_new_login(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "first")
    telegram.do("end_sessions")
    with pytest.raises(NotConfigured, match=r"run manage\.py telegram_login again"):
        client(crawler).fetch()
    automatic = crawler(mode="auto")
    assert fetched(automatic) == [("1", "first")]
    assert "read through the preview" in automatic.notes["sample"]


def test_a_renamed_channel_is_never_mixed_in(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "first")
    watching = client(crawler)
    fetched(watching)
    telegram.do("channel", name="sample", username="renamed")
    telegram.post("sample", "second")
    with pytest.raises(PermanentError, match="@sample is called @renamed now"):
        watching.fetch()


def test_another_channel_under_the_old_name_is_refused(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "first")
    watching = client(crawler)
    fetched(watching)
    telegram.do("channel", name="sample", id=77)
    with pytest.raises(PermanentError, match="is another channel now"):
        watching.fetch()


def test_a_telegram_that_is_away_is_a_passing_trouble(crawler: Crawlers, settings: Any) -> None:
    settings.GUARDED_ALLOW = [*settings.GUARDED_ALLOW, "127.0.0.1:9"]
    with pytest.raises(TransientError, match="Telegram did not answer"):
        client(crawler, server="127.0.0.1:9").fetch()


def test_a_session_that_is_in_use_elsewhere_is_left_alone(
    telegram: OutsideTelegram, crawler: Crawlers, settings: Any
) -> None:
    telegram.post("sample", "first")
    connection: Any = valkey.client()
    connection.set("tradebot:telegram:session:default", "another-host", px=60_000)
    with pytest.raises(TransientError, match="in use behind another-host"):
        client(crawler).fetch()
    assert "GetHistoryRequest" not in telegram.seen()["calls"]


def test_client_mode_without_a_login_says_how(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    with pytest.raises(NotConfigured, match=r"manage\.py telegram_login --session second"):
        client(crawler, session="second").fetch()


def test_both_ways_of_reading_give_a_post_the_same_name(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "words")
    telegram.post("sample", "two charts", photos=2)
    seen = [
        [(message.id, message.revision, message.data, message.type) for message in watching.fetch()]
        for watching in (client(crawler), crawler(mode="preview", api_id="", api_hash="", server="", server_key=""))
    ]
    assert seen[0] == seen[1]


def test_changing_the_way_of_reading_repeats_nothing(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "words", forwarded="somebody", forwarded_title="Some Body")
    reading = client(crawler)
    assert len(fetched(reading)) == 1
    previewing = crawler(reading.state, mode="preview")
    assert fetched(previewing) == []
    telegram.edit("sample", 1, "other words")
    assert fetched(previewing) == [("1", "other words")]
    assert fetched(client(crawler, previewing.state)) == []


def test_the_stored_session_is_sealed(telegram: OutsideTelegram) -> None:
    from apps.sources.models_telegram import TelegramSession

    row = TelegramSession.objects.get()
    opened = telegram_sessions.open_session("default")
    assert opened is not None
    secret = opened[0].reveal()
    assert len(secret) > 300
    assert secret not in str(row.envelope)
    assert secret not in f"{opened[0]}{opened[0]!r}{row}"
    row.name = "elsewhere"
    with pytest.raises(PermanentError, match="does not belong"):
        row.unseal()


def test_it_runs_again_and_again_in_one_process(telegram: OutsideTelegram, crawler: Crawlers) -> None:
    telegram.post("sample", "words")
    for _ in range(3):
        assert len(fetched(client(crawler))) == 1
