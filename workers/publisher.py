"""Publishing: groups messages by route, sends them, and waits once for the broker to confirm them all."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import msgspec
import structlog
from kombu import Connection
from kombu.exceptions import OperationalError

import celeryconfig
from tradebot.celery import app
from tradebot.contracts.errors import TransientError
from tradebot.contracts.messages import Message, to_wire
from workers import topology

log = structlog.get_logger(__name__)

CONFIRM_SECONDS = 30
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Parcel:
    """One AMQP body: the items of one task call and where it goes."""

    exchange: str
    key: str
    task: str
    items: list[dict[str, Any]]
    heard: bool = True
    headers: dict[str, Any] = field(default_factory=dict)


class NotConfirmed(TransientError):
    """The broker did not take (or did not confirm) what was published."""


def parcels(messages: Iterable[Message]) -> list[Parcel]:
    """Messages grouped by exchange, key and task, cut by the receiving stage's batch and byte limits."""
    groups: dict[topology.Route, list[list[dict[str, Any]]]] = {}
    for unit in topology.units(messages):
        groups.setdefault(topology.route(unit), []).append([to_wire(message) for message in unit])
    return [
        Parcel(route.exchange, route.key, route.task, chunk, route.heard)
        for route, wired in groups.items()
        for chunk in cut(wired, route.batch, route.max_bytes)
    ]


def cut(wired: Iterable[list[dict[str, Any]]], most: int, max_bytes: int) -> Iterator[list[dict[str, Any]]]:
    """Units put together to bodies of at most `most` items and about `max_bytes` bytes; no unit is ever divided."""
    chunk: list[dict[str, Any]] = []
    size = 0
    for unit in wired:
        weight = len(msgspec.json.encode(unit))
        if chunk and (len(chunk) + len(unit) > most or size + weight > max_bytes):
            yield chunk
            chunk, size = [], 0
        chunk = chunk + unit
        size += weight
    if chunk:
        yield chunk


def publish(messages: Iterable[Message]) -> None:
    """Publish and return once the broker has everything. Raises NotConfirmed (nothing may be acked then)."""
    send(parcels(messages))


def send(batch: Sequence[Parcel]) -> None:
    """Publish parcels on this thread's own channel, one confirm wait for all of them; reconnects a few times."""
    if not batch:
        return
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _channel().send(batch)
        except (NotConfirmed, OperationalError, *_Channel.broken) as error:
            _drop_channel()
            if attempt == ATTEMPTS:
                raise NotConfirmed(f"the broker did not confirm: {type(error).__name__}") from error
        else:
            return


def to_queue(queue: str, task: str, items: list[dict[str, Any]], **headers: Any) -> Parcel:
    """A parcel that reaches exactly one queue."""
    return Parcel("to_queue", f"now.{queue}", task, items, headers=headers)


class _Channel:
    """A connection of our own in confirm mode. Sending the same parcels twice is harmless: receivers know the rows."""

    broken: tuple[type[BaseException], ...] = ()

    def __init__(self) -> None:
        self.connection: Connection = app.connection_for_write()
        type(self).broken = (*self.connection.connection_errors, *self.connection.channel_errors)
        self.connection.ensure_connection(max_retries=3, interval_start=0.2, interval_step=0.5, timeout=20)
        self.channel = self.connection.channel()
        self.producer = app.amqp.Producer(self.channel, auto_declare=False)
        self._declare()
        self._pending: set[int] = set()
        self._refused: list[str] = []
        if celeryconfig.CONFIRMS:
            self._confirm()

    def _declare(self) -> None:
        for queue in (*celeryconfig.task_queues, *celeryconfig.own_queues):
            queue(self.channel).declare()

    def _confirm(self) -> None:
        self.channel.confirm_select()
        self._sent = 0
        self.channel.events["basic_ack"].add(self._acked)
        self.channel.events["basic_nack"].add(self._nacked)
        self.channel.events["basic_return"].add(self._returned)

    def send(self, batch: Sequence[Parcel]) -> None:
        self._pending.clear()
        self._refused.clear()
        for parcel in batch:
            self._publish(parcel)
        if celeryconfig.CONFIRMS:
            self._wait()

    def _publish(self, parcel: Parcel) -> None:
        roots = {item.get("root_id") for item in parcel.items if isinstance(item, dict)}
        message = app.amqp.create_task_message(
            str(uuid4()),
            parcel.task,
            args=(parcel.items,),
            root_id=roots.pop() if len(roots) == 1 else None,
            argsrepr=f"<{len(parcel.items)} items>",
        )
        message.headers.update(parcel.headers)
        if celeryconfig.CONFIRMS:
            self._sent += 1
            self._pending.add(self._sent)
        self.producer.publish(
            message.body,
            exchange=parcel.exchange,
            routing_key=parcel.key,
            serializer="json",
            headers=message.headers,
            mandatory=parcel.heard,
            delivery_mode=2,
            **message.properties,
        )

    def _wait(self) -> None:
        while self._pending:
            self.connection.drain_events(timeout=CONFIRM_SECONDS)
        if self._refused:
            raise NotConfirmed("; ".join(self._refused))

    def _acked(self, tag: int, multiple: bool) -> None:
        self._pending -= {pending for pending in self._pending if pending == tag or (multiple and pending <= tag)}

    def _nacked(self, tag: int, multiple: bool) -> None:
        self._acked(tag, multiple)
        self._refused.append(f"refused by the broker (tag {tag})")

    def _returned(self, error: object, exchange: str, key: str, message: object) -> None:
        self._refused.append(f"no queue takes {exchange} {key}")

    def close(self) -> None:
        self.connection.release()


_own = threading.local()


def _channel() -> _Channel:
    if not hasattr(_own, "channel"):
        _own.channel = _Channel()
    found: _Channel = _own.channel
    return found


def _drop_channel() -> None:
    channel: _Channel | None = _own.__dict__.pop("channel", None)
    if channel is not None:
        channel.close()
