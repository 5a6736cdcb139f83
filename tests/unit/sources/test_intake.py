"""Outside items: what is read, and which field is named when it is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.sources.domain.intake import TEXT_LIMIT, is_local, read_crawler_message, read_line
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.messages import CrawlerMessage

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ITEM: dict[str, Any] = {
    "source": "twitter",
    "type": "text",
    "data": "A sample post",
    "timestamp": "2023-07-01T14:30:00Z",
    "id": "1001",
    "author": "sample_author",
}


def read(*, trust: bool = False, **changes: Any) -> CrawlerMessage:
    return read_crawler_message({**ITEM, **changes}, allowed_sources={"twitter", "rss"}, now=NOW, trust=trust)


def refused(*, trust: bool = False, **changes: Any) -> InvalidField:
    with pytest.raises(InvalidField) as caught:
        read(trust=trust, **changes)
    return caught.value


def test_a_plain_item_becomes_a_new_sighting() -> None:
    first, second = read(), read()

    assert (first.id, first.source, first.data, first.seen_at) == ("1001", "twitter", "A sample post", NOW)
    assert first.timestamp == datetime(2023, 7, 1, 14, 30, tzinfo=UTC)
    assert first.root_id != second.root_id


def test_what_is_not_the_senders_to_say_is_ignored() -> None:
    message = read(root_id="mine", seen_at="1999-01-01T00:00:00Z", stages={"x": []}, v=9, parent_id=7, bogus=[])

    assert message.root_id != "mine"
    assert (message.seen_at, message.stages, message.v, message.parent_id) == (NOW, {}, 1, None)


@pytest.mark.parametrize("field", sorted(ITEM))
def test_a_missing_field_is_named(field: str) -> None:
    error = refused(**{field: None})

    assert (error.field, error.reason) == (field, "is missing")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("source", "myspace"),
        ("source", 5),
        ("source", "x" * 500),
        ("type", "gif"),
        ("type", 1),
        ("data", ["text"]),
        ("data", "  \n "),
        ("data", "x" * 5_000_000),
        ("data", "字" * (TEXT_LIMIT // 2)),
        ("timestamp", "yesterday"),
        ("timestamp", 1688221800),
        ("timestamp", "2023-07-01T14:30:00"),
        ("timestamp", "2023-07-01"),
        ("timestamp", "0001-01-01T00:00:00+14:00"),
        ("timestamp", "9999-12-31T23:59:59-14:00"),
        ("id", 1001),
        ("id", ""),
        ("id", "   "),
        ("id", "x" * 201),
        ("id", "nul\x00"),
        ("author", {"name": "x"}),
        ("author", "line\nbreak"),
        ("author", "half \ud83d"),
        ("channel", "x" * 201),
        ("channel", 5),
        ("revision", -1),
        ("revision", "1"),
        ("revision", True),
        ("revision", 2**63),
        ("url", "javascript:alert(1)"),
        ("url", "https://a.example/" + "x" * 2000),
        ("media_urls", "https://a.example/1.png"),
        ("media_urls", ["https://a.example/1.png"] * 11),
    ],
)
def test_a_wrong_value_is_named(field: str, value: Any) -> None:
    assert refused(**{field: value}).field == field


@pytest.mark.parametrize(
    "url",
    [
        5,
        "",
        "picture.png",
        "file:///etc/passwd",
        "media:" + "0" * 64,
        "http://127.0.0.1/a.png",
        "http://0x7f.1/a.png",
        "http://[::ffff:10.0.0.1]/a.png",
        "http://169.254.169.254/latest",
        "http://user:pass@a.example/a.png",
        "https://a.example:8443/a.png",
        "https://a.example/" + "x" * 2000,
    ],
)
def test_a_wrong_media_url_is_named_with_its_place(url: Any) -> None:
    assert refused(media_urls=["https://a.example/1.png", url]).field == "media_urls[1]"


@pytest.mark.parametrize("kind", ["image", "video"])
def test_an_image_or_video_without_media_is_refused(kind: str) -> None:
    assert refused(type=kind).field == "media_urls"


def test_an_image_may_have_no_words() -> None:
    message = read(type="image", data="", media_urls=["https://a.example/1.png"])

    assert (message.data, message.media_urls) == ("", ["https://a.example/1.png"])


def test_an_unknown_source_is_told_the_known_ones() -> None:
    assert "rss, twitter" in refused(source="myspace").reason


def test_only_an_operators_file_may_name_local_pictures() -> None:
    message = read(trust=True, media_urls=["pictures/a.png", "file:b.png", "media:" + "0" * 64])

    assert all(map(is_local, message.media_urls))
    assert refused(trust=True, media_urls=["http://127.0.0.1/a.png"]).field == "media_urls[0]"


def test_what_a_database_cannot_hold_is_taken_out_of_the_text() -> None:
    assert read(data="nul\x00 and half \ud83d").data == "nul and half "


@pytest.mark.parametrize(
    "line",
    [b'{"a":', b"[1]", b"\xff\xfe", b'"text"', b"5", b"null", b"true", b"[" * 100_000, b"", b'{"a": "\\ud800"}'],
)
def test_a_line_that_is_no_object_is_an_error_on_the_line(line: bytes) -> None:
    with pytest.raises(InvalidField) as caught:
        read_line(line)

    assert caught.value.field == "line"


def test_a_line_is_read_as_it_stands() -> None:
    assert read_line('{"data": "字 🚀"}\n'.encode()) == {"data": "字 🚀"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@given(st.dictionaries(st.sampled_from([*ITEM, "media_urls", "url", "revision", "channel"]), JSON))
def test_whatever_comes_is_read_or_refused_with_a_field(changes: dict[str, Any]) -> None:
    outcome = outcome_of({**ITEM, **changes})

    assert isinstance(outcome, CrawlerMessage) or outcome.field


def outcome_of(item: dict[str, Any]) -> CrawlerMessage | InvalidField:
    try:
        return read_crawler_message(item, allowed_sources={"twitter"}, now=NOW)
    except InvalidField as error:
        return error
