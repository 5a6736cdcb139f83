"""A real broker under every test here: queues declared once, empty before each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection, Queue

import celeryconfig
from tradebot.celery import app


class Broker:
    """Looks into queues from outside, with a plain connection."""

    def __init__(self, connection: Connection) -> None:
        self.channel = connection.channel()
        self.queues: dict[str, Queue] = {
            queue.name: queue(self.channel) for queue in (*celeryconfig.task_queues, *celeryconfig.own_queues)
        }
        for queue in self.queues.values():
            queue.declare()

    def purge(self) -> None:
        for queue in self.queues.values():
            queue.purge()

    def take(self, name: str) -> Any:
        """The next message of a queue, acked, or None."""
        message = self.queues[name].get(accept=["json"])
        if message is not None:
            message.ack()
        return message

    def bodies(self, name: str) -> list[list[dict[str, Any]]]:
        """The item lists of everything in a queue."""
        found = []
        while (message := self.take(name)) is not None:
            found.append(message.payload[0][0])
        return found


@pytest.fixture(scope="session")
def broker_connection() -> Iterator[Connection]:
    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=3)
        yield connection


@pytest.fixture
def broker(broker_connection: Connection) -> Iterator[Broker]:
    found = Broker(broker_connection)
    found.purge()
    yield found
    found.purge()
