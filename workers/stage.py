"""The one harness around every stage: decode, trace, time, split, retry or dead-letter, publish, and ack last."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
import structlog
from celery import Task
from celery.exceptions import Reject
from prometheus_client import Counter, Histogram

import celeryconfig
from tradebot.celery import app
from tradebot.contracts.errors import PermanentError, TransientError
from tradebot.contracts.messages import Message, from_wire
from workers import publisher, topology

log = structlog.get_logger(__name__)

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
SECONDS = Histogram("tradebot_stage_seconds", "Seconds a stage worked on one batch.", ["stage"], buckets=BUCKETS)
ITEMS = Counter("tradebot_stage_items_total", "Items a stage was done with, by outcome.", ["stage", "outcome"])
DEAD = Counter("tradebot_dead_letters_total", "Items given up, by stage.", ["stage"])
LAG = Histogram(
    "tradebot_lag_seconds", "Seconds from the first sight of a post to the end of a stage.", ["stage"], buckets=BUCKETS
)

Handler = Callable[[list[Any]], Sequence[Message]]
HandlerT = TypeVar("HandlerT", bound=Handler)
Unit = list[Message]


@dataclass(frozen=True, slots=True)
class Delivery:
    """How this batch came: how often it was tried before, and whether a worker may have died with it."""

    attempt: int
    redelivered: bool


def stage(name: str) -> Callable[[HandlerT], HandlerT]:
    """Register a handler (batch in, messages out) as the Celery task of the topology's stage `name`.

    The function itself stays what it was: call it with a batch.
    """
    spec = topology.STAGES[name]

    def wrap(handler: HandlerT) -> HandlerT:
        @app.task(
            name=spec.task,
            bind=True,
            shared=False,
            soft_time_limit=spec.soft_limit,
            time_limit=spec.hard_limit,
        )
        def run(task: Task, items: list[dict[str, Any]]) -> None:
            Harness(spec, handler).receive(items, _delivery(task))

        return handler

    return wrap


def _delivery(task: Task) -> Delivery:
    info = task.request.delivery_info or {}
    return Delivery(int(task.request.get("tradebot_attempt") or 0), bool(info.get("redelivered")))


class Harness:
    """One delivery's way through a stage."""

    def __init__(self, spec: topology.Stage, handler: Handler) -> None:
        self.spec = spec
        self.handler = handler

    def receive(self, items: list[dict[str, Any]], delivery: Delivery) -> None:
        """Handle a body; returns when its effects are stored and its messages confirmed, so that it may be acked."""
        try:
            self._receive(items, delivery)
        except publisher.NotConfirmed as error:
            log.warning("stage.not_confirmed", stage=self.spec.name, reason=str(error))
            raise Reject(str(error), requeue=True) from error

    def _receive(self, items: list[dict[str, Any]], delivery: Delivery) -> None:
        units = topology.units(self._decode(items, delivery))
        if not units:
            return
        if delivery.redelivered and len(units) > 1:
            self._as_singles(units, delivery)
        else:
            self._handle(units, delivery)

    def _decode(self, items: list[dict[str, Any]], delivery: Delivery) -> list[Message]:
        good: list[Message] = []
        for item in items:
            try:
                good.append(from_wire(self.spec.accepts, item))
            except PermanentError as error:
                self._bury([item], str(error), delivery)
        return good

    def _as_singles(self, units: list[Unit], delivery: Delivery) -> None:
        """A worker may have died of one of these: let each come alone, so that the one takes nobody along."""
        log.warning("stage.singled_out", stage=self.spec.name, items=len(units))
        publisher.send([self._back(unit, delivery.attempt) for unit in units])

    def _handle(self, units: list[Unit], delivery: Delivery) -> None:
        start = datetime.now(UTC)
        batch = list(itertools.chain.from_iterable(units))
        with structlog.contextvars.bound_contextvars(stage=self.spec.name, root_id=batch[0].root_id):
            try:
                with SECONDS.labels(self.spec.name).time():
                    out = self.handler(batch)
            except TransientError as error:
                self._again(units, error, delivery)
            except Exception as error:  # noqa: BLE001 - the border: one bad item must not stop the others
                self._divide(units, error, delivery)
            else:
                self._publish(batch, out, start)

    def _publish(self, batch: list[Message], out: Sequence[Message], start: datetime) -> None:
        end = datetime.now(UTC)
        publisher.publish(_stamped(message, self.spec.name, start, end) for message in out)
        ITEMS.labels(self.spec.name, "done").inc(len(batch))
        for message in batch:
            LAG.labels(self.spec.name).observe(max(0.0, (end - message.seen_at).total_seconds()))

    def _divide(self, units: list[Unit], error: Exception, delivery: Delivery) -> None:
        """Halve a failed batch until the poison item stands alone; that one is buried, or tried again."""
        if len(units) > 1:
            half = len(units) // 2
            self._handle(units[:half], delivery)
            self._handle(units[half:], delivery)
        elif isinstance(error, PermanentError):
            self._bury(_wired(units[0]), str(error), delivery)
        else:
            log.exception("stage.failed", stage=self.spec.name)
            self._again(units, error, delivery)

    def _again(self, units: list[Unit], error: Exception, delivery: Delivery) -> None:
        reason = f"{type(error).__name__}: {error}"
        if delivery.attempt >= self.spec.retries:
            for unit in units:
                self._bury(_wired(unit), f"after {delivery.attempt + 1} attempts: {reason}", delivery)
            return
        seconds = topology.RETRY_DELAYS[min(delivery.attempt, len(topology.RETRY_DELAYS) - 1)]
        log.warning("stage.retry", stage=self.spec.name, seconds=seconds, reason=reason, items=len(units))
        ITEMS.labels(self.spec.name, "retried").inc(len(units))
        items = [item for unit in units for item in _wired(unit)]
        self._later(items, delivery.attempt + 1, seconds)

    def _later(self, items: list[dict[str, Any]], attempt: int, seconds: int) -> None:
        if celeryconfig.CONFIRMS:
            key = f"{seconds}.{self.spec.queue_name}"
            publisher.send(
                [publisher.Parcel(topology.LATER, key, self.spec.task, items, headers={"tradebot_attempt": attempt})]
            )
        else:
            app.send_task(
                self.spec.task,
                args=(items,),
                countdown=seconds,
                exchange="to_queue",
                routing_key=f"now.{self.spec.queue_name}",
                headers={"tradebot_attempt": attempt},
            )

    def _back(self, unit: Unit, attempt: int) -> publisher.Parcel:
        return publisher.to_queue(self.spec.queue_name, self.spec.task, _wired(unit), tradebot_attempt=attempt)

    def _bury(self, items: list[dict[str, Any]], reason: str, delivery: Delivery) -> None:
        log.error("stage.dead_letter", stage=self.spec.name, reason=reason)
        DEAD.labels(self.spec.name).inc(len(items))
        ITEMS.labels(self.spec.name, "dead").inc(len(items))
        headers = {"tradebot_reason": reason[:2000], "tradebot_attempt": delivery.attempt}
        publisher.send(
            [publisher.Parcel(topology.DEAD_LETTERS, self.spec.queue_name, self.spec.task, items, headers=headers)]
        )


def _wired(unit: Unit) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(message) for message in unit]


def _stamped(message: Message, stage_name: str, start: datetime, end: datetime) -> Message:
    return msgspec.structs.replace(message, stages={**message.stages, stage_name: (start, end)})
