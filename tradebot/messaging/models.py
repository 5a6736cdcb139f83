"""Rows of the outbox and of the dead letters."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models


class OutboxMessage(models.Model):
    """What to publish, written in the transaction that caused it; the relay deletes it once the broker confirmed.

    `queue` and `task` are set only for what goes straight back to one stage (a retried dead letter); its payload is
    then the list of items that must travel together.
    """

    kind = models.CharField(max_length=60)
    payload = models.JSONField()
    queue = models.CharField(max_length=60, blank=True)
    task = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        verbose_name = "outbox message"

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class DeadLetter(models.Model):
    """Items that a stage refused for good, with the reason."""

    class State(models.TextChoices):
        OPEN = "open"
        RETRIED = "retried"
        DROPPED = "dropped"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    stage = models.CharField(max_length=60)
    queue = models.CharField(max_length=60)
    task = models.CharField(max_length=120)
    reason = models.TextField()
    items = models.JSONField()
    root_ids = ArrayField(models.CharField(max_length=200), default=list)
    attempts = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    dead_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-dead_at"]
        indexes = [GinIndex(fields=["root_ids"]), models.Index(fields=["state", "-dead_at"])]

    def __str__(self) -> str:
        return f"{self.stage}: {self.reason[:80]}"
