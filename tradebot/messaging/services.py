"""Writes: put messages into the outbox, record dead letters, send them back or drop them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from tradebot.contracts.messages import Message, to_wire
from tradebot.messaging.jsonb import as_jsonb, as_text
from tradebot.messaging.models import DeadLetter, OutboxMessage

CHANNEL = "tradebot_outbox"
_NAME_LIMIT, _TASK_LIMIT, _ROOT_LIMIT = 60, 120, 200
_NO_RETRY = "{0.id} ({0.stage}) holds no messages of a stage and can't be sent back; read its reason, then drop it"


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
    """Keep a dead letter; False when this one is already there (the broker delivered it twice). What the table can't
    hold is escaped; without a `queue` the letter can't be retried."""
    kept = as_jsonb(items)
    roots = [str(item["root_id"])[:_ROOT_LIMIT] for item in kept if isinstance(item, dict) and "root_id" in item]
    _, created = DeadLetter.objects.get_or_create(
        id=letter_id,
        defaults={
            "stage": as_text(stage)[:_NAME_LIMIT],
            "queue": queue,
            "task": as_text(task)[:_TASK_LIMIT],
            "reason": as_text(reason),
            "items": kept,
            "root_ids": roots,
            "attempts": attempts,
            "dead_at": dead_at,
        },
    )
    return created


@dataclass(frozen=True, slots=True)
class Retried:
    """How many letters went back, and why the others stay where they are."""

    sent: int
    refused: list[str]


@transaction.atomic
def retry_dead_letters(ids: Sequence[UUID]) -> Retried:
    """Send the open ones among `ids` back to their stage, if they came from one. One row of the outbox for each post:
    its pictures stay together."""
    found = list(DeadLetter.objects.select_for_update().filter(id__in=ids, state=DeadLetter.State.OPEN))
    letters = [letter for letter in found if _retryable(letter)]
    _store(
        [
            OutboxMessage(kind="dead_letter", payload=unit, queue=letter.queue, task=letter.task)
            for letter in letters
            for unit in _units(letter.items)
        ]
    )
    _settle(letters, DeadLetter.State.RETRIED)
    return Retried(len(letters), [_NO_RETRY.format(letter) for letter in found if not _retryable(letter)])


def _retryable(letter: DeadLetter) -> bool:
    items = letter.items
    return bool(letter.queue and isinstance(items, list) and items and all(isinstance(item, dict) for item in items))


def _units(items: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    units: dict[str, list[dict[str, Any]]] = {}
    for number, item in enumerate(items):
        units.setdefault(str(item.get("post_id") or f"#{number}"), []).append(item)
    return list(units.values())


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
