"""Outbox and dead letters on a real broker and a real database."""

from __future__ import annotations

import pytest
from django.db import transaction
from kombu import Connection

from tests.factories import crawler_message
from tests.workers.conftest import Broker
from tradebot.contracts.messages import to_wire
from tradebot.messaging import selectors, services
from tradebot.messaging.models import OutboxMessage
from workers import publisher, relay, topology
from workers.housekeeping import collect_dead_letters
from workers.stage import Delivery, Harness

pytestmark = pytest.mark.django_db


def test_what_was_enqueued_is_published_once_and_then_gone(broker: Broker) -> None:
    services.enqueue([crawler_message(data="one"), crawler_message(data="two")])

    assert relay.drain() == 2
    assert relay.drain() == 0
    assert [[item["data"] for item in body] for body in broker.bodies("clean")] == [["one", "two"]]


def test_a_rolled_back_transaction_publishes_nothing(broker: Broker) -> None:
    with transaction.atomic():
        services.enqueue([crawler_message()])
        transaction.set_rollback(True)

    assert relay.drain() == 0


def test_a_broker_that_does_not_confirm_leaves_the_outbox_full(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    services.enqueue([crawler_message()])

    def refuse(parcels: object) -> None:
        raise publisher.NotConfirmed("away")

    monkeypatch.setattr(publisher, "send", refuse)

    with pytest.raises(publisher.NotConfirmed):
        relay.drain()
    assert OutboxMessage.objects.count() == 1


def _bury(broker: Broker) -> str:
    """One broken item through the clean stage; returns its root."""
    broken = {**to_wire(crawler_message()), "data": 5}
    Harness(topology.STAGES["clean"], lambda batch: []).receive([broken], Delivery(0, redelivered=False))
    return str(broken["root_id"])


def test_a_dead_letter_is_collected_once_with_its_reason(broker: Broker) -> None:
    root = _bury(broker)

    assert collect_dead_letters() == 1
    assert collect_dead_letters() == 0
    [letter] = selectors.dead_letters()
    assert (letter.stage, letter.state) == ("clean", "open")
    assert letter.reason.startswith("data:")
    assert selectors.dead_roots([root, "another"]) == {root}


def test_a_retried_dead_letter_goes_back_to_its_stage(broker: Broker) -> None:
    _bury(broker)
    collect_dead_letters()
    [letter] = selectors.dead_letters()

    assert services.retry_dead_letters([letter.id]).sent == 1
    assert services.retry_dead_letters([letter.id]).sent == 0
    relay.drain()

    assert [[item["data"] for item in body] for body in broker.bodies("clean")] == [[5]]
    assert selectors.dead_letters() == []


def test_a_dropped_dead_letter_stays_on_record(broker: Broker) -> None:
    _bury(broker)
    collect_dead_letters()
    [letter] = selectors.dead_letters()

    assert services.drop_dead_letters([letter.id]) == 1
    assert [found.state for found in selectors.dead_letters(state=None)] == ["dropped"]


def test_a_letter_that_jsonb_can_not_hold_keeps_no_other_waiting(broker: Broker) -> None:
    odd = {**to_wire(crawler_message()), "data": "a\x00b", "author": 5}
    Harness(topology.STAGES["clean"], lambda batch: []).receive([odd], Delivery(0, redelivered=False))
    _bury(broker)

    assert collect_dead_letters() == 2
    assert {letter.items[0]["data"] for letter in selectors.dead_letters()} == {"a\\u0000b", 5}
    assert broker.take("dead_letters") is None


@pytest.mark.parametrize(
    "body",
    [b"{", b"[" * 100_000, b"[[" + b"9" * 5_000 + b"]]", b"5", b'{"a": 1}', b"\xff\x00"],
    ids=["half", "deep", "long number", "number", "object", "not utf-8"],
)
def test_a_letter_that_nobody_can_read_is_kept_as_text_and_keeps_no_other_waiting(broker: Broker, body: bytes) -> None:
    headers = {"id": "synthetic", "task": "tradebot.clean"}
    broker.channel.basic_publish(
        broker.channel.prepare_message(body, headers=headers, content_type="application/json"),
        exchange=topology.DEAD_LETTERS,
        routing_key="clean",
    )
    root = _bury(broker)

    assert collect_dead_letters() == 2
    assert selectors.dead_roots([root]) == {root}
    [unreadable] = selectors.dead_letters(stage="unreadable")
    assert unreadable.items[0]["body"]
    assert broker.take("dead_letters") is None


def test_a_failed_task_of_beat_is_no_dead_letter(broker: Broker) -> None:
    publisher.send([publisher.Parcel(topology.DEAD_LETTERS, "crawl", "tradebot.crawl", ["my-feed"])])  # type: ignore[list-item]
    _bury(broker)

    assert collect_dead_letters() == 1
    assert [letter.stage for letter in selectors.dead_letters()] == ["clean"]
    assert broker.take("dead_letters") is None


def test_a_message_the_broker_gave_up_says_that_its_worker_died(broker: Broker, broker_connection: Connection) -> None:
    publisher.publish([crawler_message(data="killer")])

    for _ in range(topology.DELIVERY_LIMIT + 1):
        _take_and_die(broker_connection)

    assert collect_dead_letters() == 1
    [letter] = selectors.dead_letters()
    assert "worker died" in letter.reason
    assert letter.items[0]["data"] == "killer"


def _take_and_die(connection: Connection) -> None:
    """Receive the message and vanish without an answer, as a killed worker does."""
    import celeryconfig

    [clean] = [queue for queue in celeryconfig.task_queues if queue.name == "clean"]
    with connection.clone() as own:
        got: list[object] = []
        with own.Consumer(queues=[clean], callbacks=[lambda _, message: got.append(message)], accept=["json"]):
            while not got:
                own.drain_events(timeout=10)
