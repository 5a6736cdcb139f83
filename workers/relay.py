"""The outbox relay: rows in, confirmed messages out."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog
from django.db import OperationalError, connection, transaction

from tradebot.contracts import messages as contracts
from tradebot.contracts.errors import PermanentError
from tradebot.contracts.ids import stable_id
from tradebot.contracts.messages import Message, from_wire
from tradebot.messaging.models import OutboxMessage
from tradebot.messaging.services import CHANNEL, record_dead_letter
from workers import publisher, topology

UNREADABLE = (AttributeError, LookupError, TypeError, ValueError, msgspec.ValidationError, PermanentError)

Unit = list[dict[str, Any]]
"""Items, as JSON, that must travel together."""

log = structlog.get_logger(__name__)

BATCH = 500
IDLE_SECONDS = 1.0
"""Upper bound of a wait: a lost notification delays a message by no more than this."""


class Relay:
    """Publishes until `stopping` is set."""

    def __init__(self) -> None:
        self.stopping = False

    def run(self) -> None:
        """Drain, then wait for a notification; a broken database or broker is waited for, with a log line."""
        pause = 1.0
        while not self.stopping:
            try:
                self._listen()
                while not self.stopping:
                    if not drain():
                        self._wait()
                    pause = 1.0
            except (OperationalError, publisher.NotConfirmed) as error:
                log.warning("relay.waiting", reason=str(error).strip(), seconds=pause)
                connection.close()
                time.sleep(pause)
                pause = min(pause * 2, 30)

    def _listen(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")

    def _wait(self) -> None:
        raw = connection.connection
        ready, _, _ = select.select([raw], [], [], IDLE_SECONDS)
        if ready:
            for _ in raw.notifies(timeout=0):
                pass


def drain() -> int:
    """Publish one batch of the outbox; returns how many rows are done with."""
    with transaction.atomic():
        rows = list(OutboxMessage.objects.select_for_update(skip_locked=True).order_by("id")[:BATCH])
        if rows:
            publisher.send(_parcels(rows))
            OutboxMessage.objects.filter(id__in=[row.id for row in rows]).delete()
    return len(rows)


def _parcels(rows: list[OutboxMessage]) -> list[publisher.Parcel]:
    plain: list[Message] = []
    back: dict[topology.Stage, list[Unit]] = {}
    for row in rows:
        try:
            if row.queue:
                back.setdefault(topology.STAGE_OF_TASK[row.task], []).append(_unit(row))
            else:
                plain.append(_message(row))
        except UNREADABLE as error:
            _set_aside(row, error)
    return [*publisher.parcels(plain), *(parcel for stage, units in back.items() for parcel in _returned(stage, units))]


def _message(row: OutboxMessage) -> Message:
    kind: type[Message] = getattr(contracts, row.kind)
    message = from_wire(kind, row.payload)
    topology.route([message])
    return message


def _unit(row: OutboxMessage) -> Unit:
    return msgspec.convert(row.payload, Unit)


def _returned(stage: topology.Stage, units: list[Unit]) -> Iterator[publisher.Parcel]:
    for chunk in publisher.cut(units, stage.batch, stage.max_bytes):
        yield publisher.to_queue(stage.queue_name, stage.task, chunk)


def _set_aside(row: OutboxMessage, error: Exception) -> None:
    """What can't be read now never can: operators find it among the dead letters, the others need not wait for it."""
    log.error("relay.unreadable", row=row.pk, kind=row.kind, reason=str(error))
    record_dead_letter(
        letter_id=stable_id("outbox", row.pk, row.created_at),
        stage="outbox",
        queue="",
        task=row.task or row.kind,
        reason=f"the outbox could not read it: {type(error).__name__}: {error}",
        items=row.payload if isinstance(row.payload, list) else [row.payload],
        attempts=1,
        dead_at=datetime.now(UTC),
    )
