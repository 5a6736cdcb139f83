"""The graph: every message has a place to go, and the public routing keys are those of the contract."""

from __future__ import annotations

import pytest

from tests.factories import clean_post, command, crawler_message, ocr_result, signal
from tradebot.contracts.messages import Message
from tradebot.contracts.values import Action, Direction
from workers import topology


@pytest.mark.parametrize(
    ("message", "exchange", "key", "task"),
    [
        (crawler_message(source="telegram", type="image"), "crawler_data", "telegram.image", "tradebot.clean"),
        (crawler_message(source="push:1f.2 x"), "crawler_data", "push:1f_2_x.text", "tradebot.clean"),
        (clean_post(), "pipeline", "post.text", "tradebot.features"),
        (clean_post(media_urls=["https://pictures.example/1.png"]), "pipeline", "post.media", "tradebot.ocr"),
        (ocr_result(language="zh"), "ocr_results", "twitter.zh", "tradebot.features_of_images"),
        (signal(), "analysis_signals", "bullish.BTC", "tradebot.dispatch"),
        (signal(coins=["BTC", "ETH"]), "analysis_signals", "bullish.multi", "tradebot.dispatch"),
        (command(action=Action.SELL), "trade_commands", "paper.sell", "tradebot.execute"),
    ],
)
def test_every_message_has_its_exchange_key_and_task(message: Message, exchange: str, key: str, task: str) -> None:
    route = topology.route([message])

    assert (route.exchange, route.key, route.task) == (exchange, key, task)


def test_only_a_neutral_signal_may_go_unheard() -> None:
    heard = {direction: topology.route([signal(type=direction)]).heard for direction in Direction}

    assert heard == {Direction.BULLISH: True, Direction.BEARISH: True, Direction.NEUTRAL: False}


def test_every_queue_is_taken_by_exactly_one_worker_group() -> None:
    taken = [queue for group in topology.WORKERS.values() for queue in group.queues]

    assert sorted(taken) == sorted(topology.QUEUES)


def test_a_queue_that_another_machine_takes_is_left_to_it() -> None:
    groups = topology.workers_here(["analyze", "features"])

    assert groups["pipeline"].queues == ("clean", "dispatch")
    assert "models" not in groups
    assert topology.workers_here([]) == topology.WORKERS
    with pytest.raises(ValueError, match=r"'analyse' is no queue; there are .*analyze"):
        topology.workers_here(["analyse"])


def test_models_and_ocr_sit_on_queues_of_their_own() -> None:
    assert topology.WORKERS["ocr"].queues == ("ocr",)
    assert topology.WORKERS["models"].queues == ("features",)


def test_images_of_one_post_are_one_unit_and_posts_keep_their_order() -> None:
    first, second = ocr_result(post_id="a"), ocr_result(post_id="b")
    third = ocr_result(post_id="a", index=1)

    assert topology.units([first, second, third]) == [[first, third], [second]]


def test_a_message_without_a_route_is_a_mistake_in_the_code() -> None:
    with pytest.raises(TypeError, match="no route"):
        topology.route([Message(id="1", root_id="1", seen_at=crawler_message().seen_at)])


def test_every_stage_ends_before_the_broker_takes_its_message_back() -> None:
    for stage in topology.STAGES.values():
        assert stage.soft_limit < stage.hard_limit < 900, stage.name
