"""When two sightings are the same post."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from apps.sources.domain.identity import channel_of, owner_of, post_id, story_id
from tradebot.contracts.messages import CrawlerMessage

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def message(**changes: Any) -> CrawlerMessage:
    fields: dict[str, Any] = {
        "id": "7",
        "root_id": "r",
        "seen_at": NOW,
        "source": "telegram",
        "type": "text",
        "data": "x",
        "timestamp": NOW,
        "author": "sample_channel",
    }
    return CrawlerMessage(**{**fields, **changes})


def test_the_text_and_the_sighting_do_not_matter() -> None:
    assert post_id(message()) == post_id(message(data="y", root_id="other", seen_at=NOW.replace(year=2031)))


@pytest.mark.parametrize("changes", [{"id": "8"}, {"source": "rss"}, {"author": "other"}, {"revision": 1}])
def test_id_source_channel_and_revision_matter(changes: dict[str, Any]) -> None:
    assert post_id(message()) != post_id(message(**changes))


def test_revisions_share_a_story() -> None:
    assert story_id(message()) == story_id(message(revision=3))


def test_a_tweet_is_the_same_whoever_is_named_as_its_author() -> None:
    tweet = message(source="twitter", author="one")

    assert channel_of(tweet) == ""
    assert post_id(tweet) == post_id(message(source="twitter", author="two", channel="list"))


def test_telegram_names_compare_without_at_and_case() -> None:
    assert post_id(message(channel="@Sample_Channel")) == post_id(message())


def test_only_a_pushed_post_has_an_owner() -> None:
    user = "00000000-0000-4000-8000-000000000001"

    assert owner_of(f"push:{user}") == user
    assert owner_of("twitter") is None
    with pytest.raises(ValueError, match="badly formed"):
        owner_of("push:nobody")
