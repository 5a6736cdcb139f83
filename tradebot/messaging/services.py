"""Writes: put messages into the outbox, record dead letters, send them back or drop them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from tradebot.contracts.messages import Message, to_wire
from tradebot.messaging.models import DeadLetter, OutboxMessage

CHANNEL = "tradebot_outbox"


def enqueue(messages: Sequence[Message]) -> None:
    """Store messages for the relay. Call it inside the transaction whose effect they announce."""
    _store([OutboxMessage(kind=type(message).__name__, payload=to_wire(message)) for message in messages])


def record_dead_letter(
    *,
    letter_id: UUID,
    stage: str,
    queue: str,
    task: str,
    reason: str,
    items: list[Any],
    attempts: int,
    dead_at: datetime,
) -> bool:
    """Keep a dead letter; False when this one is already there (the broker delivered it twice)."""
    roots = [str(item["root_id"]) for item in items if isinstance(item, dict) and "root_id" in item]
    _, created = DeadLetter.objects.get_or_create(
        id=letter_id,
        defaults={
            "stage": stage,
            "queue": queue,
            "task": task,
            "reason": reason,
            "items": items,
            "root_ids": roots,
            "attempts": attempts,
            "dead_at": dead_at,
        },
    )
    return created


@transaction.atomic
def retry_dead_letters(ids: Sequence[UUID]) -> int:
    """Send the open ones among `ids` back to their stage; returns how many."""
    letters = list(DeadLetter.objects.select_for_update().filter(id__in=ids, state=DeadLetter.State.OPEN))
    _store(
        [
            OutboxMessage(kind="dead_letter", payload=item, queue=letter.queue, task=letter.task)
            for letter in letters
            for item in letter.items
        ]
    )
    _settle(letters, DeadLetter.State.RETRIED)
    return len(letters)


@transaction.atomic
def drop_dead_letters(ids: Sequence[UUID]) -> int:
    """Close the open ones among `ids` without a retry; returns how many."""
    letters = list(DeadLetter.objects.select_for_update().filter(id__in=ids, state=DeadLetter.State.OPEN))
    _settle(letters, DeadLetter.State.DROPPED)
    return len(letters)


def _settle(letters: list[DeadLetter], state: DeadLetter.State) -> None:
    DeadLetter.objects.filter(id__in=[letter.id for letter in letters]).update(state=state, settled_at=timezone.now())


def _store(rows: list[OutboxMessage]) -> None:
    if not rows:
        return
    OutboxMessage.objects.bulk_create(rows)
    with connection.cursor() as cursor:
        cursor.execute(f"NOTIFY {CHANNEL}")
