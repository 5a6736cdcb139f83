"""Events for Flower: collected for a moment, sent once, and never held back for good."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import MagicMock

import pytest
from celery.worker.consumer import Consumer as CeleryConsumer

from tradebot.celery import app
from workers.consumer import COLLECT_SECONDS, Consumer


class Hub:
    """Keeps what is to be called later, until a test lets the time pass."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        assert delay == COLLECT_SECONDS
        self.due.append(callback)

    def time_passes(self) -> None:
        while self.due:
            self.due.pop()()


@pytest.fixture
def consumer() -> Consumer:
    made = Consumer.__new__(Consumer)
    made.hub, made.event_dispatcher, made.controller = Hub(), MagicMock(), None
    made.task_buckets = {}
    made.timer = None
    return made


def test_events_of_one_moment_are_sent_together(consumer: Consumer) -> None:
    for _ in range(15):
        consumer.on_send_event_buffered()
    consumer.event_dispatcher.flush.assert_not_called()
    consumer.hub.time_passes()
    consumer.event_dispatcher.flush.assert_called_once_with()


def test_the_next_event_is_sent_in_its_own_time(consumer: Consumer) -> None:
    for sent in (1, 2):
        consumer.on_send_event_buffered()
        consumer.hub.time_passes()
        assert consumer.event_dispatcher.flush.call_count == sent


def test_a_connection_that_broke_meanwhile_stops_no_later_event(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CeleryConsumer, "on_close", lambda self: self.hub.due.clear())
    consumer.on_send_event_buffered()
    consumer.on_close()
    consumer.on_send_event_buffered()
    consumer.hub.time_passes()
    consumer.event_dispatcher.flush.assert_called_once_with()


def test_what_was_collected_is_told_before_the_worker_stops(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_at_stop = []
    monkeypatch.setattr(CeleryConsumer, "stop", lambda self: told_at_stop.append(self.event_dispatcher.flush.called))
    consumer.on_send_event_buffered()
    consumer.stop()
    assert told_at_stop == [True]


def test_celery_is_told_to_use_it() -> None:
    assert app.conf.worker_consumer == "workers.consumer:Consumer"
