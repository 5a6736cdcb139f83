"""Dead letters sent back through the outbox: whole posts, bodies of the stage's size, nothing that blocks others."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from tests.factories import command, crawler_message, ocr_result
from tradebot.contracts.messages import Message, to_wire
from tradebot.messaging import services
from tradebot.messaging.models import DeadLetter, OutboxMessage
from workers import publisher, relay, topology

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[publisher.Parcel]:
    """What would have gone to the broker."""
    found: list[publisher.Parcel] = []
    monkeypatch.setattr(publisher, "send", found.extend)
    return found


def letter(stage: str, *items: Message | Any, queue: str | None = None) -> UUID:
    """A dead letter of a stage, on record."""
    spec = topology.STAGES.get(stage)
    letter_id = uuid4()
    services.record_dead_letter(
        letter_id=letter_id,
        stage=stage,
        queue=queue if queue is not None else (spec.queue_name if spec else ""),
        task=f"tradebot.{stage}",
        reason="synthetic",
        items=[to_wire(item) if isinstance(item, Message) else item for item in items],
        attempts=1,
        dead_at=datetime.now(UTC),
    )
    return letter_id


def drain() -> None:
    while relay.drain():
        pass


def test_retried_commands_go_back_one_at_a_time(sent: list[publisher.Parcel]) -> None:
    services.retry_dead_letters([letter("execute", command()) for _ in range(5)])

    drain()

    assert [(parcel.key, len(parcel.items)) for parcel in sent] == [("now.execute", 1)] * 5


def test_retried_posts_go_back_in_bodies_of_the_stages_size(sent: list[publisher.Parcel]) -> None:
    spec = topology.STAGES["clean"]
    large = [letter("clean", crawler_message(data="x" * 99_000)) for _ in range(30)]
    small = [letter("clean", *(crawler_message() for _ in range(40))) for _ in range(3)]
    services.retry_dead_letters([*large, *small])

    drain()

    assert sum(len(parcel.items) for parcel in sent) == 150
    assert max(len(parcel.items) for parcel in sent) <= spec.batch
    assert max(len(msgspec.json.encode(parcel.items)) for parcel in sent) <= spec.max_bytes + 1_000


@pytest.mark.parametrize("rows", [1, 5])
def test_the_pictures_of_a_retried_post_stay_together(
    sent: list[publisher.Parcel], monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(relay, "BATCH", rows)
    posts = [[ocr_result(post_id=f"post-{post}", index=place, count=4) for place in range(4)] for post in range(30)]
    services.retry_dead_letters([letter("features_of_images", *pictures) for pictures in posts[:20]])
    services.retry_dead_letters([letter("features_of_images", *(p for pictures in posts[20:] for p in pictures))])

    drain()

    counts = [Counter(item["post_id"] for item in parcel.items) for parcel in sent]
    assert sum(map(len, counts)) == 30
    assert {number for count in counts for number in count.values()} == {4}


@pytest.mark.parametrize(
    ("stage", "items", "queue"),
    [
        ("tradebot.crawl", ["my-feed"], ""),
        ("clean", ["text"], "clean"),
        ("clean", [], "clean"),
        ("unreadable", [{"body": "?"}], ""),
    ],
    ids=["another task", "no messages", "nothing", "unreadable"],
)
def test_what_came_from_no_stage_can_not_be_retried_and_says_so(stage: str, items: list[Any], queue: str) -> None:
    odd, good = letter(stage, *items, queue=queue), letter("clean", crawler_message())

    done = services.retry_dead_letters([odd, good])

    assert done.sent == 1
    [reason] = done.refused
    assert str(odd) in reason
    assert "can't be sent back" in reason
    assert DeadLetter.objects.get(pk=odd).state == "open"
    assert OutboxMessage.objects.count() == 1


@pytest.mark.parametrize(
    "row",
    [
        {"kind": "dead_letter", "payload": "my-feed"},
        {"kind": "NoSuchMessage", "payload": {}},
        {"kind": "CrawlerMessage", "payload": {"id": 5}},
        {"kind": "Near", "payload": {"coin": "BTC", "similarity": 1.0}},
        {"kind": "dead_letter", "payload": [{}], "queue": "clean", "task": "tradebot.of_another_version"},
        {"kind": "dead_letter", "payload": ["text"], "queue": "clean", "task": "tradebot.clean"},
    ],
)
def test_an_unreadable_row_of_the_outbox_is_set_aside_and_the_rest_goes_out(
    sent: list[publisher.Parcel], row: dict[str, Any]
) -> None:
    OutboxMessage.objects.create(**row)
    services.enqueue([crawler_message(data="after it")])

    drain()

    assert [item["data"] for parcel in sent for item in parcel.items] == ["after it"]
    assert not OutboxMessage.objects.exists()
    aside = DeadLetter.objects.get()
    assert (aside.stage, aside.queue) == ("outbox", "")
    assert aside.reason.startswith("the outbox could not read it: ")
    assert services.retry_dead_letters([aside.pk]).sent == 0


@pytest.mark.parametrize(
    ("item", "kept"),
    [
        ({"data": "a\x00b", "author": 5}, {"data": "a\\u0000b", "author": 5}),
        ({"a\ud800": ["\udfff"]}, {"a\\ud800": ["\\udfff"]}),
        ({"similarity": float("nan"), "weight": float("-inf")}, {"similarity": "nan", "weight": "-inf"}),
    ],
)
def test_a_dead_letter_holds_what_jsonb_can_not(item: dict[str, Any], kept: dict[str, Any]) -> None:
    assert DeadLetter.objects.get(pk=letter("clean", item)).items == [kept]


def test_a_long_or_broken_root_is_cut_and_not_fatal() -> None:
    found = DeadLetter.objects.get(pk=letter("clean", {"root_id": "r\x00" + "o" * 5_000}))

    assert found.root_ids == [("r\\u0000" + "o" * 5_000)[:200]]


# --- who may ---------------------------------------------------------------------------------------------------------


def _operator(client: Client, *permissions: str) -> None:
    user = User.objects.create_user("operator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)


def _settle(client: Client, action: str, letter_id: UUID) -> str:
    address = reverse("admin:messaging_deadletter_changelist")
    answer = client.post(address, {"action": action, "_selected_action": [str(letter_id)]}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("action", ["retry", "drop"])
def test_who_may_only_look_settles_nothing(client: Client, action: str) -> None:
    _operator(client, "view_deadletter")
    found = letter("clean", crawler_message())

    _settle(client, action, found)

    assert DeadLetter.objects.get(pk=found).state == "open"


@pytest.mark.parametrize(("action", "state"), [("retry", "retried"), ("drop", "dropped")])
def test_who_may_change_dead_letters_settles_them(client: Client, action: str, state: str) -> None:
    _operator(client, "view_deadletter", "change_deadletter")
    found = letter("clean", crawler_message())

    _settle(client, action, found)

    assert DeadLetter.objects.get(pk=found).state == state


def test_an_operator_reads_why_a_letter_can_not_go_back(client: Client) -> None:
    _operator(client, "view_deadletter", "change_deadletter")

    assert "be sent back" in _settle(client, "retry", letter("tradebot.crawl", "my-feed"))
