"""Pages of t.me/s: what is read in them, and what is said when they are built otherwise."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from apps.sources.adapters.telegram.page import Page, read_page
from apps.sources.adapters.telegram.posts import Shown
from tradebot.contracts.errors import PermanentError, TransientError

BASE = "https://t.me/s/sample_signals"
SAMPLE = (Path(__file__).parents[3] / "outside/telegram/recordings/sample_channel.html").read_bytes()
SHARED = Path(os.environ.get("TRADEBOT_SHARED_DATA", "../shared/data")) / "crawl/telegram_tme_s/durov_excerpt.html"


@pytest.fixture(scope="module")
def page() -> Page:
    return read_page(SAMPLE, "sample_signals", BASE)


def post(page: Page, post_id: int) -> Shown:
    return next(shown for shown in page.posts if shown.id == post_id)


def test_every_post_is_there_by_rising_id(page: Page) -> None:
    assert [shown.id for shown in page.posts] == [101, 102, 103, 104, 108, 109, 110, 112, 113, 114]
    assert (page.number, page.notes) == (-1000000777, ())


def test_words_keep_their_line_breaks_and_emoji(page: Page) -> None:
    assert post(page, 102).text == (
        "🚀 BTC leaves its range.\n\nTarget: 70'000 & more #btc the report\n"
        "first line\nsecond line\nafter hidden\na  b\nc"
    )


def test_a_changed_target_of_a_link_is_a_changed_post(page: Page) -> None:
    changed = read_page(SAMPLE.replace(b"example.com/report", b"example.com/other"), "sample_signals", BASE)
    assert post(changed, 102).text == post(page, 102).text
    assert post(changed, 102).digest != post(page, 102).digest


def test_times_are_utc(page: Page) -> None:
    assert post(page, 103).at == datetime(2026, 7, 30, 10, 2, tzinfo=UTC)


def test_quoted_words_are_not_the_posts(page: Page) -> None:
    assert post(page, 103).text == "An answer of ours"
    assert post(page, 114).text == "Said once, nested twice: https://example.org/news"
    assert post(page, 114).pictures == ()


def test_the_mark_of_an_edit_is_no_part_of_a_name(page: Page) -> None:
    assert not post(page, 103).edited
    assert post(page, 104).edited


def test_an_album_is_one_post_with_all_its_pictures(page: Page) -> None:
    album = post(page, 104)
    assert album.members == (104, 105, 106)
    assert album.pictures == (
        "https://cdn4.telesco.pe/file/5429460311875460104-token.jpg",
        "https://cdn4.telesco.pe/file/5429460311875460105-token.jpg",
    )
    assert album.thumbnails == ("https://cdn4.telesco.pe/file/106-thumb.jpg",)


def test_a_new_address_of_the_same_picture_changes_nothing(page: Page) -> None:
    again = read_page(SAMPLE.replace(b"-token.jpg", b"-other.jpg").replace(b"1.2K", b"9.9M"), "sample_signals", BASE)
    assert [shown.digest for shown in again.posts] == [shown.digest for shown in page.posts]


def test_forwarded_words_are_their_writers(page: Page) -> None:
    assert [post(page, number).author for number in (102, 108, 109)] == [
        "sample_signals",
        "other_channel",
        "Ada Sample",
    ]


def test_a_poll_says_its_question_and_options(page: Page) -> None:
    assert post(page, 112).text == "Up or down?\nUp\nDown"


def test_service_messages_and_stickers_are_seen_but_not_read(page: Page) -> None:
    assert [shown.id for shown in page.posts if not shown.readable] == [101, 113]


@pytest.mark.parametrize("share", [0.2, 0.5, 0.99])
def test_half_a_page_is_no_page(share: float) -> None:
    with pytest.raises(TransientError, match="breaks off"):
        read_page(SAMPLE[: int(len(SAMPLE) * share)], "sample_signals", BASE)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("js-message_history", "history", "no message list"),
        ('data-post="', 'data-item="', "can't be told apart"),
        ('data-post="sample_signals/', 'data-post="sample_signals-', "is named"),
        ("<time datetime=", "<time moment=", "no post has a date"),
        ("js-message_text", "words", "neither words nor pictures"),
    ],
)
def test_changed_markup_is_said(old: str, new: str, reason: str) -> None:
    body = SAMPLE.decode().replace("tgme_channel_history ", "").replace(old, new)
    if old == "js-message_text":
        body = body.replace("tgme_widget_message_text", "tgme_words").replace("_photo_wrap", "_picture")
        body = body.replace("video_player", "film").replace("message_poll", "vote").replace("_video", "_film")
    with pytest.raises(PermanentError, match=reason):
        read_page(body.encode(), "sample_signals", BASE)


def test_posts_of_another_channel_are_never_taken() -> None:
    with pytest.raises(PermanentError, match="shows posts of @sample_signals, not of @other"):
        read_page(SAMPLE, "other", BASE)
    mixed = SAMPLE.replace(b'data-post="sample_signals/109"', b'data-post="stranger/109"')
    with pytest.raises(PermanentError, match="shows posts of @stranger"):
        read_page(mixed, "sample_signals", BASE)


def test_a_post_without_a_date_is_left_out_and_told() -> None:
    body = SAMPLE.replace(b'<time datetime="2026-07-30T12:06:00+00:00"', b'<time datetime="noon"')
    page = read_page(body, "sample_signals", BASE)
    assert 109 not in {shown.id for shown in page.posts}
    assert page.notes == ("1 posts have no date",)


@pytest.mark.parametrize(
    "body", [b"", b"</html>", b"\x00" * 100 + b"</html>", b"<html>" + b"<div>" * 5000 + b"</html>"]
)
def test_what_is_no_such_page_is_refused(body: bytes) -> None:
    with pytest.raises((PermanentError, TransientError)):
        read_page(body, "sample_signals", BASE)


@pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not here: set TRADEBOT_SHARED_DATA")
def test_the_recorded_page_is_read() -> None:
    page = read_page(SHARED.read_bytes(), "durov", "https://t.me/s/durov")
    first, second = page.posts
    assert (first.id, first.edited, first.at) == (535, True, datetime(2026, 7, 30, 16, 52, 37, tzinfo=UTC))
    assert first.text.startswith("💣 Russia has designated me")
    assert "\n\nUnder Russian law" in first.text
    assert first.text.endswith("😌")
    assert (second.id, second.text, second.edited) == (536, "🇦🇫", False)
    assert [url.partition("/file/")[0] for url in second.pictures] == ["https://cdn4.telesco.pe"]
    assert page.number == -1006503122
