"""Reads: dead letters as frozen values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from tradebot.messaging.models import DeadLetter, OutboxMessage


@dataclass(frozen=True, slots=True)
class DeadLetterView:
    id: UUID
    stage: str
    task: str
    reason: str
    state: str
    attempts: int
    dead_at: datetime
    items: list[Any]


def dead_letters(*, stage: str | None = None, state: str | None = "open", limit: int = 100) -> list[DeadLetterView]:
    """Newest first."""
    rows = DeadLetter.objects.all()
    if stage:
        rows = rows.filter(stage=stage)
    if state:
        rows = rows.filter(state=state)
    return [_view(row) for row in rows[:limit]]


def dead_letter(letter_id: UUID) -> DeadLetterView | None:
    """One dead letter with its items."""
    row = DeadLetter.objects.filter(id=letter_id).first()
    return _view(row) if row else None


def dead_roots(root_ids: Sequence[str]) -> set[str]:
    """Which of these roots have an open dead letter."""
    found: set[str] = set()
    rows = DeadLetter.objects.filter(root_ids__overlap=list(root_ids), state=DeadLetter.State.OPEN)
    for roots in rows.values_list("root_ids", flat=True):
        found.update(roots)
    return found & set(root_ids)


def outbox_size() -> int:
    """How many messages wait for the relay."""
    return OutboxMessage.objects.count()


def _view(row: DeadLetter) -> DeadLetterView:
    return DeadLetterView(row.id, row.stage, row.task, row.reason, row.state, row.attempts, row.dead_at, row.items)
