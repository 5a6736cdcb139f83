"""Pushing posts: who may speak as whom, what is refused and why; reading them: who sees what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from rest_framework.test import APIClient

from apps.sources import services
from apps.sources.domain.identity import post_id
from tests.factories import crawler_message
from tradebot.contracts.messages import CrawlerMessage, from_wire
from tradebot.messaging.models import OutboxMessage

pytestmark = pytest.mark.django_db

URL = "/api/v1/posts"
ITEM: dict[str, Any] = {
    "source": "twitter",
    "type": "text",
    "data": "A sample post",
    "timestamp": "2023-07-01T14:30:00Z",
    "id": "1001",
    "author": "sample_author",
}


@dataclass
class Token:
    scopes: list[str] = field(default_factory=list)


@pytest.fixture
def user() -> Any:
    return get_user_model().objects.create_user("sample")


@pytest.fixture
def trader(user: Any) -> APIClient:
    return client(user)


@pytest.fixture
def operator(user: Any) -> APIClient:
    return client(user, "ingest")


def client(user: Any, *scopes: str) -> APIClient:
    made = APIClient()
    made.force_authenticate(user, Token(list(scopes)))
    return made


def queued() -> list[CrawlerMessage]:
    return [from_wire(CrawlerMessage, row.payload) for row in OutboxMessage.objects.order_by("id")]


def errors(response: Any) -> dict[str, str]:
    return {problem["field"]: problem["reason"] for problem in response.json()["errors"]}


def test_an_operators_post_speaks_for_its_source(operator: APIClient) -> None:
    response = operator.post(URL, ITEM, format="json")

    [message] = queued()
    assert response.status_code == 202
    assert response.json() == {"results": [{"id": str(post_id(message)), "root_id": message.root_id}]}
    assert (message.source, message.author) == ("twitter", "sample_author")


def test_anybody_elses_post_is_their_own(trader: APIClient, user: Any) -> None:
    assert trader.post(URL, ITEM, format="json").status_code == 202

    [message] = queued()
    assert message.source == f"push:{user.pk}"
    assert services.record_posts([message])[0].post.owner_id == user.pk


@pytest.mark.parametrize("scopes", [(), ("ingest",)])
def test_without_a_source_it_is_a_post_of_ones_own(user: Any, scopes: tuple[str, ...]) -> None:
    item = {key: value for key, value in ITEM.items() if key != "source"}

    assert client(user, *scopes).post(URL, item, format="json").status_code == 202
    assert queued()[0].source == f"push:{user.pk}"


def test_nobody_pushes_in_another_users_name(operator: APIClient) -> None:
    response = operator.post(URL, {**ITEM, "source": "push:00000000-0000-4000-8000-000000000001"}, format="json")

    assert response.status_code == 400
    assert "source" in errors(response)


def test_a_list_is_taken_in_order(operator: APIClient) -> None:
    response = operator.post(URL, [{**ITEM, "id": str(number)} for number in range(50)], format="json")

    assert response.status_code == 202
    assert [message.id for message in queued()] == [str(number) for number in range(50)]
    assert len({result["root_id"] for result in response.json()["results"]}) == 50


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"source": "myspace"}, "source"),
        ({"data": "x" * 5_000_000}, "data"),
        ({"data": None}, "data"),
        ({"timestamp": "2023-07-01T14:30:00"}, "timestamp"),
        ({"type": "image"}, "media_urls"),
        ({"media_urls": ["http://169.254.169.254/latest"]}, "media_urls[0]"),
        ({"media_urls": ["file:///etc/passwd"]}, "media_urls[0]"),
        ({"media_urls": ["media:" + "0" * 64]}, "media_urls[0]"),
        ({"id": 5}, "id"),
        ({"author": "nul\x00"}, "author"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_kept(trader: APIClient, change: dict[str, Any], name: str) -> None:
    response = trader.post(URL, {**ITEM, **change}, format="json")

    assert response.status_code == 400
    assert list(errors(response)) == [name]
    assert queued() == []


def test_in_a_list_the_place_is_named_and_nothing_is_kept(trader: APIClient) -> None:
    response = trader.post(URL, [ITEM, {**ITEM, "type": "gif"}, "words", {**ITEM, "id": ""}], format="json")

    assert response.status_code == 400
    assert set(errors(response)) == {"1.type", "2", "3.id"}
    assert queued() == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"5", b"null", b'"words"', b"[]", b"[" * 100_000])
def test_what_is_no_post_is_400(trader: APIClient, body: bytes) -> None:
    assert trader.post(URL, body, content_type="application/json").status_code == 400


def test_more_than_fifty_posts_are_too_many(trader: APIClient) -> None:
    assert trader.post(URL, [ITEM] * 51, format="json").status_code == 400


def test_a_body_without_end_is_413(trader: APIClient) -> None:
    assert trader.post(URL, {**ITEM, "data": "x" * 9_000_000}, format="json").status_code == 413


def test_nobody_unknown_pushes_or_reads() -> None:
    stranger = APIClient()

    assert stranger.post(URL, ITEM, format="json").status_code == 401
    assert stranger.get(URL).status_code == 401


def test_a_user_reads_public_posts_and_their_own_newest_first(trader: APIClient, user: Any) -> None:
    other = get_user_model().objects.create_user("other")
    messages = [
        crawler_message(),
        crawler_message(source=f"push:{user.pk}"),
        crawler_message(source=f"push:{other.pk}"),
    ]
    public, own, foreign = (entry.post.id for entry in services.record_posts(messages))

    body = trader.get(URL).json()

    assert [UUID(row["id"]) for row in body["results"]] == [own, public]
    assert body["next"] is None
    assert trader.get(f"{URL}/{own}").json()["text"] == messages[1].data
    assert trader.get(f"{URL}/{foreign}").status_code == 404


def test_a_long_list_comes_in_pages(trader: APIClient) -> None:
    services.record_posts([crawler_message() for _ in range(60)])

    first = trader.get(URL).json()
    second = trader.get(first["next"]).json()

    ids = [row["id"] for row in first["results"] + second["results"]]
    assert len(set(ids)) == len(ids) == 60
    assert second["next"] is None
