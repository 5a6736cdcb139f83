"""The harness on a real RabbitMQ: nothing is lost, one bad item takes nobody along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from celery.exceptions import Reject

from tests.factories import clean_post, crawler_message, ocr_result, signal
from tests.workers.conftest import Broker
from tradebot.contracts.errors import PermanentError, TransientError
from tradebot.contracts.messages import CleanPost, CrawlerMessage, Message, to_wire
from tradebot.contracts.values import Direction
from workers import publisher, topology
from workers.stage import Delivery, Harness

FIRST = Delivery(attempt=0, redelivered=False)


class Handler:
    """Turns each post into a clean one; refuses texts that name an error."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def __call__(self, batch: list[CrawlerMessage]) -> Sequence[Message]:
        self.batches.append([message.data for message in batch])
        for message in batch:
            if message.data == "poison":
                raise PermanentError("data: is poison")
            if message.data == "bug":
                raise ValueError("unexpected")
            if message.data == "busy":
                raise TransientError("database is away")
        return [_cleaned(message) for message in batch]


def _cleaned(message: CrawlerMessage) -> CleanPost:
    return clean_post(text=message.data, root_id=message.root_id, seen_at=message.seen_at, stages=message.stages)


def _receive(handler: Handler, texts: Sequence[str], delivery: Delivery = FIRST) -> list[dict[str, Any]]:
    items = [to_wire(crawler_message(data=text)) for text in texts]
    Harness(topology.STAGES["clean"], handler).receive(items, delivery)
    return items


def _texts(bodies: list[list[dict[str, Any]]]) -> list[list[str]]:
    return [[item.get("text", item.get("data")) for item in body] for body in bodies]


def test_a_batch_is_handled_once_and_its_answers_travel_as_one_body(broker: Broker) -> None:
    handler = Handler()

    _receive(handler, ["one", "two", "three"])

    assert handler.batches == [["one", "two", "three"]]
    assert _texts(broker.bodies("features")) == [["one", "two", "three"]]


def test_every_item_says_when_the_stage_had_it(broker: Broker) -> None:
    _receive(Handler(), ["one"])

    [[item]] = broker.bodies("features")
    start, end = item["stages"]["clean"]
    assert item["seen_at"] <= start <= end


def test_a_poison_item_stands_alone_and_the_rest_goes_on(broker: Broker) -> None:
    _receive(Handler(), ["a", "b", "poison", "c", "d"])

    passed = sorted(text for body in _texts(broker.bodies("features")) for text in body)
    assert passed == ["a", "b", "c", "d"]
    dead = broker.take("dead_letters")
    assert dead.headers["tradebot_reason"] == "data: is poison"
    assert [item["data"] for item in dead.payload[0][0]] == ["poison"]
    assert broker.take("dead_letters") is None


def test_an_item_with_a_wrong_field_is_buried_with_the_fields_name(broker: Broker) -> None:
    handler = Handler()
    good = to_wire(crawler_message(data="good"))
    broken = {**to_wire(crawler_message()), "data": 5}

    Harness(topology.STAGES["clean"], handler).receive([broken, good], FIRST)

    assert handler.batches == [["good"]]
    assert broker.take("dead_letters").headers["tradebot_reason"].startswith("data:")


def test_a_transient_failure_comes_back_later_with_its_attempt(broker: Broker) -> None:
    _receive(Handler(), ["busy", "fine"])

    assert broker.bodies("features") == []
    returned = _await(broker, "clean")
    assert returned.headers["tradebot_attempt"] == 1
    assert [item["data"] for item in returned.payload[0][0]] == ["busy", "fine"]


def _await(broker: Broker, queue: str) -> Any:
    """Consume until the broker pushes something."""
    got: list[Any] = []
    connection = broker.channel.connection.client
    with connection.Consumer(queues=[broker.queues[queue]], callbacks=[lambda _, message: got.append(message)]):
        while not got:
            connection.drain_events(timeout=10)
    got[0].ack()
    return got[0]


def test_an_unexpected_error_is_retried_alone(broker: Broker) -> None:
    _receive(Handler(), ["bug", "fine"])

    assert _texts(broker.bodies("features")) == [["fine"]]
    [parked] = _texts(broker.bodies("later.1"))
    assert parked == ["bug"]


def test_the_last_attempt_ends_in_the_dead_letters(broker: Broker) -> None:
    _receive(Handler(), ["busy"], Delivery(attempt=4, redelivered=False))

    assert broker.take("dead_letters").headers["tradebot_reason"].startswith("after 5 attempts: TransientError")


def test_a_redelivered_batch_comes_back_as_singles(broker: Broker) -> None:
    handler = Handler()

    _receive(handler, ["one", "two"], Delivery(attempt=0, redelivered=True))

    assert handler.batches == []
    assert _texts(broker.bodies("clean")) == [["one"], ["two"]]


def test_the_images_of_one_post_stay_together_when_a_batch_is_divided(broker: Broker) -> None:
    post_a = [ocr_result(post_id="a", index=index, count=2) for index in range(2)]
    post_b = [ocr_result(post_id="b", index=index, count=2) for index in range(2)]
    seen: list[list[str]] = []

    def handler(batch: list[Any]) -> list[Message]:
        seen.append([result.post_id for result in batch])
        if len({result.post_id for result in batch}) > 1:
            raise ValueError("one post at a time, please")
        return []

    items = [to_wire(result) for result in (*post_a, *post_b)]
    Harness(topology.STAGES["features_of_images"], handler).receive(items, FIRST)

    assert seen == [["a", "a", "b", "b"], ["a", "a"], ["b", "b"]]


def test_a_thousand_messages_leave_in_bodies_of_fifty(broker: Broker) -> None:
    publisher.publish(crawler_message() for _ in range(120))

    assert [len(body) for body in broker.bodies("clean")] == [50, 50, 20]


def test_a_body_is_cut_at_its_byte_limit(broker: Broker) -> None:
    publisher.publish(crawler_message(data="x" * 90_000) for _ in range(20))

    assert max(len(body) for body in broker.bodies("clean")) <= 11


def test_a_signal_nobody_trades_on_needs_no_listener_but_a_bullish_one_does(broker: Broker) -> None:
    publisher.publish([signal(type=Direction.NEUTRAL), signal(type=Direction.BULLISH)])

    assert len(broker.bodies("dispatch")) == 1


def test_publishing_where_no_queue_listens_is_an_error(broker: Broker) -> None:
    with pytest.raises(publisher.NotConfirmed, match="NotConfirmed"):
        publisher.send([publisher.Parcel("pipeline", "nowhere", "tradebot.none", [{}])])


def test_what_the_broker_does_not_confirm_is_not_acked(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(messages: object) -> None:
        list(messages)  # type: ignore[call-overload]
        raise publisher.NotConfirmed("away")

    monkeypatch.setattr(publisher, "publish", refuse)

    with pytest.raises(Reject) as raised:
        _receive(Handler(), ["one"])
    assert raised.value.requeue
