"""The outbox relay: rows in, confirmed messages out."""

from __future__ import annotations

import select
import time
from itertools import groupby

import structlog
from django.db import OperationalError, connection, transaction

from tradebot.contracts import messages as contracts
from tradebot.contracts.messages import Message, from_wire
from tradebot.messaging.models import OutboxMessage
from tradebot.messaging.services import CHANNEL
from workers import publisher

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
    """Publish one batch of the outbox; returns how many rows went out."""
    with transaction.atomic():
        rows = list(OutboxMessage.objects.select_for_update(skip_locked=True).order_by("id")[:BATCH])
        if rows:
            publisher.send(_parcels(rows))
            OutboxMessage.objects.filter(id__in=[row.id for row in rows]).delete()
    return len(rows)


def _parcels(rows: list[OutboxMessage]) -> list[publisher.Parcel]:
    plain = [_message(row) for row in rows if not row.queue]
    aimed = sorted((row for row in rows if row.queue), key=lambda row: (row.queue, row.task))
    back = [
        publisher.to_queue(queue, task, [row.payload for row in group])
        for (queue, task), group in groupby(aimed, key=lambda row: (row.queue, row.task))
    ]
    return publisher.parcels(plain) + back


def _message(row: OutboxMessage) -> Message:
    kind: type[Message] = getattr(contracts, row.kind)
    return from_wire(kind, row.payload)
